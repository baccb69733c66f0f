import * as v from 'valibot'
import { DIGEST_ROOMS_MAX, type DigestAnswer } from './digest.js'
import { PresenceError } from './errors.js'
import { PROTOCOLS, type PresenceClientEvents } from './events.js'
import {
  isId,
  LABEL_MAX_LENGTH,
  type ClientId,
  type ConversationId,
  type DeviceId,
  type UserId,
} from './ids.js'

/** Longest grace that `presence:background` may ask for. */
export const BACKGROUND_GRACE_MAX_MS = 60_000

/** Most people that one session may watch. */
export const WATCH_MAX = 200

const userId = v.custom<UserId>((value) => isId(value), 'is not an id')
const conversationId = v.custom<ConversationId>((value) => isId(value), 'is not an id')
const shortId = <Id extends string>() =>
  v.custom<Id>((value) => isId(value, LABEL_MAX_LENGTH), 'is not an id')

/**
 * The schema of each event that a client may send. Fields that are not named here are refused: a misspelt
 * field would otherwise be silently without effect. The fuzz test makes its messages from this table.
 */
export const clientSchemas = {
  'typing:start': v.strictObject({ convId: conversationId }),
  'typing:stop': v.strictObject({ convId: conversationId }),
  'presence:background': v.strictObject({
    graceMs: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(BACKGROUND_GRACE_MAX_MS)),
  }),
  'presence:foreground': v.optional(v.strictObject({}), {}),
  'presence:watch': v.strictObject({
    add: v.exactOptional(v.pipe(v.array(userId), v.maxLength(WATCH_MAX))),
    remove: v.exactOptional(v.pipe(v.array(userId), v.maxLength(WATCH_MAX))),
  }),
  'presence:leave': v.optional(
    v.strictObject({ scope: v.exactOptional(v.picklist(['session', 'device'])) }),
    {},
  ),
  // Its greatest length is an option of the server (`tokenMaxLength`) and has an error code of its own.
  'presence:token': v.strictObject({ token: v.pipe(v.string(), v.minLength(1)) }),
} satisfies Record<keyof PresenceClientEvents, v.GenericSchema>

/** The name of an event that a client may send. */
export type ClientEventName = keyof typeof clientSchemas
/** Their names, for whoever has to listen to each. */
export const CLIENT_EVENTS = Object.keys(clientSchemas) as readonly ClientEventName[]
/** The payload of an event once it has passed {@link parseClientEvent}. */
export type ClientPayload<Name extends ClientEventName> = v.InferOutput<(typeof clientSchemas)[Name]>

/** Java's Socket.IO client can put only strings into `auth`. */
const numberInText = v.pipe(v.string(), v.regex(/^(0|[1-9]\d{0,8})$/), v.transform(Number))

const position = v.strictTuple([v.pipe(v.string(), v.maxLength(LABEL_MAX_LENGTH)), v.number()])
/** Room for an epoch of {@link LABEL_MAX_LENGTH}, each unit escaped (`\u0000`), and for a number. */
const POSITION_TEXT_MAX_LENGTH = LABEL_MAX_LENGTH * 6 + 32
/** For the same clients: the position as it came, written as JSON. */
const positionInText = v.pipe(v.string(), v.maxLength(POSITION_TEXT_MAX_LENGTH), v.parseJson(), position)

/** For the same clients: `true` and `false`, written as text. */
const booleanInText = v.pipe(
  v.picklist(['true', 'false']),
  v.transform((text) => text === 'true'),
)

/** The fields of `auth` that are Vigie's. Others are the host's and pass. `null` is absent, as in many languages. */
export const authSchema = v.object({
  protocol: v.nullish(v.union([v.number(), numberInText])),
  deviceId: v.nullish(shortId<DeviceId>()),
  clientId: v.nullish(shortId<ClientId>()),
  since: v.nullish(v.union([position, positionInText])),
  sinceUser: v.nullish(userId),
  label: v.nullish(v.pipe(v.string(), v.maxLength(LABEL_MAX_LENGTH))),
  audit: v.nullish(v.union([v.boolean(), booleanInText])),
})
export type ParsedAuth = v.InferOutput<typeof authSchema>

/**
 * Checks what a client sent as the payload of `name`.
 * @throws PresenceError `invalid_payload`, naming the first field that is wrong.
 */
export function parseClientEvent<Name extends ClientEventName>(
  name: Name,
  payload: unknown,
): ClientPayload<Name> {
  const result = v.safeParse(clientSchemas[name], payload, { abortEarly: true })
  if (!result.success) throw new PresenceError('invalid_payload', describe(name, result.issues[0]))
  return result.output
}

/**
 * Checks the fields of a connection's `auth` that are Vigie's, the token excepted.
 * @throws PresenceError `auth_invalid` or `protocol_unsupported`.
 */
export function parseAuth(auth: unknown): ParsedAuth {
  const result = v.safeParse(authSchema, auth, { abortEarly: true })
  if (!result.success) throw new PresenceError('auth_invalid', describe('auth', result.issues[0]))
  const { protocol } = result.output
  if (protocol !== undefined && protocol !== null && !PROTOCOLS.some((spoken) => spoken === protocol)) {
    throw new PresenceError('protocol_unsupported', `Protocol ${String(protocol)} is not spoken here.`, {
      supported: PROTOCOLS,
    })
  }
  return result.output
}

/** Of a list that is too long no element is looked at: what a client answers may be as large as Socket.IO lets through. */
function areHashes(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.length <= DIGEST_ROOMS_MAX && value.every(isHash)
}

function isHash(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) < 2 ** 32
}

const hash = v.custom<number>(isHash)
const digestSchema = v.object({
  at: v.nullable(position),
  rooms: v.custom<readonly number[]>(areHashes),
  others: hash,
  devices: hash,
})

/** What a client answered to `presence:digest`; undefined: it is not what the protocol says. Further fields are left out. */
export function parseDigestAnswer(answer: unknown): DigestAnswer | undefined {
  const result = v.safeParse(digestSchema, answer, { abortEarly: true })
  return result.success ? result.output : undefined
}

/** Names the place, never the value: what was sent may be huge, or secret. */
function describe(where: string, issue: v.BaseIssue<unknown>): string {
  const path = v.getDotPath(issue)
  const place = path === null ? where : `${where}: ${path.slice(0, LABEL_MAX_LENGTH)}`
  return `${place} ${issue.kind === 'validation' ? 'is out of range' : 'is missing, unknown or of the wrong type'}.`
}
