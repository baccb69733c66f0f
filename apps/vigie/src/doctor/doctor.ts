/** `vigie doctor`: asks each subject what is wrong, one after the other, and says it to people or to programs. */
import type { Config } from '../config.js'
import { errorMessage, OperatorError } from '../operator-error.js'
import { readSecrets } from '../secrets.js'
import { createTokens, DOCTOR_USER } from '../token.js'
import { lookAtConfiguration } from './configuration.js'
import { lookAtDatabase } from './database.js'
import type { Finding, Subject, Unseen } from './finding.js'
import { lookFromOutside } from './outside.js'

export interface DoctorInput {
  /** @throws OperatorError when the configuration is refused. */
  readonly load: () => Config
  readonly env: Readonly<Record<string, string | undefined>>
  /** The address that clients use; without it nothing is looked at from outside. */
  readonly url?: string | undefined
}

export interface Report {
  readonly findings: readonly Finding[]
  readonly seen: readonly Subject[]
  readonly unseen: readonly Unseen[]
}

/**
 * Looks at everything that can be looked at; changes nothing.
 * @throws OperatorError when the address is none.
 */
export async function examine({ load, env, url }: DoctorInput): Promise<Report> {
  const base = url === undefined ? undefined : readUrl(url)
  const findings: Finding[] = []
  const seen: Subject[] = []
  const unseen: Unseen[] = []

  async function look(subject: Subject, work: () => Promise<readonly Finding[]>): Promise<void> {
    try {
      findings.push(...(await work()))
      seen.push(subject)
    } catch (error) {
      unseen.push({ subject, why: reasonOf(error), isFailure: true })
    }
  }
  const pass = (subject: Subject, why: string) => unseen.push({ subject, why, isFailure: false })

  const { config, findings: first } = await lookAtConfiguration({ load, env })
  findings.push(...first)
  seen.push('configuration')
  if (config === undefined) {
    for (const subject of ['database', 'outside'] as const) pass(subject, 'the configuration cannot be used')
    return { findings, seen, unseen }
  }
  if (config.databaseUrl === undefined) pass('database', 'none is named in DATABASE_URL')
  else await look('database', () => lookAtDatabase(config))
  if (base === undefined) pass('outside', 'no address was given (--url https://chat.example.org)')
  else {
    await look('outside', async () =>
      lookFromOutside(base, { ...config, doctorToken: await signDoctorToken(config) }),
    )
  }
  return { findings, seen, unseen }
}

/** It has to be shown at once. */
const TOKEN_TTL_MS = 60_000

/** Undefined where tokens are checked by published keys, or the secret cannot be read, which is a finding already. */
async function signDoctorToken(config: Config): Promise<string | undefined> {
  try {
    const [secret] = await readSecrets({ ...config, demo: false })
    return secret && createTokens(secret.value, config).sign(DOCTOR_USER, TOKEN_TTL_MS)
  } catch (error) {
    if (error instanceof OperatorError) return undefined
    throw error
  }
}

/** What a database that did not answer said is in the cause. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  return errorMessage(cause).replace(/\.$/u, '')
}

function readUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url !== undefined && ['http:', 'https:'].includes(url.protocol)) return url
  throw new OperatorError(
    `--url is ${JSON.stringify(text)}; it must be the address that clients use, such as https://chat.example.org.`,
  )
}

/** 0: nothing is wrong. 1: something is. 2: something that was asked for could not be looked at. */
export function exitCodeOf({ findings, unseen }: Report): 0 | 1 | 2 {
  if (unseen.some(({ isFailure }) => isFailure)) return 2
  return findings.length > 0 ? 1 : 0
}

/** One paragraph for each finding, then what was looked at, and what was not. */
export function forPeople(report: Report): string {
  const { findings, seen, unseen } = report
  const paragraphs = findings.map(({ code, what, follows, todo }) => `${code}: ${what} ${follows} ${todo}`)
  const count = findings.length
  const verdict = count === 0 ? 'Nothing is wrong' : `${count} thing${count === 1 ? ' is' : 's are'} wrong`
  const left = unseen.map(({ subject, why, isFailure }) =>
    isFailure
      ? `The ${PLACES[subject]} could not be looked at to the end: ${why}.`
      : `Not looked at: the ${PLACES[subject]}; ${why}.`,
  )
  const last = [
    `${verdict}. Looked at: ${seen.map((subject) => `the ${PLACES[subject]}`).join(', ')}.`,
    ...left,
  ]
  return [...paragraphs, last.join(' ')].join('\n\n')
}

const PLACES: Readonly<Record<Subject, string>> = {
  configuration: 'configuration',
  database: 'database',
  outside: 'way from outside',
}

/** For programs: the same, with the exit code. */
export function asJson(report: Report): string {
  return JSON.stringify({ ...report, exitCode: exitCodeOf(report) }, undefined, 2)
}
