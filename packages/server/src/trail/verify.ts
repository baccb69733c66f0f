/**
 * Looks whether the audit trail is as it was written: row by row, in the order in which they were written, with the memory
 * of one page and of the last row of each boot. See docs/decisions/audit-trail.md.
 */
import { chainStart, commitmentOf, hashOf } from './chain.js'
import { dayBefore, dayOf, isDay } from './days.js'
import type { TrailRow } from './facts.js'

/** Where a row is. */
export type TrailPlace = Pick<TrailRow, 'day' | 'boot' | 'position'>

/** The last row of a boot. Kept elsewhere, it shows later that nothing up to it was cut off or rewritten. */
export type TrailHead = TrailPlace & Pick<TrailRow, 'hash'>

/**
 * What is wrong with a row.
 *
 *   row_missing       it was deleted
 *   row_changed       it, or the one before it, was edited, exchanged with another one, or written by somebody else
 *   row_added         it follows the end of its boot, or its position was given twice
 *   erasure_unlisted  it was emptied, and no erasure lists it
 *   erasure_undone    an erasure lists it, and it tells again of a person: from a backup, say
 */
export type TrailFaultCode =
  'row_missing' | 'row_changed' | 'row_added' | 'erasure_unlisted' | 'erasure_undone'

export interface TrailFault extends TrailPlace {
  readonly code: TrailFaultCode
  /** The last row that it is about; `position` is the first. */
  readonly lastPosition: number
}

export interface TrailVerification {
  readonly rows: number
  /** Rows of which an erasure has emptied what is personal. */
  readonly erased: number
  readonly days: number
  readonly faults: number
  /** One for each boot. */
  readonly heads: readonly TrailHead[]
}

/** A row, and whether an erasure lists it: both as of one moment. */
export type ListedRow = TrailRow & { readonly isListed: boolean }

/** Where the trail is read from. */
export interface TrailReader {
  /** Days that there are, the oldest first. */
  days(): Promise<readonly string[]>
  /** The next rows of a day by boot and position; none: the day is over. */
  page(day: string, after?: Pick<TrailRow, 'boot' | 'position'>): Promise<readonly ListedRow[]>
  hashAt(place: TrailPlace): Promise<string | undefined>
  /** Whether retention has dropped the day. */
  isDropped(day: string): Promise<boolean>
}

export interface VerifyOptions {
  /** Heads of an earlier verification. */
  readonly heads?: Iterable<TrailHead>
  /** Called for each fault, in the order in which they are found. */
  readonly onFault: (fault: TrailFault) => void
}

/** What is known of a boot when its next row is read. */
interface Chain extends TrailHead {
  readonly hasEnded: boolean
  /** Whether rows before this day are not there, and nothing has said yet in which day they were. */
  readonly isOriginOpen: boolean
  /** The last row of the day before; undefined: rows are missing there, or there is none. */
  readonly before: TrailHead | undefined
  readonly firstPosition: number
}

/**
 * Reads all rows. What is written meanwhile is no fault.
 * @throws what the reader throws.
 */
