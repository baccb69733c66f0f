/** Questions and answers between the benchmark and the processes that it starts. */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'

interface Question {
  readonly id: number
  readonly name: string
  readonly argument: unknown
}
interface Answer {
  readonly id: number
  readonly value?: unknown
  readonly error?: string
}

/** What a process answers to: one argument in, one promise out, by name. */
export type Handlers<Api> = { readonly [Name in keyof Api]: Handler }
type Handler = (argument: never) => unknown

/** In the child: answers questions until the parent goes, and then ends. */
export function answer<Api extends Handlers<Api>>(api: Api): void {
  const handlers: ReadonlyMap<string, Handler> = new Map(Object.entries(api))
  process.on('message', ({ id, name, argument }: Question) => {
    void (async () => handlers.get(name)?.(argument as never))().then(
      (value) => process.send?.({ id, value } satisfies Answer),
      (error: unknown) => process.send?.({ id, error: error instanceof Error ? error.stack : String(error) }),
    )
  })
  process.on('disconnect', () => process.exit())
}

interface Waiting {
  readonly resolve: (value: never) => void
  readonly reject: (error: Error) => void
  readonly timer: ReturnType<typeof setTimeout>
}

/** Longer than any phase: who does not answer by then never will. */
const ANSWER_TIMEOUT_MS = 300_000

/** The other end of {@link answer}. */
export interface Remote<Api extends Handlers<Api>> extends AsyncDisposable {
  /** @throws Error what the child threw, or that it ended. */
  ask<Name extends keyof Api & string>(
    name: Name,
    ...argument: Parameters<Api[Name]>
  ): Promise<Awaited<ReturnType<Api[Name]>>>
}

/** Disposing kills the child and waits until it is gone. */
export function remote<Api extends Handlers<Api>>(child: ChildProcess, label: string): Remote<Api> {
  const open = new Map<number, Waiting>()
  let questions = 0
  let ended: string | undefined
  child.on('message', ({ id, value, error }: Answer) => {
    const waiting = open.get(id)
    open.delete(id)
    clearTimeout(waiting?.timer)
    if (error === undefined) waiting?.resolve(value as never)
    else waiting?.reject(new Error(`${label}: ${error}`))
  })
  const end = (why: string) => {
    ended ??= why
    for (const { reject, timer } of open.values()) {
      clearTimeout(timer)
      reject(new Error(`${label} ended: ${why}.`))
    }
    open.clear()
  }
  child.once('exit', (code, signal) => end(`exit ${code ?? signal ?? 'unknown'}`))
  child.once('error', (error) => end(error.message))
  return {
    ask(name, ...[argument]) {
      if (ended !== undefined) return Promise.reject(new Error(`${label} ended: ${ended}.`))
      const id = ++questions
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          open.delete(id)
          reject(new Error(`${label} did not answer ${name} within ${ANSWER_TIMEOUT_MS} ms.`))
        }, ANSWER_TIMEOUT_MS)
        open.set(id, { resolve, reject, timer })
        child.send({ id, name, argument } satisfies Question)
      })
    },
    async [Symbol.asyncDispose]() {
      if (ended !== undefined) return
      const gone = once(child, 'exit')
      child.kill('SIGKILL')
      await gone
    },
  }
}
