/** What came of an audit of clients, in sentences for a terminal. */
import type { ClientAudit } from '@vigie/server/http'
import { shown } from './explain-words.js'

type Different = ClientAudit['different'][number]

/** @example process.stdout.write(auditInWords(await vigie.auditClients())) */
export function auditInWords(audit: ClientAudit): string {
  const { answering, asked, equal, different, unanswered, malformed, skipped } = audit
  if (answering === 0) {
    return 'No client that is connected to this server answers: only clients of @vigie/client/audit do, and others that say so.'
  }
  return [
    `${answering} connected ${answering === 1 ? 'client answers' : 'clients answer'}. ${asked} ${asked === 1 ? 'was' : 'were'} asked:`,
    `  ${equal} as they were told`,
    `  ${different.length} different`,
    `  ${unanswered} without an answer within 3 s`,
    `  ${malformed} with an answer that is none of the protocol`,
    ...(skipped > 0
      ? [
          `${skipped} could not be asked: something was pending for them all the time, they have gone, or there was no time.`,
        ]
      : []),
    ...different.flatMap(linesOf),
  ].join('\n')
}

function linesOf({ userId, sessionId, ...difference }: Different): readonly string[] {
  return [
    `${shown(userId)}, session ${shown(sessionId)}:`,
    ...whatDiffers(difference).map((line) => `  ${line}`),
  ]
}

function whatDiffers({
  isBehind,
  rooms,
  moreRooms,
  extraRooms,
  hasOtherPeople,
  hasOtherDevices,
}: Omit<Different, 'userId' | 'sessionId'>): readonly string[] {
  const names = rooms.map(({ kind, id }) => `${kind} ${shown(id)}`)
  return [
    ...(isBehind ? ['its picture is older than the last frame that it was sent'] : []),
    ...(names.length > 0
      ? [
          `shows something else in ${names.join(', ')}${moreRooms > 0 ? ` and in ${moreRooms} more rooms` : ''}`,
        ]
      : []),
    ...(extraRooms > 0 ? [`rooms that are not its user’s, or not any more: ${extraRooms}`] : []),
    ...(hasOtherPeople ? ['shows something else of people with whom it shares no room with names'] : []),
    ...(hasOtherDevices ? ['shows other devices of its own user'] : []),
  ]
}
