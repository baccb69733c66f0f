/**
 * Identifiers. All are opaque strings; the brands only keep one kind from being passed for another.
 * They come from outside, so they are keys of a `Map` and never of an object.
 */
declare const brand: unique symbol
type Branded<Name extends string> = string & { readonly [brand]: Name }

/** A person. 1 to 128 UTF-16 units, well formed, no control characters. */
export type UserId = Branded<'UserId'>
/** A group of people, the second level of presence. Same shape as {@link UserId}. */
export type GroupId = Branded<'GroupId'>
/** A conversation, the third level of presence. Same shape as {@link UserId}. */
export type ConversationId = Branded<'ConversationId'>
/** A browser profile or an installation, chosen by the client; means something only within one user. 1 to 64 units. */
export type DeviceId = Branded<'DeviceId'>
/** One run of a page or an app: random, kept in memory only. 1 to 64 units. */
export type ClientId = Branded<'ClientId'>
/** One connection of one user; made by the server. */
export type SessionId = Branded<'SessionId'>

/** Longest user, group or conversation id, in UTF-16 units. */
export const ID_MAX_LENGTH = 128
/** Longest `deviceId`, `clientId` and `label`, in UTF-16 units. */
export const LABEL_MAX_LENGTH = 64

// eslint-disable-next-line no-control-regex -- control characters are exactly what must not pass
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/u

/**
 * Whether `value` may be an id: a non-empty, well-formed string without control characters, at most
 * `maxLength` UTF-16 units ({@link ID_MAX_LENGTH} unless told).
 */
export function isId(value: unknown, maxLength: number = ID_MAX_LENGTH): value is string {
  return (
    typeof value === 'string' &&
    value.length > 0 &&
    value.length <= maxLength &&
    !CONTROL.test(value) &&
    !hasLoneSurrogate(value)
  )
}

/** A string with half a surrogate pair has no UTF-8 form: it would reach other clients as another id. */
function hasLoneSurrogate(value: string): boolean {
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i)
    if (code < 0xd800 || code > 0xdfff) continue
    const next = value.charCodeAt(i + 1)
    if (code > 0xdbff || !(next >= 0xdc00 && next <= 0xdfff)) return true
    i++
  }
  return false
}
