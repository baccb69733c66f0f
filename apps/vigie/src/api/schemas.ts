/** What the API takes and gives, as schemas: requests are checked by them, and the document is made from them. */
import { ID_MAX_LENGTH, isId, LABEL_MAX_LENGTH, type Mode } from '@vigie/protocol'
import { CLIENT_AUDIT_SAMPLE_DEFAULT, CLIENT_AUDIT_SAMPLE_MAX } from '@vigie/server'
import type {
  AuditOnline,
  AuditPeak,
  AuditUser,
  AuditWhy,
  BusyConversation,
  ClientAudit,
  DeadLetter,
  Explanation,
  Monitor,
  Problem,
  RoomPresence,
  UserPresence,
} from '@vigie/server/http'
import * as v from 'valibot'
import { timeIn } from '../audit-trail/time.js'

/** Most users of one query. */
export const QUERY_USERS_MAX = 1_000
/** Most users, groups, or conversations of one `memberships/changed`. */
export const CHANGED_MAX = 1_000
/** Most conversations of one list. */
export const CONVERSATIONS_MAX = 100
export const CONVERSATIONS_DEFAULT = 20

/** As `isId` has it. What the pattern cannot say, half a surrogate pair and units instead of characters, the check does. */
const idOf = (maxLength: number, what: string) =>
  v.pipe(
    v.string(),
    v.minLength(1),
    v.maxLength(maxLength),
    // eslint-disable-next-line no-control-regex -- control characters are exactly what must not pass
    v.regex(/^[^\u0000-\u001f\u007f-\u009f]*$/),
    v.check((value) => isId(value, maxLength)),
    v.description(`${what} 1 to ${maxLength} UTF-16 units, without control characters.`),
  )

export const userId = idOf(ID_MAX_LENGTH, 'A user.')
export const groupId = idOf(ID_MAX_LENGTH, 'A group.')
export const conversationId = idOf(ID_MAX_LENGTH, 'A conversation.')
const deviceId = idOf(LABEL_MAX_LENGTH, 'A device of the user.')

/** A query has only texts: this one is a number from there on, which is what the document shows. */
export const limit = v.pipe(
  v.string(),
  v.regex(/^\d{1,3}$/),
  v.transform(Number),
  v.number(),
  v.integer(),
  v.minValue(1),
  v.maxValue(CONVERSATIONS_MAX),
  v.description(`How many at most; ${CONVERSATIONS_DEFAULT} unless told.`),
)

/** The `webhook-id` of a webhook. */
export const messageId = idOf(64, 'The `id` of a webhook, as its header `webhook-id` has it.')
export const DEAD_LETTERS_DEFAULT = 20
export const roomKind = v.picklist(['conversation', 'group'])
export const roomId = idOf(ID_MAX_LENGTH, 'A conversation or a group.')
/** RFC 3339. What the pattern cannot say, the 31st of February, the check does. */
export const instant = v.pipe(
  v.string(),
  v.isoTimestamp(),
  v.check((text) => timeIn(text) !== undefined),
  v.description('A time of the past, such as 2026-11-29T14:05:00Z.'),
)
export const day = v.pipe(
  v.string(),
  v.isoDate(),
  v.check((text) => timeIn(text) !== undefined),
  v.description('A day in UTC, such as 2026-11-29.'),
)

export const usersQuery = v.strictObject({ userIds: v.pipe(v.array(userId), v.maxLength(QUERY_USERS_MAX)) })
export const auditBody = v.strictObject({
  sample: v.exactOptional(
    v.pipe(
      v.number(),
      v.integer(),
      v.minValue(1),
      v.maxValue(CLIENT_AUDIT_SAMPLE_MAX),
      v.description(`How many clients are asked at most; ${CLIENT_AUDIT_SAMPLE_DEFAULT} unless told.`),
    ),
  ),
})
export const kickBody = v.strictObject({ deviceId: v.exactOptional(deviceId) })
export const stopTypingBody = v.strictObject({ conversationId: v.exactOptional(conversationId) })
export const changedBody = v.strictObject({
  users: v.exactOptional(v.pipe(v.array(userId), v.maxLength(CHANGED_MAX))),
  groups: v.exactOptional(v.pipe(v.array(groupId), v.maxLength(CHANGED_MAX))),
  conversations: v.exactOptional(v.pipe(v.array(conversationId), v.maxLength(CHANGED_MAX))),
})

type Writable<T> = T extends object ? { -readonly [Key in keyof T]: Writable<T[Key]> } : T

/** A schema that says of an answer neither more nor less than its type does: the compiler compares both ways. */
const schemaOf =
  <T>() =>
  <Schema extends v.GenericSchema<Writable<T>>>(
    schema: Writable<T> extends v.InferInput<Schema> ? Schema : never,
  ): Schema =>
    schema

