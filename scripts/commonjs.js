/**
 * Writes the CommonJS build of a package, for hosts whose tools know no ES modules (Jest, older TypeScript modes). Run
 * in the package's folder after a build; `npm pack` does so by itself. Each file of `dist` is rewritten into `cjs`, its
 * declarations are copied: the same text says the same of a CommonJS module, as `cjs/package.json` names them so.
 */
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { argv, cwd } from 'node:process'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const OPTIONS = {
  module: ts.ModuleKind.CommonJS,
  target: ts.ScriptTarget.ES2022,
  esModuleInterop: true,
}
/** A file's own address: an ES module is given it, a CommonJS module has to make it. */
const OWN_ADDRESS = /\bimport\.meta\.url\b/gu
const OWN_ADDRESS_COMMONJS = "require('node:url').pathToFileURL(__filename).href"
/** The maps stay in `dist`. */
const MAP_COMMENT = /^\/\/# sourceMappingURL=.*$/gmu

/**
 * Replaces the folder `cjs` of the package.
 * @throws Error when there is no build to make it from, or when it uses what CommonJS does not have.
 */
export async function writeCommonJs(folder) {
  const [from, to] = [join(folder, 'dist'), join(folder, 'cjs')]
  const files = (await readdir(from, { recursive: true }).catch(() => [])).filter((file) =>
    /\.(js|d\.ts)$/u.test(file),
  )
  if (files.length === 0) throw new Error(`${from} is empty: run \`npm run build\` first.`)
  await rm(to, { recursive: true, force: true })
  for (const file of files) {
    const text = (await readFile(join(from, file), 'utf8')).replaceAll(MAP_COMMENT, '').trimEnd()
    await mkdir(dirname(join(to, file)), { recursive: true })
    await writeFile(join(to, file), `${file.endsWith('.js') ? commonJsOf(file, text) : text}\n`)
  }
  await writeFile(join(to, 'package.json'), `${JSON.stringify({ type: 'commonjs', sideEffects: false })}\n`)
}

function commonJsOf(file, text) {
  const { outputText } = ts.transpileModule(text, { compilerOptions: OPTIONS })
  const written = outputText.replaceAll(OWN_ADDRESS, OWN_ADDRESS_COMMONJS).trimEnd()
  // Otherwise `require` of the file would be a syntax error, which no test of the ES modules finds.
  if (written.includes('import.meta'))
    throw new Error(`${file} uses import.meta, which CommonJS does not have.`)
  return written
}

if (argv[1] === fileURLToPath(import.meta.url)) await writeCommonJs(cwd())
