/**
 * `node scripts/tally.js <file>`: the result of one Vitest run as `N passed, N failed`, from its JSON report; what did not
 * pass is named on standard error. Stricter than Vitest: a skipped test, a file that could not be loaded and an error
 * outside any test count as failed.
 */
import { readFile } from 'node:fs/promises'
import { argv, stderr, stdout } from 'node:process'

const report = JSON.parse(await readFile(argv[2], 'utf8'))
const passed = report.numPassedTests
const names = report.testResults.flatMap((file) => {
  const left = file.assertionResults.filter((test) => test.status !== 'passed')
  if (file.status === 'failed' && left.every((test) => test.status !== 'failed')) left.push(file)
  return left.map(({ status, fullName = 'could not be run' }) => `${status}: ${file.name}: ${fullName}`)
})
if (names.length === 0 && (!report.success || passed === 0))
  names.push('failed: an error outside of any test, or no test')
for (const name of names) stderr.write(`${name}\n`)
stdout.write(`${passed} passed, ${names.length} failed\n`)
