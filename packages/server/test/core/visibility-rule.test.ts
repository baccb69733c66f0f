/** The linter holds that only visibility.ts answers who is in which room, and rooms.ts and people.ts write it. */
import { fileURLToPath } from 'node:url'
import { ESLint, Linter } from 'eslint'
import { parser } from 'typescript-eslint'
import { describe, expect, it } from 'vitest'

const core = (file: string) => fileURLToPath(new URL(`../../src/core/${file}`, import.meta.url))
const RULE = 'no-restricted-syntax'

/** What the project's own configuration says of such a line in this file. */
async function complaints(file: string, code: string): Promise<string[]> {
  const eslint = new ESLint({ cwd: fileURLToPath(new URL('../../../../', import.meta.url)) })
  const { rules } = (await eslint.calculateConfigForFile(core(file))) as { rules: Linter.RulesRecord }
  const rule = rules[RULE] ?? 'off'
  const messages = new Linter().verify(
    code,
    [{ files: ['**/*.ts'], languageOptions: { parser }, rules: { [RULE]: rule } }],
    file,
  )
  return messages.map(({ message }) => message)
}

const QUESTIONS = [
  'if (room.roster.includes(person)) tell(session)',
  'for (const room of person.memberOf) tell(room)',
  'const { locals } = room',
  'const isIn = viewer.ownRooms?.includes(room)',
  'function tell({ roster }: Room) {}',
]

describe.each(['announce.ts', 'pending.ts', 'protocol-1.ts', 'protocol-2.ts', 'typing.ts', 'engine.ts'])(
  'a question about memberships that is planted in %s',
  (file) => {
    it.each(QUESTIONS)('is refused: %s', async (code) => {
      expect(await complaints(file, code)).toEqual([expect.stringContaining('Ask visibility.ts')])
    })
  },
)

it.each(['visibility.ts', 'rooms.ts', 'people.ts'])('%s may read and write them', async (file) => {
  for (const code of QUESTIONS) expect(await complaints(file, code)).toEqual([])
})

it('what asks visibility.ts instead is not refused', async () => {
  expect(await complaints('announce.ts', 'if (isMember(person, room)) tell(session)')).toEqual([])
})
