/** `vigie audit-clients`: its words, and the real command against a real server with clients that are right and wrong. */
import { createServer } from 'node:net'
import { once } from 'node:events'
import { io, type Socket } from 'socket.io-client'
import { describe, expect, it } from 'vitest'
import { createAuditedClient } from '@vigie/client/audit'
import type { ClientAudit } from '@vigie/server/http'
import { auditInWords } from '../src/audit-words.js'
import { startVigie, temporaryFolder } from './vigie-process.js'

const KEY = 'a-key-of-this-test-that-is-long-enough'
const READ_KEY = 'another-key-that-may-only-read'

const quiet: ClientAudit = {
  answering: 0,
  asked: 0,
  equal: 0,
  different: [],
  unanswered: 0,
  malformed: 0,
  skipped: 0,
}

describe('the words of an audit', () => {
  it('say so if nobody answers', () => {
    expect(auditInWords(quiet)).toBe(
      'No client that is connected to this server answers: only clients of @vigie/client/audit do, and others that say so.',
    )
  })

  it('say what came of it, and of each client that differs where it is wrong', () => {
    const audit: ClientAudit = {
      ...quiet,
      answering: 9,
      asked: 6,
      equal: 3,
      unanswered: 1,
      skipped: 1,
      different: [
        {
          sessionId: 's1',
          userId: 'ann',
          isBehind: true,
          rooms: [
            { kind: 'group', id: 'crew' },
            { kind: 'conversation', id: 'a\u001b[31mb' },
          ],
          moreRooms: 4,
          extraRooms: 2,
          hasOtherPeople: true,
          hasOtherDevices: true,
        },
        {
          sessionId: 's2',
          userId: 'ben',
          isBehind: false,
          rooms: [{ kind: 'group', id: 'crew' }],
          moreRooms: 0,
          extraRooms: 0,
          hasOtherPeople: false,
          hasOtherDevices: false,
        },
      ],
    }
    expect(auditInWords(audit).split('\n')).toEqual([
      '9 connected clients answer. 6 were asked:',
      '  3 as they were told',
      '  2 different',
      '  1 without an answer within 3 s',
      '  0 with an answer that is none of the protocol',
      '1 could not be asked: something was pending for them all the time, they have gone, or there was no time.',
      'ann, session s1:',
      '  its picture is older than the last frame that it was sent',
      '  shows something else in group crew, conversation "a\\u001b[31mb" and in 4 more rooms',
      '  rooms that are not its user’s, or not any more: 2',
      '  shows something else of people with whom it shares no room with names',
      '  shows other devices of its own user',
      'ben, session s2:',
      '  shows something else in group crew',
    ])
    expect(auditInWords({ ...quiet, answering: 1, asked: 1, equal: 1 })).toMatch(
      /^1 connected client answers\. 1 was asked:\n/u,
    )
  })
})

async function tokenOf(url: string, userId: string): Promise<string> {
  const login = await fetch(`${url}/demo/login`, { method: 'POST', body: JSON.stringify({ userId }) })
  return ((await login.json()) as { token: string }).token
}

/** A client that says that it answers, and lies. */
async function liar(url: string, userId: string): Promise<Socket> {
  const auth = { token: await tokenOf(url, userId), protocol: 2, audit: true }
  const socket = io(url, { auth, forceNew: true, transports: ['websocket'] })
  socket.on('presence:digest', (_question: unknown, answer: (digest: unknown) => void) => {
    answer({ at: null, rooms: [], others: 0, devices: 0 })
  })
  await new Promise((resolve) => socket.once('presence:state', resolve))
  return socket
}

describe('vigie audit-clients', { timeout: 60_000 }, () => {
  it('ends with 1 if a client differs, with 0 if none does, and with 2 if it could not ask', async () => {
    await using folder = await temporaryFolder()
    await using vigie = startVigie(['serve', '--demo'], folder.path, {
      PORT: '0',
      VIGIE_DEMO_BOTS: '0',
      VIGIE_API_KEYS: `${KEY},read:${READ_KEY}`,
    })
    const url = await vigie.url
    const run = async (...words: string[]) => {
      await using command = startVigie(['audit-clients', '--url', url, ...words], folder.path, {
        VIGIE_API_KEY: KEY,
      })
      return await command.ended
    }
    const nobody = await run()
    expect(nobody).toMatchObject({ code: 0, stderr: '' })
    expect(nobody.stdout).toMatch(/^No client that is connected to this server answers/u)

    const right = createAuditedClient({
      url,
      token: () => tokenOf(url, 'amelie-durand'),
      socketOptions: { transports: ['websocket'] },
    })
    const isLive = new Promise<void>((resolve) => {
      right.subscribe(
        (view) => view.state().name,
        (state) => {
          if (state === 'live') resolve()
        },
      )
    })
    right.connect()
    await isLive
    const wrong = await liar(url, 'kofi-mensah')
    const found = await run()
    expect(found).toMatchObject({ code: 1, stderr: '' })
    expect(found.stdout).toMatch(/^2 connected clients answer\. 2 were asked:\n {2}1 as they were told\n/u)
    expect(found.stdout).toContain(`kofi-mensah, session ${wrong.id}:\n  its picture is older`)
    expect(found.stdout).not.toContain('amelie-durand, session')
    const json = await run('--json', '--sample', '5')
    expect(json.code).toBe(1)
    expect(JSON.parse(json.stdout)).toMatchObject({
      answering: 2,
      asked: 2,
      equal: 1,
      different: [{ userId: 'kofi-mensah', isBehind: true, hasOtherDevices: true }],
    })
    const metrics = await (await fetch(`${url}/metrics`)).text()
    expect(metrics).toContain('presence_client_audits_total{result="different"} 2')

    wrong.disconnect()
    const well = await run('--sample', '1')
    expect(well).toMatchObject({ code: 0, stderr: '' })
    expect(well.stdout).toContain('  1 as they were told\n  0 different\n')

    expect(await run('--key', READ_KEY)).toMatchObject({
      code: 2,
      stdout: '',
      stderr: `vigie: ${url} did not ask its clients: The key lacks the scope \`act\`. Set VIGIE_API_KEY to a key of that server with the scope act.\n`,
    })
    for (const sample of ['0', '1001', 'many', '1.5', '']) {
      expect(await run(`--sample=${sample}`)).toMatchObject({
        code: 2,
        stderr: 'vigie: --sample must be a whole number from 1 to 1000.\n',
      })
    }
    right.close()
    vigie.kill('SIGTERM')
    const { stdout, stderr } = await vigie.ended
    // What was found is in the log too.
    expect(stdout + stderr).toContain('A client shows something else than it was told.')
  })

  it('says that nobody answers there', async () => {
    await using folder = await temporaryFolder()
    const probe = createServer().listen(0, '127.0.0.1')
    await once(probe, 'listening')
    const { port } = probe.address() as { port: number }
    await new Promise((resolve) => probe.close(resolve))
    await using command = startVigie(['audit-clients', '--url', `http://127.0.0.1:${port}`], folder.path)
    const { code, stderr } = await command.ended
    expect(code).toBe(2)
    expect(stderr).toMatch(/gave no answer: .*ECONNREFUSED.* Start vigie serve there/u)
  })
})
