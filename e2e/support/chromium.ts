import { accessSync, constants, existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import chromiumPackage from '@sparticuz/chromium'
import { chromium, type Browser, type Page } from 'playwright-core'

/**
 * Ours, and not the package's own `args`: those switch web security off. No sandbox, because CI runs as root;
 * the rest keeps the browser from talking to anybody but the server under test.
 */
const ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]
const MODULES = fileURLToPath(new URL('../../node_modules', import.meta.url))

/** Where the package puts the libraries that its browser needs and a small Linux does not have (NSS, NSPR). */
const LIBRARIES = 'al2023/lib'
/**
 * While the browser is unpacked: the package asks `os.tmpdir()` where to write, and takes no other answer; and it
 * unpacks the libraries only where it takes itself to be on Amazon's Linux.
 */
const unpacking = (folder: string) => ({ TMPDIR: folder, AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs20.x' })

interface Executable {
  readonly executablePath: string
  readonly env?: Record<string, string>
}

/**
 * A headless Chromium: `$CHROMIUM_PATH`, else the system's, else the one inside an npm package.
 *
 * @example
 * await using browser = await launchBrowser()
 */
export async function launchBrowser(): Promise<Browser> {
  return chromium.launch({ ...(await findExecutable()), args: ARGUMENTS, headless: true })
}

async function findExecutable(): Promise<Executable> {
  const told = process.env.CHROMIUM_PATH
  if (told !== undefined && told !== '') return { executablePath: told }
  const system = '/usr/bin/chromium'
  if (mayRun(system)) return { executablePath: system }
  const folder = await unpack()
  return {
    executablePath: join(folder, 'chromium'),
    env: {
      ...(process.env as Record<string, string>),
      FONTCONFIG_FILE: join(folder, 'fonts.conf'),
      LD_LIBRARY_PATH: join(folder, LIBRARIES),
    },
  }
}

function mayRun(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    // It is not there, or is not for us: the npm package has one.
    return false
  }
}

/**
 * Unpacks the package's browser into `node_modules/.cache`, under its final name only once it is whole: the
 * package itself writes to the system's temporary folder, where a run that was killed leaves half a browser to
 * all later ones.
 */
async function unpack(): Promise<string> {
  const manifest = await readFile(join(MODULES, '@sparticuz/chromium/package.json'), 'utf8')
  const { version } = JSON.parse(manifest) as { version: string }
  const folder = join(MODULES, '.cache', `chromium-${version}-with-libraries`)
  if (existsSync(folder)) return folder

  await mkdir(join(MODULES, '.cache'), { recursive: true })
  const half = await mkdtemp(`${folder}-`)
  await withEnvironment(unpacking(half), () => chromiumPackage.executablePath())
  if (!existsSync(join(half, LIBRARIES)))
    throw new Error(`@sparticuz/chromium ${version} has unpacked no libraries: its browser would not start.`)
  // A machine may have no fonts at all; a page without letters cannot be looked at.
  const fonts = `<include ignore_missing="yes">/etc/fonts/fonts.conf</include><dir>${join(folder, 'fonts')}</dir>`
  await writeFile(join(half, 'fonts.conf'), `<?xml version="1.0"?><fontconfig>${fonts}</fontconfig>`)
  try {
    await rename(half, folder)
  } catch (error) {
    // Another process was faster: its browser is as good. Anything else is an error.
    await rm(half, { recursive: true })
    if (!existsSync(folder)) throw error
  }
  return folder
}

async function withEnvironment<T>(
  variables: Readonly<Record<string, string>>,
  action: () => Promise<T>,
): Promise<T> {
  const before = Object.keys(variables).map((name) => [name, process.env[name]] as const)
  Object.assign(process.env, variables)
  try {
    return await action()
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) Reflect.deleteProperty(process.env, name)
      else process.env[name] = value
    }
  }
}

/** What a page complains of, and what it asks of anybody but `url`'s own server; both lists grow. */
export function overhear(page: Page, url: string) {
  const problems: string[] = []
  const strangers: string[] = []
  page.on('pageerror', (error) => problems.push(error.message))
  page.on('console', (message) => {
    if (message.type() === 'error') problems.push(message.text())
  })
  page.on('request', (request) => {
    if (!/^(data|blob):/u.test(request.url()) && new URL(request.url()).host !== new URL(url).host) {
      strangers.push(request.url())
    }
  })
  return { problems, strangers }
}
