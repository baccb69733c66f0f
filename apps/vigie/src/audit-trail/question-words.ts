/** Answers about the past in sentences, for a terminal. Times are in UTC. */
import type { AuditHole, AuditOnline, AuditPeak, AuditUser, AuditWhy } from '@vigie/server/http'
import { REASONS, shown, time } from '../explain-words.js'
import { count } from './verify-words.js'

/** Also what ends a session without a row of its own. */
const AUDIT_REASONS: ReadonlyMap<string, string> = new Map([
  ...Object.entries(REASONS),
  ['stop', 'the server stopped'],
  ['death', 'the server was killed'],
  ['unknown', 'the trail does not say why'],
])

export const HOLES: Readonly<Record<AuditHole['why'], string>> = {
  before_trail: 'nothing is kept of so long ago, or nothing was recorded then',
  not_kept: 'what this server recorded before is not kept any more',
  overflow: 'PostgreSQL was away for longer than what happened could wait',
  killed: 'the server was killed; what it had not written is lost',
  silent: 'the server has written nothing since, and nobody has said that it ended',
  not_written_yet: 'what happens is written within seconds: ask again',
}

type Device = AuditWhy['devices'][number]
type Interval = AuditUser['intervals'][number]
type Fact = AuditWhy['facts'][number]

export function onlineInWords({ kind, id, at, users, ...rest }: AuditOnline): string {
  return [
    `${users.length === 0 ? 'Nobody' : count(users.length, 'user')} of ${kind} ${shown(id)} online at ${time(at)}${users.length === 0 ? '.' : ':'}`,
    ...users.map(({ userId, devices }) => `  ${shown(userId)}: ${devices.map(deviceInWords).join(', ')}`),
    ...reliabilityInWords(rest),
  ].join('\n')
}

export function userInWords({ userId, from, to, intervals, devices, ...rest }: AuditUser): string {
  const period = `from ${time(from)} to ${time(to)}`
  return [
    intervals.length === 0
      ? `${shown(userId)} was not online ${period}.`
      : `${shown(userId)} was online, ${period}:`,
    ...intervals.map((interval) => `  ${intervalInWords(interval)}`),
    ...(devices.length === 0 ? [] : ['By device:']),
    ...devices.map(({ deviceId, ...interval }) => `  ${deviceName(deviceId)}: ${intervalInWords(interval)}`),
    ...reliabilityInWords(rest),
  ].join('\n')
}

export function peakInWords({ day, users, devices, ...rest }: AuditPeak): string {
  return [
    users.at === null
      ? `Nobody was online on ${day}.`
      : `Most users online at one time on ${day}: ${users.count}, since ${time(users.at)}.`,
    ...(devices.at === null ? [] : [`Most devices: ${devices.count}, since ${time(devices.at)}.`]),
    ...reliabilityInWords(rest),
  ].join('\n')
}

export function whyInWords({ userId, at, online, devices, because, facts, ...rest }: AuditWhy): string {
  const state = online ? `online: ${devices.map(deviceInWords).join(', ')}` : 'offline'
  return [
    `${shown(userId)} was ${state}, at ${time(at)}.`,
    because === null
      ? online
        ? 'It began on a day before.'
        : 'The trail does not tell of an earlier presence.'
      : `Since ${time(because.at)}: ${reasonInWords(because.reason)}.`,
    ...(facts.length === 0 ? [] : ['What the trail tells until then, the newest last:']),
    ...facts.map((fact) => `  ${factInWords(fact)}`),
    ...reliabilityInWords(rest),
  ].join('\n')
}

/** Vigie names a device by its session where the client gave no id. */
function deviceName(deviceId: string): string {
  return deviceId.startsWith('~') ? 'a device without an id' : `device ${shown(deviceId)}`
}

function deviceInWords({ deviceId, state, since }: Device): string {
  const when = since === null ? '' : ` since ${time(since)}`
  return `${deviceName(deviceId)}${when}${state === 'lost' ? ' (connection lost, still counted)' : ''}`
}

function intervalInWords({ from, to, began, ended }: Interval): string {
  const start = began === null ? 'already there' : reasonInWords(began)
  const end = ended === null ? 'still there' : reasonInWords(ended)
  return `${time(from)} to ${time(to)} (${start}; ${end})`
}

/** @example reasonInWords('left') // 'a client disconnected or left' */
export function reasonInWords(reason: string): string {
  return AUDIT_REASONS.get(reason) ?? reason
}

function factInWords({ at, kind, state, reason, deviceId, groups, conversations }: Fact): string {
  const rooms = [...(groups ?? []), ...(conversations ?? [])]
  const parts = [
    ...(reason === null ? [] : [kind === 'session' ? reasonInWords(reason) : reason]),
    ...(deviceId === null ? [] : [deviceName(deviceId)]),
    ...(kind === 'rooms' ? [rooms.length === 0 ? 'in no room' : `in ${rooms.map(shown).join(', ')}`] : []),
  ]
  return `${time(at)} ${kind}${state === null ? '' : ` ${state}`}: ${parts.join(', ')}`
}

function reliabilityInWords({ holes, erasures }: Pick<AuditOnline, 'holes' | 'erasures'>): readonly string[] {
  return [
    ...(holes.length === 0 ? [] : ['The trail has holes, and this may be wrong there:']),
    ...holes.map(
      ({ from, to, boot, why }) =>
        `  ${from === null ? 'before' : `from ${time(from)}`} ${to === null ? 'on' : `${from === null ? '' : 'to '}${time(to)}`}` +
        `${boot === null ? '' : `, start ${boot}`}: ${HOLES[why]}`,
    ),
    ...(erasures === 0
      ? []
      : [`${count(erasures, 'erasure')} took people out of these days: they are missing here.`]),
  ]
}
