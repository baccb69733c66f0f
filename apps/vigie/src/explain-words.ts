/** An explanation of a presence in sentences, for a terminal. Times are in UTC, as the server's clock has them. */
import type { Explanation } from '@vigie/server/http'

type Session = Explanation['sessions'][number]
type Transition = Explanation['transitions'][number]
type Room = Explanation['rooms'][number]
type Viewer = NonNullable<Explanation['viewer']>
type Presence = Explanation['presence']

export const REASONS: Readonly<Record<Transition['reason'], string>> = {
  connected: 'a session connected',
  returned: 'a lost session came back within its grace',
  replaced: 'a session of the same client took over',
  lost: 'a connection was lost without a word',
  grace_over: 'the grace of a lost session was over',
  left: 'a client disconnected or left',
  logged_out: 'a session of the device logged out',
  kicked: 'the session was kicked',
  token_expired: 'the token ended',
  too_many_sessions: 'the user had too many sessions',
  other_node: 'another node said so',
  node_lost: 'another node was lost',
}

const HIDDEN: Readonly<Record<NonNullable<Viewer['hiddenBy']>, string>> = {
  no_shared_room: 'they share no group and no conversation',
  only_large_rooms:
    'they share only rooms that are too large for names, and the viewer does not watch the user',
  viewer_not_here: 'the viewer has no session on this server',
}

/** @example process.stdout.write(explainInWords(await vigie.explain('alice'))) */
export function explainInWords(explanation: Explanation): string {
  const { userId, presence, sessions, nodes, transitions, rooms, viewer } = explanation
  return [
    `${userId} is ${stateOf(presence)}.`,
    ...section('Sessions on this server', sessions.map(sessionLine)),
    ...section(
      'On other servers',
      nodes.map(
        ({ node, devices, isLost }) => `${node}${isLost ? ' (lost)' : ''}: ${devices.map(shown).join(', ')}`,
      ),
    ),
    ...section('What happened, the newest first', transitions.map(transitionLine)),
    ...section('In', rooms.map(roomName)),
    ...(viewer ? viewerLines(viewer, userId) : []),
  ].join('\n')
}

function section(title: string, lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [`${title}: none.`] : [`${title}:`, ...lines.map((line) => `  ${line}`)]
}

function stateOf({ online, count }: Presence): string {
  return online ? `online, on ${count === 1 ? 'one device' : `${count} devices`}` : 'offline'
}

function sessionLine(session: Session): string {
  const { state, deviceId, label, sessionId, protocol, since, lostAt, graceEndsAt } = session
  return [
    `${state}: device ${shown(deviceId)}${label === undefined ? '' : ` ${quoted(label)}`}`,
    `session ${shown(sessionId)}`,
    `protocol ${protocol}`,
    `since ${time(since)}`,
    ...(lostAt === undefined ? [] : [`lost at ${time(lostAt)}`]),
    ...(graceEndsAt === undefined ? [] : [`counts until ${time(graceEndsAt)}`]),
    ...(session.lastHeardAt === undefined ? [] : [`last heard of at ${time(session.lastHeardAt)}`]),
    ...(session.tokenEndsAt === undefined ? [] : [`token ends at ${time(session.tokenEndsAt)}`]),
    ...(session.backgroundGraceMs === undefined
      ? []
      : [`in the background: ${session.backgroundGraceMs} ms of grace`]),
    ...(session.typingIn === undefined ? [] : [`types in ${shown(session.typingIn)}`]),
  ].join(', ')
}

function transitionLine({ at, reason, deviceId, after }: Transition): string {
  const device = deviceId === undefined ? '' : ` (device ${shown(deviceId)})`
  return `${time(at)} ${REASONS[reason]}${device}: ${stateOf(after)}`
}

function roomName({ kind, id, mode }: Room): string {
  return `${kind} ${shown(id)}${mode === 'count' ? ' (too large for names)' : ''}`
}

function viewerLines(viewer: Viewer, userId: string): readonly string[] {
  const { sees, through, isSelf, isWatching, hiddenBy, told, liveSessions, pendingSessions } = viewer
  const reasons = [
    ...(isSelf ? ['it is the same user'] : []),
    ...(through.length > 0 ? [`both are in ${through.map(roomName).join(', ')}`] : []),
    ...(isWatching ? ['the viewer watches the user'] : []),
  ]
  const why = sees ? reasons.join('; ') : hiddenBy === undefined ? '' : HIDDEN[hiddenBy]
  const waits =
    pendingSessions === 0 ? 'nothing waits to be sent' : `news of ${userId} waits for ${pendingSessions}`
  return [
    `${viewer.userId} ${sees ? 'sees' : 'does not see'} ${userId}${why === '' ? '' : `: ${why}`}.`,
    `${viewer.userId} would be told now: ${stateOf(told)}. Live sessions of ${viewer.userId}: ${liveSessions}; ${waits}.`,
  ]
}

export function time(at: number): string {
  return new Date(at).toISOString().replace('T', ' ')
}

/** A client's own text, without what a terminal would act on. */
function quoted(text: string): string {
  return JSON.stringify(text).replaceAll(
    /[\u007f-\u009f]/gu,
    (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** An id as it is, unless it holds what a terminal would act on. */
export function shown(id: string): string {
  const text = quoted(id)
  return text === `"${id}"` ? id : text
}
