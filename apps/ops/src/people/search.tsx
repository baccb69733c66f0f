import { useState, type SubmitEvent } from 'react'
import type { Place } from '../place.js'
import { useLanguage } from '../texts/use-language.js'

interface SearchProps {
  readonly place: Place
  readonly go: (place: Place) => void
}

/** Whose presence is to be explained, and to whom. Ids are the host's, so that what is typed is not corrected. */
export function Search({ place, go }: SearchProps) {
  const { texts } = useLanguage()
  const [userId, setUserId] = useState(place.userId ?? '')
  const [viewerId, setViewerId] = useState(place.viewerId ?? '')
  const submit = (event: SubmitEvent) => {
    event.preventDefault()
    const [user, viewer] = [userId.trim(), viewerId.trim()]
    if (user !== '') go(viewer === '' ? { userId: user } : { userId: user, viewerId: viewer })
  }
  const exact = {
    type: 'text',
    autoComplete: 'off',
    autoCapitalize: 'none',
    spellCheck: false,
    maxLength: 128,
  }
  return (
    <form role="search" aria-labelledby="search-title" className="search" onSubmit={submit}>
      <h2 id="search-title">{texts.searchTitle}</h2>
      <label htmlFor="search-user">{texts.userId}</label>
      <input
        id="search-user"
        {...exact}
        data-testid="search-user"
        value={userId}
        onChange={({ target }) => setUserId(target.value)}
      />
      <label htmlFor="search-viewer">{texts.viewerId}</label>
      <input
        id="search-viewer"
        {...exact}
        data-testid="search-viewer"
        value={viewerId}
        onChange={({ target }) => setViewerId(target.value)}
      />
      <button type="submit" className="button primary" data-testid="explain">
        {texts.explain}
      </button>
    </form>
  )
}
