import { randomInt } from 'node:crypto'

/** The variable that gives a test the seed of an earlier run. */
export const SEED_VARIABLE = 'TEST_SEED'
const SEED_MAX = 2 ** 31

/**
 * The seed of this run: the one in `TEST_SEED`, else a new one. It is printed, so that the run can be made again.
 * @throws Error when `TEST_SEED` is no whole number from 0 up to 2,147,483,647.
 */
export function readSeed(what: string, environment: NodeJS.ProcessEnv = process.env): number {
  const told = environment[SEED_VARIABLE]
  const seed = told === undefined || told === '' ? randomInt(SEED_MAX) : Number(told)
  if (!Number.isInteger(seed) || seed < 0 || seed >= SEED_MAX)
    throw new Error(
      `${SEED_VARIABLE} is "${told ?? ''}": give a whole number from 0 to ${SEED_MAX - 1}, or leave it out.`,
    )
  console.info(`The seed of ${what} is ${seed}; ${SEED_VARIABLE}=${seed} makes the same choices again.`)
  return seed
}