const amount = v.pipe(v.number(), v.integer(), v.minValue(0))
const time = v.pipe(v.number(), v.minValue(0), v.description('Milliseconds since 1970.'))
const mode = v.picklist(['names', 'count'] satisfies Mode[])
const id = v.string()
const shownDeviceId = v.pipe(
  id,
  v.description('As the client gave it; `~` and the id of the session, where it gave none.'),
)

const presence = v.strictObject({ online: v.boolean(), count: amount })

const userPresence = schemaOf<UserPresence>()(
  v.pipe(
    v.strictObject({ userId: id, online: v.boolean(), count: amount }),
    v.description('A user, by the id that was asked for; `count` devices. Of somebody unknown: offline.'),
  ),
)

const roomPresence = schemaOf<RoomPresence>()(
  v.pipe(
    v.strictObject({
      id,
      mode,
      members: amount,
      online: amount,
      onlineUsers: v.exactOptional(v.array(id)),
      typing: v.exactOptional(v.array(id)),
    }),
    v.description(
      'A group or conversation. One that is too large for names has mode `count`, and no `onlineUsers`. ' +
        'A group has no `typing`. One without rows has 0 members.',
    ),
  ),
)

const busyConversation = schemaOf<BusyConversation>()(
  v.strictObject({ id, mode, members: amount, online: amount, typing: amount }),
)

const labels = v.record(v.string(), v.string())

const monitor = schemaOf<Monitor>()(
  v.strictObject({
    node: v.string(),
    version: v.string(),
    startedAt: time,
    now: time,
    metrics: v.array(
      v.strictObject({
        name: v.string(),
        kind: v.picklist(['counter', 'gauge', 'histogram']),
        help: v.string(),
        samples: v.array(
          v.union([
            v.strictObject({ labels, value: v.number() }),
            v.strictObject({
              labels,
              buckets: v.pipe(
                v.array(v.strictTuple([v.nullable(v.number()), amount])),
                v.description('Each `[le, count]`; the last `le`, which is no limit, is null.'),
              ),
              sum: v.number(),
              count: amount,
            }),
          ]),
        ),
      }),
    ),
  }),
)

const explainedRoom = v.strictObject({ kind: v.picklist(['group', 'conversation']), id, mode })

const explanation = schemaOf<Explanation>()(
  v.pipe(
    v.strictObject({
      userId: id,
      presence,
      sessions: v.array(
        v.strictObject({
          sessionId: id,
          deviceId: shownDeviceId,
          label: v.exactOptional(v.string()),
          protocol: v.picklist([1, 2]),
          state: v.picklist(['live', 'lost']),
          since: time,
          lostAt: v.exactOptional(time),
          graceEndsAt: v.exactOptional(time),
          lastHeardAt: v.exactOptional(time),
          tokenEndsAt: v.exactOptional(time),
          backgroundGraceMs: v.exactOptional(v.number()),
          typingIn: v.exactOptional(id),
        }),
      ),
      nodes: v.array(v.strictObject({ node: v.string(), devices: v.array(id), isLost: v.boolean() })),
      transitions: v.array(
        v.strictObject({
          at: time,
          reason: v.picklist([
            ...(['connected', 'returned', 'replaced', 'lost', 'grace_over', 'left', 'logged_out'] as const),
            ...(['kicked', 'token_expired', 'too_many_sessions', 'other_node', 'node_lost'] as const),
          ]),
          sessionId: v.exactOptional(id),
          deviceId: v.exactOptional(shownDeviceId),
          after: presence,
        }),
      ),
      rooms: v.array(explainedRoom),
      viewer: v.exactOptional(
        v.strictObject({
          userId: id,
          sees: v.boolean(),
          through: v.array(explainedRoom),
          isSelf: v.boolean(),
          isWatching: v.boolean(),
          hiddenBy: v.exactOptional(v.picklist(['no_shared_room', 'only_large_rooms', 'viewer_not_here'])),
          told: presence,
          liveSessions: amount,
          pendingSessions: amount,
        }),
      ),
    }),
    v.description('Why a user is shown as online or offline: for operators, never for clients.'),
  ),
)

const clientAudit = schemaOf<ClientAudit>()(
  v.pipe(
    v.strictObject({
      answering: amount,
      asked: amount,
      equal: amount,
      different: v.array(
        v.strictObject({
          sessionId: id,
          userId: id,
          isBehind: v.boolean(),
          rooms: v.array(v.strictObject({ kind: v.picklist(['group', 'conversation']), id })),
          moreRooms: amount,
          extraRooms: amount,
          hasOtherPeople: v.boolean(),
          hasOtherDevices: v.boolean(),
        }),
      ),
      unanswered: amount,
      malformed: amount,
      skipped: amount,
    }),
    v.description(
      'What came of asking clients whether what they show is what they were told. `answering`: how many said that they ' +
        'answer. `asked` is `equal`, `different`, `unanswered` and `malformed` together; those `skipped` could not be asked.',
    ),
  ),
)

