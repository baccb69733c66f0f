import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { startProcess } from './process.js'

const run = promisify(execFile)
const PACKAGE = 'prometheus'
/** Another apt may be at work; it is waited for, and not fought. */
const APT_OPTIONS = ['-y', '-qq', '-o', 'DPkg::Lock::Timeout=300', '-o', 'Acquire::Retries=3']

/** A series as Prometheus answers it. */
export interface Sample {
  readonly metric: Readonly<Record<string, string>>
  readonly value: number
}

/** A Prometheus of one test's own. */
export interface PrometheusServer extends AsyncDisposable {
  query(expression: string): Promise<readonly Sample[]>
  /** The rules that it has loaded, with their state (`inactive`, `pending`, `firing`) and health. */
  rules(): Promise<readonly { readonly name: string; readonly state: string; readonly health: string }[]>
}

/**
 * Starts Debian's Prometheus on a free port of loopback. It reads `targetUrl` each second, as the job `vigie`, and has
 * the rules of the file.
 * @throws Error with one sentence that says what to install.
 */
export async function startPrometheus(targetUrl: string, rulesPath: string): Promise<PrometheusServer> {
  const command = await findOrInstall('prometheus')
  const folder = await mkdtemp(join(tmpdir(), 'vigie-prometheus-'))
  const config = {
    global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
    rule_files: ['rules.yml'],
    scrape_configs: [{ job_name: 'vigie', static_configs: [{ targets: [new URL(targetUrl).host] }] }],
  }
  await copyFile(rulesPath, join(folder, 'rules.yml'))
  // JSON is YAML.
  await writeFile(join(folder, 'prometheus.yml'), JSON.stringify(config))
  const server = startProcess(
    [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      '--web.listen-address=127.0.0.1:0',
    ],
    { command, cwd: folder },
  )
  const end = async () => {
    await server[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
  }
  try {
    const [, address = ''] = await server.waitForLine(/"Listening on" address=(127\.0\.0\.1:[1-9]\d*)/u)
    await server.waitForLine(/Server is ready to receive web requests/u)
    const ask = async <T>(path: string): Promise<T> => {
      const answer = (await (await fetch(`http://${address}/api/v1/${path}`)).json()) as {
        status: string
        data: T
      }
      if (answer.status !== 'success') throw new Error(`Prometheus: ${JSON.stringify(answer)}`)
      return answer.data
    }
    return {
      async query(expression) {
        const { result } = await ask<{
          result: { metric: Record<string, string>; value: [number, string] }[]
        }>(`query?query=${encodeURIComponent(expression)}`)
        return result.map(({ metric, value: [, value] }) => ({ metric, value: Number(value) }))
      },
      async rules() {
        const { groups } = await ask<{
          groups: { rules: { name: string; state: string; health: string }[] }[]
        }>('rules')
        return groups.flatMap(({ rules }) => rules)
      },
      [Symbol.asyncDispose]: end,
    }
  } catch (error) {
    await end()
    throw error
  }
}

/**
 * Runs Prometheus' own tool and returns what it says.
 * @throws Error with what it says, when it finds something wrong.
 * @example await promtool('check', 'rules', 'deploy/prometheus/rules.yml')
 */
export async function promtool(...words: readonly string[]): Promise<string> {
  const command = await findOrInstall('promtool')
  try {
    const { stdout, stderr } = await run(command, words)
    return stdout + stderr
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string }
    throw new Error(`promtool ${words.join(' ')}: ${stdout}${stderr}`, { cause: error })
  }
}

async function findOrInstall(program: 'prometheus' | 'promtool'): Promise<string> {
  const found = find(program)
  if (found !== undefined) return found
  if (existsSync('/usr/bin/apt-get') && process.getuid?.() === 0) {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
    await run('apt-get', ['update', '-qq', '-o', 'Acquire::Retries=3'], { env })
    await run('apt-get', ['install', ...APT_OPTIONS, '--no-install-recommends', PACKAGE], { env })
    const installed = find(program)
    if (installed !== undefined) return installed
  }
  throw new Error(
    `The test of the metrics needs Prometheus and its promtool: on Debian or Ubuntu run ` +
      `"apt-get install ${PACKAGE}" as root.`,
  )
}

function find(program: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/bin', '/usr/local/bin']
  return folders.map((folder) => join(folder, program)).find((path) => existsSync(path))
}
