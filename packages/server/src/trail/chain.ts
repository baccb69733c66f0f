/**
 * The hash chain of the audit trail: one for each boot and day. A row's hash is of the one before it, of what is not
 * personal, and of a commitment to what is. The commitment is salted, so that it can stand when what it commits to was
 * erased: nobody can guess from it who it was.
 */
import { hash } from 'node:crypto'
import type { TrailRow } from './facts.js'

export const SALT_BYTES = 16

function sha256(text: string): string {
  return hash('sha256', text)
}

/** What the first row of a boot's day follows. */
export function chainStart({ day, boot }: Pick<TrailRow, 'day' | 'boot'>): string {
  return sha256(JSON.stringify(['vigie trail 1', day, boot]))
}

type Personal = Pick<TrailRow, 'userId' | 'sessionId' | 'device' | 'groups' | 'conversations' | 'detail'>

/** @param salt Hexadecimal. */
export function commitmentOf(row: Personal, salt: string): string {
  const { userId, sessionId, device, groups, conversations, detail } = row
  return sha256(salt + JSON.stringify([userId, sessionId, device, groups, conversations, detail]))
}

type Hashed = Pick<TrailRow, 'day' | 'boot' | 'position' | 'at' | 'kind' | 'state' | 'reason' | 'commitment'>

/** @param previous The hash of the row before it in the same boot and day, or {@link chainStart}. */
export function hashOf(row: Hashed, previous: string): string {
  const { day, boot, position, at, kind, state, reason, commitment } = row
  return sha256(previous + JSON.stringify([day, boot, position, at, kind, state, reason, commitment]))
}