export async function verifyTrail(
  reader: TrailReader,
  { heads = [], onFault }: VerifyOptions,
): Promise<TrailVerification> {
  const chains = new Map<string, Chain>()
  const counts = { rows: 0, erased: 0, days: 0, faults: 0 }

  function report(code: TrailFaultCode, place: TrailPlace, lastPosition = place.position): void {
    const { day, boot, position } = place
    counts.faults++
    onFault({ code, day, boot, position, lastPosition })
  }

  /** Of which another row says that it was there. */
  async function checkNamed({ hash, ...place }: TrailHead): Promise<void> {
    const found = await reader.hashAt(place)
    if (found === hash) return
    if (found !== undefined) report('row_changed', place)
    else if (!(await reader.isDropped(place.day))) report('row_missing', place)
  }

  async function checkRow(row: ListedRow): Promise<void> {
    let chain = chains.get(row.boot)
    if (chain?.day !== row.day) {
      if (chain?.isOriginOpen) await closeOrigin(chain, dayBefore(chain.day))
      // Rows that were written after the day before was read.
      if (row.position > (chain?.position ?? 0) + 1)
        await readRest(chain?.day ?? dayBefore(row.day), row.boot)
      chain = chains.get(row.boot)
    }
    counts.rows++
    const isFirst = chain?.day !== row.day
    const isNext = !chain || row.position === chain.position + 1
    if (chain && !isNext) reportPlace(chain, row)
    else if (chain?.hasEnded) report('row_added', row)
    checkContent(row)
    const previous = isFirst ? chainStart(row) : isNext ? chain?.hash : undefined
    // Of a row that was hashed after one that is missing nothing can be said.
    if (previous !== undefined && hashOf(row, previous) !== row.hash) report('row_changed', row)
    const { day, boot, position, hash, kind } = row
    const next: Chain = {
      ...{ day, boot, position, hash },
      hasEnded: kind === 'stop' || kind === 'death',
      isOriginOpen: isFirst ? !chain && position > 1 : (chain?.isOriginOpen ?? false),
      before: isFirst ? (isNext ? chain : undefined) : chain?.before,
      firstPosition: isFirst ? position : (chain?.firstPosition ?? position),
    }
    chains.set(boot, next)
    await checkWhatItNames(row, next)
  }

  function reportPlace(chain: Chain, row: TrailRow): void {
    const { day, boot } = row
    if (row.position > chain.position) {
      report('row_missing', { day, boot, position: chain.position + 1 }, row.position - 1)
    } else {
      // The last rows of the day before have the positions of the first of this one.
      report('row_added', { day: chain.day, boot, position: row.position }, chain.position)
    }
  }

  function checkContent(row: ListedRow): void {
    if (row.salt === null) {
      counts.erased++
      if (!row.isListed) report('erasure_unlisted', row)
      else if (!isEmpty(row)) report('erasure_undone', row)
    } else if (row.isListed) report('erasure_undone', row)
    else if (commitmentOf(row, row.salt) !== row.commitment) report('row_changed', row)
  }

  async function checkWhatItNames(row: TrailRow, chain: Chain): Promise<void> {
    const { kind, boot } = row
    // Written on a later day than all other rows of its boot.
    if (kind === 'death' && chain.isOriginOpen && chain.firstPosition === row.position) {
      const lastAt = detailOf(row)?.['lastAt']
      const isTime = typeof lastAt === 'number' && Math.abs(lastAt) < TIME_MAX
      await closeOrigin(chain, isTime ? dayOf(lastAt) : dayBefore(row.day))
    }
    if (kind !== 'start' && kind !== 'checkpoint') return
    const named = headIn(detailOf(row)?.['previous'])
    if (!named) return
    if (named.boot !== boot) await checkNamed(named)
    else if (chain.isOriginOpen) await closeOrigin(chain, named.day)
    else if (chain.before && (named.position !== chain.before.position || named.hash !== chain.before.hash)) {
      report('row_changed', chain.before)
    }
  }

  /** The first row that is there of a boot is not its first: those before it are in a day that was dropped. */
  async function closeOrigin(chain: Chain, day: string): Promise<void> {
    chains.set(chain.boot, { ...chain, isOriginOpen: false })
    if (await reader.isDropped(day)) return
    report('row_missing', { day, boot: chain.boot, position: 1 }, chain.firstPosition - 1)
  }

  async function readRest(day: string, boot: string): Promise<void> {
    for (;;) {
      const position = chains.get(boot)?.position ?? 0
      const rows = await reader.page(day, { boot, position })
      const own = rows.filter((row) => row.boot === boot)
      for (const row of own) await checkRow(row)
      if (own.length === 0 || own.length < rows.length) return
    }
  }

  for (const day of await reader.days()) {
    counts.days++
    let rows = await reader.page(day)
    while (rows.length > 0) {
      for (const row of rows) await checkRow(row)
      rows = await reader.page(day, rows.at(-1))
    }
  }
  for (const chain of chains.values()) {
    if (chain.isOriginOpen) await closeOrigin(chain, dayBefore(chain.day))
  }
  for (const head of heads) await checkNamed(head)
  return {
    ...counts,
    heads: [...chains.values()].map(({ day, boot, position, hash }) => ({ day, boot, position, hash })),
  }
}

/** Of what `Date` can hold. Milliseconds. */
const TIME_MAX = 8.64e15

function isEmpty({ userId, sessionId, device, groups, conversations, detail }: TrailRow): boolean {
  return [userId, sessionId, device, groups, conversations, detail].every((value) => value === null)
}

/** Undefined if it is none: then its commitment does not hold either, which is reported. */
function detailOf({ detail }: TrailRow): Readonly<Record<string, unknown>> | undefined {
  if (detail === null) return undefined
  try {
    const value: unknown = JSON.parse(detail)
    return typeof value === 'object' && value !== null ? { ...value } : undefined
  } catch {
    return undefined
  }
}

const BOOT = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/u
const HASH = /^[\da-f]{64}$/u

/** A head, if it is one: it may be from a file, or from a row that somebody has edited. */
export function headIn(value: unknown): TrailHead | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { day, boot, position, hash } = value as Readonly<Record<string, unknown>>
  const isHead =
    typeof day === 'string' &&
    isDay(day) &&
    typeof boot === 'string' &&
    BOOT.test(boot) &&
    Number.isSafeInteger(position) &&
    typeof hash === 'string' &&
    HASH.test(hash)
  return isHead ? { day, boot, position: Number(position), hash } : undefined
}