const deadLetter = schemaOf<DeadLetter>()(
  v.pipe(
    v.strictObject({
      id,
      endpoint: v.string(),
      at: time,
      deadAt: time,
      attempts: amount,
      failure: v.pipe(v.string(), v.description('Why the last attempt failed.')),
      body: v.pipe(v.string(), v.description('The body of the request, as it was signed.')),
    }),
    v.description('A webhook that could not be delivered.'),
  ),
)

const reliability = {
  holes: v.pipe(
    v.array(
      v.strictObject({
        from: v.nullable(time),
        to: v.nullable(time),
        boot: v.nullable(id),
        why: v.picklist([
          ...(['before_trail', 'not_kept', 'overflow', 'killed', 'silent', 'not_written_yet'] as const),
        ]),
      }),
    ),
    v.description(
      'Empty: the answer is exact. From `from` until `to`, which is not included, the trail does not know what happened ' +
        'on one server, or on any (`boot` is null). `from` null: ever before; `to` null: until now.',
    ),
  ),
  erasures: v.pipe(
    amount,
    v.description('How many erasures emptied rows of these days: those people are missing in the answer.'),
  ),
}
const devices = v.array(
  v.strictObject({ deviceId: shownDeviceId, state: v.picklist(['live', 'lost']), since: v.nullable(time) }),
)
const interval = {
  from: time,
  to: time,
  began: v.pipe(v.nullable(v.string()), v.description('Why; null: it lasted already at `from`.')),
  ended: v.pipe(v.nullable(v.string()), v.description('Why; null: it lasted on.')),
}
const peak = v.strictObject({ count: amount, at: v.nullable(time) })

const auditOnline = schemaOf<AuditOnline>()(
  v.pipe(
    v.strictObject({
      kind: roomKind,
      id,
      at: time,
      users: v.array(v.strictObject({ userId: id, count: amount, devices })),
      ...reliability,
    }),
    v.description('Who of a conversation or group was online, by presence and by membership of then.'),
  ),
)

const auditUser = schemaOf<AuditUser>()(
  v.pipe(
    v.strictObject({
      userId: id,
      from: time,
      to: time,
      intervals: v.array(v.strictObject(interval)),
      devices: v.array(v.strictObject({ deviceId: shownDeviceId, ...interval })),
      ...reliability,
    }),
    v.description('When a user was online, on all devices together and on each.'),
  ),
)

const auditPeak = schemaOf<AuditPeak>()(
  v.pipe(
    v.strictObject({ day: v.string(), users: peak, devices: peak, ...reliability }),
    v.description('The most users, and the most devices, that were online at one time of a day.'),
  ),
)

const auditWhy = schemaOf<AuditWhy>()(
  v.pipe(
    v.strictObject({
      userId: id,
      at: time,
      online: v.boolean(),
      count: amount,
      devices,
      because: v.pipe(
        v.nullable(v.strictObject({ at: time, reason: v.string() })),
        v.description(
          'What made the user online or offline. `unknown`: it happened in a hole. Null: it began before the day of ' +
            '`at`, or the trail does not tell.',
        ),
      ),
      facts: v.array(
        v.strictObject({
          at: time,
          boot: id,
          kind: v.string(),
          state: v.nullable(v.string()),
          reason: v.nullable(v.string()),
          sessionId: v.nullable(id),
          deviceId: v.nullable(shownDeviceId),
          groups: v.nullable(v.array(id)),
          conversations: v.nullable(v.array(id)),
          detail: v.nullable(v.record(v.string(), v.unknown())),
        }),
      ),
      ...reliability,
    }),
    v.description('Whether a user was online, why, and the latest rows about the user until then, in order.'),
  ),
)

const problem = schemaOf<Problem>()(
  v.pipe(
    v.strictObject({
      type: v.string(),
      title: v.string(),
      status: v.pipe(v.number(), v.integer()),
      code: v.pipe(v.string(), v.description('What a program goes by.')),
      detail: v.string(),
    }),
    v.description('An error, as RFC 9457 has it.'),
  ),
)

/** The answers by the names that the document gives them. */
export const ANSWERS = {
  UserPresence: userPresence,
  Users: v.strictObject({ users: v.array(userPresence) }),
  RoomPresence: roomPresence,
  Conversations: v.strictObject({ conversations: v.array(busyConversation) }),
  Monitor: monitor,
  Explanation: explanation,
  ClientAudit: clientAudit,
  DeadLetters: v.strictObject({ deadLetters: v.array(deadLetter) }),
  AuditOnline: auditOnline,
  AuditUser: auditUser,
  AuditPeak: auditPeak,
  AuditWhy: auditWhy,
  Problem: problem,
} as const
export type AnswerName = keyof typeof ANSWERS
