/**
 * The life of a page, as far as it says something of the connection: the network is back, the page is about to be frozen,
 * or runs again. A browser freezes pages, stops their timers and closes their sockets, mostly without a word.
 */

/** What is listened to; a `window`, in short. */
export interface Page {
  addEventListener(type: string, listener: (event: PageEvent) => void): void
  removeEventListener(type: string, listener: (event: PageEvent) => void): void
  readonly document: {
    readonly visibilityState: string
    addEventListener(type: string, listener: () => void): void
    removeEventListener(type: string, listener: () => void): void
  }
  matchMedia?(query: string): { readonly matches: boolean }
}

interface PageEvent {
  /** Of `pagehide` and `pageshow`: the page is kept, and may be shown again as it was. */
  readonly persisted?: boolean
}

/** What the page makes happen. */
export interface PageActions {
  background(): void
  foreground(): void
  /** The page is gone for good, or loads anew: a `background` that was said is taken back. */
  goodbye(): void
  /** The network is back: does not wait any longer, and asks a line that seems to be live. */
  hurry(): void
  probe(): void
}

/** The page that this runs in; undefined where there is none (Node.js, React Native, a worker). */
export function ownPage(): Page | undefined {
  const page = globalThis as unknown as Partial<Page>
  return page.document?.addEventListener && page.addEventListener ? (page as Page) : undefined
}

/**
 * Follows the page until the function that it returns is called. A desktop page that is hidden goes on running, and
 * closing it must be seen at once: only a phone's page, which is frozen soon, is in the background when it is hidden.
 */
export function followPage(page: Page, actions: PageActions): () => void {
  let isGone = false
  const isPhone = () => page.matchMedia?.('(pointer: coarse)').matches === true
  const ofWindow: readonly (readonly [string, (event: PageEvent) => void])[] = [
    ['online', () => actions.hurry()],
    ['offline', () => actions.probe()],
    [
      'pagehide',
      ({ persisted }) => {
        isGone = persisted !== true
        if (isGone) actions.goodbye()
        else actions.background()
      },
    ],
    [
      'pageshow',
      ({ persisted }) => {
        isGone = false
        if (persisted) actions.foreground()
      },
    ],
  ]
  const ofDocument: readonly (readonly [string, () => void])[] = [
    [
      'visibilitychange',
      () => {
        // A page that unloads is hidden after `pagehide`.
        if (isGone) return
        if (page.document.visibilityState === 'visible') actions.foreground()
        else if (isPhone()) actions.background()
      },
    ],
    ['freeze', () => actions.background()],
    ['resume', () => actions.foreground()],
  ]
  for (const [type, listener] of ofWindow) page.addEventListener(type, listener)
  for (const [type, listener] of ofDocument) page.document.addEventListener(type, listener)
  return () => {
    for (const [type, listener] of ofWindow) page.removeEventListener(type, listener)
    for (const [type, listener] of ofDocument) page.document.removeEventListener(type, listener)
  }
}
