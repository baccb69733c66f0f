/**
 * What may import what, as files are resolved: no circles, and the layers of ARCHITECTURE.md. `npm run check` holds it,
 * types included: a circle of types is a circle for whoever reads. The linter holds the same layers by the names that
 * are written, and shows them in an editor.
 */

const SERVER = '^packages/server/src/'

/** Files of one folder of the server may import its own, these other folders of the server, and packages. */
const serverLayer = (folder, others, comment) => ({
  name: `layer-${folder}`,
  severity: 'error',
  comment,
  from: { path: `${SERVER}${folder}/` },
  to: { path: SERVER, pathNot: `${SERVER}(${[folder, ...others].join('|')})/` },
})

export default {
  forbidden: [
    {
      name: 'no-circle',
      severity: 'error',
      comment: 'Of two files that import each other neither can be read, tested or moved alone.',
      from: {},
      to: { circular: true },
    },
    {
      name: 'no-unresolved',
      severity: 'error',
      comment: 'A file that is not found is not looked at, and could hide a circle.',
      from: {},
      to: { couldNotResolve: true },
    },
    serverLayer('core', [], '`core` is the engine: it knows no row, no socket and no database.'),
    serverLayer('rows', ['core'], '`rows` knows `core`, and no socket.'),
    serverLayer('host', ['core'], '`host` knows `core`, and no socket.'),
    serverLayer('otel', ['core', 'host'], '`otel` knows the table of metrics, and no socket.'),
    serverLayer('trail', ['core'], '`trail` knows what the engine tells, and no database.'),
    serverLayer('memory', ['core'], 'An adapter knows the ports of `core`, and no other adapter.'),
    serverLayer('webhooks', ['core', 'trail'], '`webhooks` knows what the trail holds, and no database.'),
    serverLayer(
      'postgres',
      ['core', 'trail', 'webhooks'],
      'An adapter knows the ports of `core`, `trail` and `webhooks`, and no other adapter.',
    ),
    serverLayer('socketio', ['core', 'rows', 'host', 'trail'], '`socketio` knows no adapter.'),
    serverLayer(
      'http',
      ['core', 'host', 'trail', 'webhooks'],
      '`http` is the client of the HTTP API: of others it has types.',
    ),
    serverLayer('testing', ['core', 'memory', 'host'], '`testing` is published, and knows no socket.'),
    {
      name: 'server-folder-has-a-layer',
      severity: 'error',
      comment: 'A new folder of the server needs a line here that says what it may import.',
      from: {
        path: SERVER,
        pathNot: `${SERVER}(core|rows|host|http|memory|otel|postgres|socketio|testing|trail|webhooks)/`,
      },
      to: {},
    },
    {
      name: 'package-by-its-name',
      severity: 'error',
      comment: 'A package of ours is imported by its name, not by a path into its folder.',
      from: { path: '^(packages|apps)/([^/]+)/' },
      to: {
        path: '^(packages|apps)/[^/]+/src/',
        pathNot: '^$1/$2/',
        // By its name: `apps/web` lets `apps/ops` have some of its sources.
        dependencyTypesNot: ['aliased-workspace'],
      },
    },
    {
      name: 'store-knows-no-react',
      severity: 'error',
      comment: 'The client is without a framework: React’s hooks are built on it.',
      from: { path: '^packages/client/src/', pathNot: '^packages/client/src/react/' },
      to: { path: '^packages/client/src/react/' },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    combinedDependencies: true,
    tsConfig: { fileName: 'tsconfig.base.json' },
    doNotFollow: { path: ['node_modules', '/dist/'] },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'types', 'default'],
      extensions: ['.ts', '.tsx', '.d.ts', '.js', '.json'],
    },
  },
}
