import { useEffect, useLayoutEffect, useRef, useState, type RefObject } from 'react'
import type { Thread } from '../chat/thread.js'

/** Whoever is this near the end wants to stay there. */
const NEAR_PX = 48

interface StickToEnd {
  readonly ref: RefObject<HTMLDivElement | null>
  readonly onScroll: () => void
  /** Something came while one was reading further up. */
  readonly hasNews: boolean
  readonly toEnd: () => void
}

/** Keeps a list of messages at its end while one is there; otherwise nothing moves under the eyes. */
export function useStickToEnd({ messages, drafts }: Thread): StickToEnd {
  const ref = useRef<HTMLDivElement>(null)
  const isAtEnd = useRef(true)
  const [hasNews, setHasNews] = useState(false)
  const lastId = messages.at(-1)?.id
  const lastDraft = drafts.at(-1)?.key

  function toEnd(): void {
    ref.current?.scrollTo({ top: ref.current.scrollHeight })
  }

  useLayoutEffect(() => {
    // What one writes oneself, one wants to see.
    if (isAtEnd.current || lastDraft !== undefined) toEnd()
    else setHasNews(true)
  }, [lastId, lastDraft])

  // The composer grows, a keyboard comes up: the end stays in sight.
  useEffect(() => {
    const element = ref.current
    if (!element) return undefined
    const observer = new ResizeObserver(() => {
      if (isAtEnd.current) toEnd()
    })
    observer.observe(element)
    return () => observer.disconnect()
  }, [])

  function onScroll(): void {
    const element = ref.current
    if (!element) return
    isAtEnd.current = element.scrollHeight - element.scrollTop - element.clientHeight < NEAR_PX
    if (isAtEnd.current) setHasNews(false)
  }

  return { ref, onScroll, hasNews, toEnd }
}
