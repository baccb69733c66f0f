/**
 * The life of a page, as far as it says something of the connection: the network is back, the page is about to be frozen,
 * or runs again. A browser freezes pages, stops their timers and closes their sockets, mostly without a word.
 */

import { listen, type EventSource } from './platform.js'

/** What is listened to; a `window`, in short. */
export interface Page extends EventSource<PageEvent> {
  readonly document: EventSource<PageEvent> & { readonly visibilityState: string }
  matchMedia?(query: string): { readonly matches: boolean }
}

interface PageEvent {
  /** Of `pagehide` and `pageshow`: the page is kept, and may be shown again as it was. */
  readonly persisted?: boolean
}

/** What the page makes happen. */
export interface PageActions {
  readonly background: () => void
  readonly foreground: () => void
  /** The page is gone for good, or loads anew: a `background` that was said is taken back. */
  readonly goodbye: () => void
  /** The network is back: does not wait any longer, and asks a line that seems to be live. */
  readonly hurry: () => void
  readonly probe: () => void
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
  const { document } = page
  let isGone = false
  return listen([
    [page, 'online', actions.hurry],
    [page, 'offline', actions.probe],
    [
      page,
      'pagehide',
      ({ persisted }) => {
        isGone = !persisted
        if (persisted) actions.background()
        else actions.goodbye()
      },
    ],
    [
      page,
      'pageshow',
      ({ persisted }) => {
        isGone = false
        if (persisted) actions.foreground()
      },
    ],
    [document, 'freeze', () => actions.background()],
    [document, 'resume', actions.foreground],
    [
      document,
      'visibilitychange',
      () => {
        // A page that unloads is hidden after `pagehide`.
        if (isGone) return
        if (document.visibilityState === 'visible') actions.foreground()
        else if (page.matchMedia?.('(pointer: coarse)').matches) actions.background()
      },
    ],
  ])
}
