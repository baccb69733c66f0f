/** An explanation in plain sentences. Pure: what time it is comes as an argument. */
import type { Explanation } from '@vigie/server/http'
import type { Texts } from '../texts/en.js'
import type { Language } from '../texts/language.js'

type ExplainedSession = Explanation['sessions'][number]
type ExplainedTransition = Explanation['transitions'][number]
type ExplainedRoom = Explanation['rooms'][number]
type ExplainedViewer = NonNullable<Explanation['viewer']>

/** Whether the user is online, and on how many devices. */
export function verdict({ userId, presence }: Explanation, { texts }: Language): string {
  return presence.online ? texts.isOnline(userId, texts.devices(presence.count)) : texts.isOffline(userId)
}

/** What is known of one session, one fact a sentence. */
export function sessionSentences(session: ExplainedSession, language: Language, now: number): string[] {
  const { texts, duration, moment } = language
  const { state, since, lostAt = since, graceEndsAt, lastHeardAt, typingIn } = session
  const { tokenEndsAt, backgroundGraceMs } = session
  return [
    ...(state === 'live'
      ? [texts.connectedFor(duration(now - since), moment(since, now))]
      : [
          texts.lostSince(duration(now - lostAt), moment(lostAt, now)),
          graceEndsAt !== undefined && graceEndsAt > now
            ? texts.countsUntil(duration(graceEndsAt - now))
            : texts.countsNoMore,
        ]),
    ...(state === 'live' && lastHeardAt !== undefined ? [texts.heardAgo(duration(now - lastHeardAt))] : []),
    ...(typingIn === undefined ? [] : [texts.typesIn(typingIn)]),
    ...(backgroundGraceMs === undefined ? [] : [texts.background(duration(backgroundGraceMs))]),
    ...(tokenEndsAt === undefined
      ? []
      : [tokenEndsAt > now ? texts.tokenEnds(duration(tokenEndsAt - now)) : texts.tokenEnded]),
  ]
}

/** "Came back within the grace, device phone: seen online, on 1 device." */
export function transitionSentence(transition: ExplainedTransition, { texts }: Language): string {
  const { reason, deviceId, after } = transition
  const device = deviceId === undefined ? '' : ` · ${texts.onDevice(deviceId)}`
  const seen = after.online ? texts.thenOnline(texts.devices(after.count)) : texts.thenOffline
  return `${texts.reasons[reason]}${device} → ${seen}`
}

/** Whether and through what a viewer sees the user, or what hides it; then what the viewer is told, and what waits. */
export function viewerSentences(viewer: ExplainedViewer, userId: string, language: Language): string[] {
  const { texts } = language
  const { told, liveSessions, pendingSessions } = viewer
  return [
    ...sightSentences(viewer, userId, language),
    told.online ? texts.toldOnline(texts.devices(told.count)) : texts.toldOffline,
    texts.viewerSessions(liveSessions),
    ...(liveSessions === 0
      ? []
      : [pendingSessions === 0 ? texts.nothingPending : texts.viewerPending(pendingSessions)]),
  ]
}

function sightSentences(viewer: ExplainedViewer, userId: string, { texts, list }: Language): string[] {
  const { userId: viewerId, sees, isSelf, isWatching, through, hiddenBy } = viewer
  if (isSelf) return [texts.seesSelf]
  const rooms = list(through.map((room) => roomName(room, texts)))
  if (!sees) {
    const hidden = texts.hidden[hiddenBy ?? 'other'](viewerId, userId)
    return through.length === 0 ? [hidden] : [hidden, texts.wouldSee(rooms)]
  }
  if (through.length > 0) return [texts.sees(viewerId, userId, rooms)]
  return [isWatching ? texts.seesWatching(viewerId, userId) : texts.seesOtherwise(viewerId, userId)]
}

export function roomName({ kind, id }: ExplainedRoom, texts: Texts): string {
  return kind === 'group' ? texts.group(id) : texts.conversation(id)
}
