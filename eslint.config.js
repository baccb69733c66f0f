import tseslint from 'typescript-eslint'

/**
 * The linter holds what a reader would otherwise have to check by eye: layers, names, and types at the edges.
 * Layout is Prettier's, so no rule here speaks of it.
 */

/** Imports that a layer may not have; `regex` matches the module's name as it is written. */
const layer = (regex, message) => ['error', { patterns: [{ regex, message }] }]

/** What a page loads: itself, and `socket.io-client` in one place. Of the modules in `typesOnly`, no code. */
const clientLayer = (typesOnly) => [
  'error',
  {
    patterns: [
      {
        regex: `^(${typesOnly})$`,
        allowTypeImports: true,
        message: 'Only types: validation and error texts would be most of what a page loads.',
      },
      {
        regex: '^(?!@vigie/protocol$|socket\\.io-client$|\\./)',
        message:
          '`client` knows `@vigie/protocol`, `socket.io-client` and itself; no Node, because pages load it.',
      },
    ],
  },
]

/** Who is in which room is asked of visibility.ts; these are the fields that it answers from. */
const membership = '/^(memberOf|ownRooms|roster|locals)$/'
const membershipMessage =
  'Ask visibility.ts: it is the only file that says who may see whom (rooms.ts writes these fields).'
const noMembershipQuestions = [
  { selector: `MemberExpression[property.name=${membership}]`, message: membershipMessage },
  {
    selector: `ObjectPattern > Property[key.name=${membership}]`,
    message: membershipMessage,
  },
]

/** File names are kebab-case, so that a name reads the same on every file system. */
const kebabCase = {
  create: (context) => ({
    Program(node) {
      const name = context.physicalFilename.split(/[\\/]/u).at(-1)
      if (!/^[a-z0-9]+([-.][a-z0-9]+)*$/u.test(name)) {
        context.report({ node, message: `File names are kebab-case; this is ${name}.` })
      }
    },
  }),
}

const noDefaultExport = {
  selector: 'ExportDefaultDeclaration',
  message: 'Named exports only: a name that is the same everywhere can be searched for.',
}
const noExportAll = {
  selector: 'ExportAllDeclaration',
  message: 'The public surface is a list written by hand.',
}
const noExportedDefaultName = {
  selector: 'ExportSpecifier[exported.name="default"]',
  message: noDefaultExport.message,
}
/** `setTimeout(resolve, 50)`: somebody hopes that 50 ms are enough. A timeout that rejects is another thing. */
const noSleep = {
  selector: 'CallExpression[callee.name="setTimeout"][arguments.0.type="Identifier"]',
  message: 'No sleeps in tests: wait for the event, or move the clock.',
}
const noTimersModule = {
  selector: 'ImportDeclaration[source.value=/^(node:)?timers/]',
  message: noSleep.message,
}
const noClock = (name) => ({
  name,
  message: 'Time is an argument here; a test that waits proves nothing about order.',
})
const surface = [noDefaultExport, noExportedDefaultName, noExportAll]

