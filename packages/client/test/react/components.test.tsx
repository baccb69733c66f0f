// @vitest-environment happy-dom
/** What a screen reader finds, and what a style sheet can hold on to. */
import { act, cleanup, render, screen } from '@testing-library/react'
import type { ReactElement } from 'react'
import { afterEach, describe, expect, test } from 'vitest'
import { AvatarStack, PresenceDot, PresenceProvider, TypingIndicator } from '../../src/react/index.js'
import { createFakePresence, type FakePresence } from '../../src/testing/index.js'

afterEach(cleanup)

const NAMES = new Map([
  ['ann', 'Ann'],
  ['ben', 'Ben'],
  ['cyd', 'Cyd'],
  ['dan', 'Dan'],
  ['eve', 'Ève'],
])
const nameOf = (userId: string) => NAMES.get(userId) ?? userId

function show(presence: FakePresence, element: ReactElement) {
  return render(<PresenceProvider client={presence}>{element}</PresenceProvider>)
}

describe('PresenceDot', () => {
  test('has a name, a shape and a data attribute for each of online, offline and unknown', () => {
    const presence = createFakePresence({ online: ['ann'], conversations: { plan: ['ann', 'ben'] } })
    const { container } = show(
      presence,
      <>
        <PresenceDot userId="ann" className="dot" />
        <PresenceDot userId="ben" />
        <PresenceDot userId="zoe" />
      </>,
    )
    const dots = screen.getAllByRole('img')
    expect(dots.map((dot) => dot.getAttribute('aria-label'))).toEqual(['Online', 'Offline', 'Unknown'])
    expect(dots.map((dot) => dot.dataset.presence)).toEqual(['online', 'offline', 'unknown'])
    expect(new Set(dots.map((dot) => dot.textContent)).size).toBe(3)
    expect(container.querySelectorAll('.dot')).toHaveLength(1)
    act(() => presence.setOnline('ben', true))
    expect(dots[1]?.textContent).toBe(dots[0]?.textContent)
    expect(dots[1]?.getAttribute('aria-label')).toBe('Online')
  })

  test('shows what was true last while the connection is away, and not as if it were true', () => {
    const presence = createFakePresence({ online: ['ann'] })
    show(presence, <PresenceDot userId="ann" />)
    expect(screen.getByRole('img').dataset.last).toBeUndefined()
    act(() => presence.setState({ name: 'closed', reason: 'ended' }))
    expect(screen.getByRole('img', { name: 'Unknown' }).dataset).toMatchObject({
      presence: 'unknown',
      last: 'online',
    })
  })

  test('speaks the language of its host, and wears its shape', () => {
    const presence = createFakePresence({ online: ['ann'] })
    show(
      presence,
      <PresenceDot
        userId="ann"
        label={(ann) => (ann.status === 'known' && ann.online ? 'En ligne' : 'Absente')}
        shape={() => <svg />}
      />,
    )
    const dot = screen.getByRole('img', { name: 'En ligne' })
    expect(dot.title).toBe('En ligne')
    expect(dot.querySelector('svg')).not.toBeNull()
  })

  test('watches whom it shows, unless it is told not to', () => {
    const presence = createFakePresence()
    show(
      presence,
      <>
        <PresenceDot userId="ann" />
        <PresenceDot userId="ben" watch={false} />
      </>,
    )
    expect(presence.watched()).toEqual(['ann'])
  })
})

describe('TypingIndicator', () => {
  test.each([
    [[], ''],
    [['ann'], 'Ann is typing…'],
    [['ann', 'ben'], 'Ann and Ben are typing…'],
    [['ann', 'ben', 'cyd'], 'Ann, Ben and Cyd are typing…'],
    [['ann', 'ben', 'cyd', 'dan'], 'Ann, Ben and 2 others are typing…'],
    [['ann', 'ben', 'cyd', 'dan', 'eve'], 'Ann, Ben and 3 others are typing…'],
  ])('of %j says "%s"', (typists, sentence) => {
    const presence = createFakePresence({
      conversations: { plan: [...NAMES.keys()] },
      typing: { plan: typists },
    })
    const { container } = show(presence, <TypingIndicator conversationId="plan" nameOf={nameOf} />)
    expect(container.textContent).toBe(sentence)
  })

  test('is one polite live region, there before anybody types and after', () => {
    const presence = createFakePresence({ conversations: { plan: ['ann'] } })
    const { container } = show(
      presence,
      <TypingIndicator conversationId="plan" nameOf={nameOf} className="typing" />,
    )
    const region = container.querySelector<HTMLElement>('.typing[aria-live="polite"]')!
    expect(region.dataset.typing).toBe('0')
    act(() => presence.setTyping('plan', ['ann']))
    expect(container.firstElementChild).toBe(region)
    expect([region.textContent, region.dataset.typing]).toEqual(['Ann is typing…', '1'])
    act(() => presence.setTyping('plan', []))
    expect([region.textContent, region.dataset.typing]).toEqual(['', '0'])
  })

  test('speaks the language of its host', () => {
    const presence = createFakePresence({
      conversations: { plan: ['ann', 'ben'] },
      typing: { plan: ['ann', 'eve'] },
    })
    const list = new Intl.ListFormat('fr')
    const { container } = show(
      presence,
      <TypingIndicator
        conversationId="plan"
        nameOf={nameOf}
        format={(names) => <b>{`${list.format(names)} écrivent…`}</b>}
      />,
    )
    expect(container.querySelector('b')?.textContent).toBe('Ann et Ève écrivent…')
  })
})

describe('AvatarStack', () => {
  const all = [...NAMES.keys()]

  test.each([
    [[], 'Nobody', ''],
    [['ann'], 'Ann', 'A'],
    [['ann', 'ben', 'cyd'], 'Ann, Ben and Cyd', 'ABC'],
    [['ann', 'ben', 'cyd', 'dan'], 'Ann, Ben, Cyd and 1 other', 'ABC+1'],
    [all, 'Ann, Ben, Cyd and 2 others', 'ABC+2'],
  ])('of %j is called "%s" and draws "%s"', (userIds, name, drawn) => {
    render(<AvatarStack userIds={userIds} nameOf={nameOf} />)
    expect(screen.getByRole('img', { name }).textContent).toBe(drawn)
  })

  test('draws as many as it is told, as it is told, and speaks the language of its host', () => {
    const { container } = render(
      <AvatarStack
        userIds={all}
        nameOf={nameOf}
        max={1}
        className="stack"
        renderAvatar={(userId) => <i>{userId}</i>}
        label={(names, others) => `${names.join()} et ${others} autres`}
      />,
    )
    expect(screen.getByRole('img', { name: 'Ann et 4 autres' }).className).toBe('stack')
    expect(container.querySelector('[data-user="ann"] i')?.textContent).toBe('ann')
    expect(container.querySelector('[data-others="4"]')?.textContent).toBe('+4')
  })

  test('counts those who have no names here', () => {
    render(<AvatarStack userIds={['ann']} nameOf={nameOf} total={900} />)
    expect(screen.getByRole('img', { name: 'Ann and 899 others' }).textContent).toBe('A+899')
    cleanup()
    render(<AvatarStack userIds={[]} nameOf={nameOf} total={900} />)
    expect(screen.getByRole('img', { name: '900' }).textContent).toBe('+900')
  })
})
