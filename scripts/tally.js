/**
 * `node scripts/tally.js <file>`: the result of one Vitest run as `N passed, N failed`, from its JSON report.
 * Stricter than Vitest: a skipped test, a file that could not be loaded and an error outside any test count as failed.
 */
import { readFile } from 'node:fs/promises'
import { argv, stdout } from 'node:process'

const report = JSON.parse(await readFile(argv[2], 'utf8'))
const passed = report.numPassedTests
const emptyFailures = report.testResults.filter(
  (file) => file.status === 'failed' && file.assertionResults.every((test) => test.status !== 'failed'),
).length
const counted = report.numTotalTests - passed + emptyFailures
const unexplained = counted === 0 && (!report.success || passed === 0) ? 1 : 0
stdout.write(`${passed} passed, ${counted + unexplained} failed\n`)