export default tseslint.config(
  {
    ignores: [
      '**/dist/',
      '**/cjs/',
      '**/node_modules/',
      '**/.vigie/',
      '**/coverage/',
      '**/test-results/',
      '**/.cache/',
      // Vue, Svelte and Solid are installed by its test only: what it imports has no types here.
      'e2e/support/frameworks-app/',
    ],
  },
  { linterOptions: { reportUnusedDisableDirectives: 'error', reportUnusedInlineConfigs: 'error' } },
  {
    files: ['**/*.{js,ts,tsx}'],
    plugins: { vigie: { rules: { 'kebab-case': kebabCase } } },
    rules: {
      'vigie/kebab-case': 'error',
      eqeqeq: 'error',
      'no-constant-binary-expression': 'error',
      'no-control-regex': 'error',
      'no-empty': 'error',
      'no-fallthrough': 'error',
      'no-self-compare': 'error',
      // `for (const first of set) return first` is how one takes the first of an iterable.
      'no-unreachable-loop': ['error', { ignore: ['ForOfStatement'] }],
      'no-useless-rename': 'error',
      'no-var': 'error',
      'object-shorthand': 'error',
      'prefer-const': 'error',
      'preserve-caught-error': 'error',
    },
  },
  {
    files: ['**/*.{ts,tsx}'],
    extends: [...tseslint.configs.strictTypeChecked, ...tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/consistent-type-exports': 'error',
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/no-import-type-side-effects': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true, requireDefaultForNonUnion: false },
      ],
      '@typescript-eslint/no-unnecessary-condition': [
        'error',
        { allowConstantLoopConditions: 'only-allowed-literals' },
      ],
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      '@typescript-eslint/no-confusing-void-expression': 'off',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      // Objects here are made by functions and use no `this`, so their methods may be handed on.
      '@typescript-eslint/unbound-method': 'off',
      // Asks for the `!` that `no-non-null-assertion` refuses.
      '@typescript-eslint/non-nullable-type-assertion-style': 'off',
      '@typescript-eslint/consistent-indexed-object-style': 'off',
      // There are no enums here; those of others are numbers on a wire.
      '@typescript-eslint/no-unsafe-enum-assignment': 'off',
      // A port's method is `async` so that what it throws is a rejection, also where an adapter awaits nothing.
      '@typescript-eslint/require-await': 'off',
      // `() => {}` says "nothing to do" as well as a comment in it would.
      '@typescript-eslint/no-empty-function': 'off',
      // A generic that appears once still names the brand that a caller gets back (`shortId<DeviceId>()`).
      '@typescript-eslint/no-unnecessary-type-parameters': 'off',
      'no-restricted-syntax': ['error', ...surface],
    },
  },
  {
    files: ['packages/*/src/**/*.{ts,tsx}', 'apps/*/src/**/*.{ts,tsx}'],
    rules: {
      'max-params': ['error', 4],
      'max-lines': ['error', { max: 500, skipComments: true, skipBlankLines: true }],
    },
  },
  { files: ['packages/**/*.{ts,tsx}'], rules: { 'no-console': 'error' } },

  // The layers, inside out (ARCHITECTURE.md has the picture).
  {
    files: ['packages/protocol/src/**/*.ts'],
    rules: { 'no-restricted-imports': layer('^(?!valibot$|\\./)', '`protocol` knows nothing but valibot.') },
  },
  {
    files: ['packages/server/src/core/**/*.ts'],
    rules: {
      'no-restricted-imports': layer(
        '^(?!@vigie/protocol$|\\./)',
        '`core` knows `@vigie/protocol` and itself only.',
      ),
    },
  },
  {
    files: ['packages/server/src/core/**/*.ts'],
    ignores: ['**/core/{visibility,rooms,people,model,inputs,settings}.ts'],
    rules: { 'no-restricted-syntax': ['error', ...surface, ...noMembershipQuestions] },
  },
  {
    files: ['packages/server/src/socketio/**/*.ts'],
    rules: {
      'no-restricted-imports': layer(
        '^\\.\\./(?!(core|rows|host|trail)/)|^@vigie/server',
        '`socketio` knows `core`, `rows`, `host` and `trail`, and no adapter.',
      ),
    },
  },
  {
    files: ['packages/server/src/{rows,host,trail}/**/*.ts'],
    rules: {
      'no-restricted-imports': layer(
        '^\\.\\./(?!core/)|^@vigie/server|^socket\\.io',
        '`rows`, `host` and `trail` know `core`, and no socket.',
      ),
    },
  },
  {
    files: ['packages/server/src/webhooks/**/*.ts'],
    rules: {
      'no-restricted-imports': layer(
        '^\\.\\./(?!(core|trail)/)|^@vigie/server|^socket\\.io',
        '`webhooks` knows `core` and `trail`, and neither a database nor Socket.IO.',
      ),
    },
  },
  {
    files: ['packages/server/src/http/**/*.ts'],
    rules: {
      '@typescript-eslint/no-restricted-imports': [
        'error',
        {
          patterns: [
            {
              regex: '^\\.\\./(core|host|trail|webhooks)/',
              allowTypeImports: true,
              message: 'Only types: other services use this client, and need nothing of a server.',
            },
            {
              regex: '^(?!\\./|\\.\\./(core|host|trail|webhooks)/)',
              message: '`http` is `fetch` and types.',
            },
          ],
        },
      ],
    },
  },
  {
    files: ['packages/server/src/otel/**/*.ts'],
    rules: {
      'no-restricted-imports': layer(
        '^\\.\\./(?!host/)|^@vigie/server|^socket\\.io',
        '`otel` knows the table of metrics in `host`, and no socket.',
      ),
    },
  },
  {
    files: ['packages/server/src/{memory,postgres}/**/*.ts'],
    rules: {
      'no-restricted-imports': layer(
        '^\\.\\./(?!(core|trail|webhooks)/)|^@vigie/server|^socket\\.io',
        'An adapter knows the ports of `core`, `trail` and `webhooks`, and neither another adapter nor Socket.IO.',
      ),
    },
  },
  {
    files: ['packages/server/src/testing/**/*.ts'],
    rules: {
      'no-restricted-imports': layer(
        '/(socketio|rows|postgres)/|^@vigie/server|^vitest',
        '`testing` is published: it knows `core`, `memory` and `host`, and no test runner.',
      ),
    },
  },
  {
    files: ['packages/client/src/**/*.ts'],
    rules: { '@typescript-eslint/no-restricted-imports': clientLayer('@vigie/protocol|socket\\.io-client') },
  },
  {
    // One file knows the network, so that everything else runs on a fake of it.
    files: ['packages/client/src/transport.ts'],
    rules: { '@typescript-eslint/no-restricted-imports': clientLayer('@vigie/protocol') },
  },
  {
    files: ['packages/client/src/react/**/*.{ts,tsx}'],
    rules: {
      '@typescript-eslint/no-restricted-imports': [
        'error',
        {
          patterns: [
            {
              regex: '^\\.\\./index\\.js$',
              allowTypeImports: true,
              message: 'Only types: the client comes from the host, so that a page has it once.',
            },
            {
              regex: '^(?!react$|\\./|\\.\\./index\\.js$)',
              message: '`react` knows React and what the client says in public.',
            },
          ],
        },
      ],
    },
  },
  {
    files: ['packages/client/src/testing/**/*.ts'],
    rules: {
      '@typescript-eslint/no-restricted-imports': [
        'error',
        {
          patterns: [
            {
              regex: '^(@vigie/protocol|\\.\\./client\\.js)$',
              allowTypeImports: true,
              message: 'Only types: a test of a component needs no network.',
            },
            {
              regex: '^(?!@vigie/protocol$|\\./|\\.\\./\\w+\\.js$)',
              message: '`testing` is published: it knows the client, and neither React nor a test runner.',
            },
          ],
        },
      ],
    },
  },
  {
    files: ['apps/*/src/**/*.ts', 'examples/*/src/**/*.ts'],
    rules: {
      'no-restricted-imports': layer('/packages/', 'Use the packages as their users do: `@vigie/…`.'),
    },
  },

  // Tests.
  {
    files: ['test/**/*.ts', '**/test/**/*.{ts,tsx}', 'e2e/**/*.ts'],
    rules: {
      // What a test believes about a payload is checked by running it; an `any` written down is still refused.
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
    },
  },
  {
    files: ['packages/*/test/**/*.{ts,tsx}'],
    rules: { 'no-restricted-syntax': ['error', ...surface, noSleep, noTimersModule] },
  },
  {
    files: ['packages/protocol/test/**/*.ts', 'packages/server/test/core/**/*.ts'],
    rules: {
      'no-restricted-globals': ['error', ...['setTimeout', 'setInterval', 'setImmediate'].map(noClock)],
    },
  },

  // Vitest reads the default export of its configuration and of a global set-up.
  { files: ['vitest*.config.ts', 'test/global-*.ts'], rules: { 'no-restricted-syntax': 'off' } },
)
