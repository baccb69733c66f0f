/** What came of a verification of the audit trail, in sentences for a terminal. */
import type { TrailFault, TrailFaultCode, TrailVerification } from '@vigie/server/postgres'

/** What is wrong with the rows of a fault. */
export const FAULTS: Readonly<Record<TrailFaultCode, string>> = {
  row_missing: 'deleted',
  row_changed: 'edited, exchanged with another row, or written by somebody else',
  row_added: 'added after the end of its start, or under a position that was given already',
  erasure_unlisted: 'emptied, and no erasure lists it',
  erasure_undone: 'listed as erased, and it tells of a person again',
}

/** @example faultInWords(fault) // 'row_missing: 2026-11-28, start 4b82…, rows 5 to 9: deleted.' */
export function faultInWords({ code, day, boot, position, lastPosition }: TrailFault): string {
  const rows = position === lastPosition ? `row ${position}` : `rows ${position} to ${lastPosition}`
  return `${code}: ${day}, start ${boot}, ${rows}: ${FAULTS[code]}.`
}

export function verificationInWords({ rows, erased, days, faults, heads }: TrailVerification): string {
  const read = `${count(rows, 'row')} of ${count(days, 'day')} and ${count(heads.length, 'start')} of servers`
  const empty =
    erased === 0 ? '' : ` ${count(erased, 'row')} ${erased === 1 ? 'is' : 'are'} empty after erasures.`
  return faults === 0
    ? `The audit trail is as it was written: ${read}.${empty}`
    : `The audit trail is not as it was written: ${count(faults, 'fault')} in ${read}.${empty}`
}

export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}
