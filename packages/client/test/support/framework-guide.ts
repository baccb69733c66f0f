/** The code of a guide for Vue, Svelte or Solid, compiled as its readers compile it, into one module that a test can import. */
import { join } from 'node:path'
import { compile } from 'svelte/compiler'
import { build, type Plugin } from 'vite'
import solid from 'vite-plugin-solid'
import { compileScript, parse } from 'vue/compiler-sfc'
import { codeOfGuide } from '../../../../e2e/support/guides.js'

export type Framework = 'vue' | 'svelte' | 'solid'

/** Guides take the client from here: the test has put it there. */
const CLIENT = 'export const createPresenceClient = (options) => globalThis.clientOfTheGuide(options)'
const SESSION = 'export const fetchToken = () => Promise.resolve("token")'

/** Vue and Svelte bring their compilers. Solid's is Babel with a preset, and comes as a plugin. */
function compileFile(id: string, text: string): string | undefined {
  if (id.endsWith('.vue')) {
    const { descriptor, errors } = parse(text, { filename: id })
    if (errors[0]) throw errors[0]
    return compileScript(descriptor, { id, inlineTemplate: true }).content
  }
  if (!id.endsWith('.svelte')) return undefined
  const { js, warnings } = compile(text, { filename: id, generate: 'client' })
  if (warnings[0]) throw new Error(`${warnings[0].code}: ${warnings[0].message}`)
  return js.code
}

/** The text of the module: no file of it is on the disk. */
export async function bundleGuide(framework: Framework): Promise<string> {
  // In a folder of this one, so that the packages are found from there.
  const folder = join(import.meta.dirname, `guide-for-${framework}`)
  const guide = await codeOfGuide(framework, ['js', 'jsx', 'vue', 'svelte'])
  const files = new Map(guide.map(({ file, text }) => [join(folder, file), text]))
  files.set(join(folder, 'session.js'), SESSION)
  files.set(join(folder, '@vigie/client'), CLIENT)
  const main = [...files.keys()].find((id) => /\/main\.jsx?$/u.test(id))
  if (main === undefined) throw new Error(`The guide for ${framework} has no main.`)
  const plugin: Plugin = {
    name: 'guide',
    enforce: 'pre',
    resolveId: (source, importer) =>
      files.has(source)
        ? source
        : [join(folder, source)].find((id) => importer?.startsWith(folder) === true && files.has(id)),
    load: (id) => files.get(id),
    transform: (text, id) => (files.has(id) ? compileFile(id, text) : undefined),
  }
  const built = await build({
    configFile: false,
    logLevel: 'silent',
    plugins: [plugin, ...(framework === 'solid' ? [solid({ ssr: false })] : [])],
    define: {
      __VUE_OPTIONS_API__: 'false',
      __VUE_PROD_DEVTOOLS__: 'false',
      __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: 'false',
    },
    build: {
      write: false,
      minify: false,
      modulePreload: false,
      target: 'es2022',
      rolldownOptions: { input: main },
    },
  })
  const chunks = (Array.isArray(built) ? built : [built]).flatMap((result) =>
    'output' in result ? result.output.filter((file) => file.type === 'chunk') : [],
  )
  if (chunks.length !== 1) throw new Error(`The guide for ${framework} is ${chunks.length} modules.`)
  return chunks[0]?.code ?? ''
}
