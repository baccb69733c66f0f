/** Work that is done in turns, never two at a time: what is asked for during one is done in the next. */
export interface Turns {
  /** There is something to do: a turn will come. */
  wake(): void
  close(): void
}

interface TurnsOptions {
  readonly hasWork: () => boolean
  /** There is so much to do that waiting for more is of no use. */
  readonly isFull: () => boolean
  /** Does what there is to do; never rejects. How long to wait before the next turn, in milliseconds. */
  readonly take: () => Promise<number>
  /** How long the first turn after a rest waits for others to share it. */
  readonly waitMs: number
}

export function createTurns({ hasWork, isFull, take, waitMs }: TurnsOptions): Turns {
  let timer: ReturnType<typeof setTimeout> | undefined
  let isBusy = false
  let isHurried = false
  let isClosed = false

  function schedule(ms: number): void {
    clearTimeout(timer)
    isHurried = isFull()
    timer = setTimeout(
      () => {
        timer = undefined
        void run()
      },
      isHurried ? 0 : ms,
    )
  }

  /** The pause after a turn is kept even if nothing is asked yet: requests that come within it share the next turn. */
  async function run(): Promise<void> {
    if (!hasWork()) return
    isBusy = true
    const pauseMs = await take()
    isBusy = false
    if (!isClosed) schedule(pauseMs)
  }

  return {
    wake() {
      if (isClosed || isBusy) return
      if (timer === undefined) schedule(waitMs)
      else if (!isHurried && isFull()) schedule(0)
    },
    close() {
      isClosed = true
      clearTimeout(timer)
    },
  }
}
