import { Hono, type Context } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import * as v from 'valibot'
import { addPageFiles, type PageFile } from '../page-files.js'
import type { Tokens } from '../token.js'
import type { Messages } from './messages.js'
import { LANGS } from './lang.js'
import type { DemoConversation, Person, World } from './world.js'

/** Long enough for a day of trying things out. */
const TOKEN_TTL_MS = 12 * 3_600_000
const BODY_MAX_BYTES = 4_096

const loginSchema = v.strictObject({ userId: v.string() })

/** What {@link demoRoutes} serves. */
export interface DemoParts {
  readonly world: World
  readonly tokens: Tokens
  readonly messages: Messages
  readonly pages: ReadonlyMap<string, PageFile>
}

/** The pages, who one can be, signing in, and what a page shows. */
export function demoRoutes({ world, tokens, messages, pages }: DemoParts): Hono {
  const routes = new Hono()
  const people = new Map(world.people.map((person) => [person.userId, person]))
  const personOf = (context: Context) => {
    const [, token = ''] = /^bearer +(.+)$/iu.exec(context.req.header('authorization') ?? '') ?? []
    return people.get(tokens.userOf(token) ?? '')
  }
  routes.get('/demo/users', (context) => {
    const asked = context.req.query('lang')
    const lang = LANGS.find((each) => each === asked) ?? 'en'
    const shown = world.people.filter((person) => person.lang === lang)
    return context.json(shown.map(({ userId, name }) => ({ userId, name })))
  })
  routes.post('/demo/login', bodyLimit({ maxSize: BODY_MAX_BYTES, onError: badLogin }), async (context) => {
    const body = v.safeParse(loginSchema, await jsonOf(context))
    if (!body.success) return badLogin(context)
    const person = people.get(body.output.userId)
    if (person === undefined) return refuse(context, 404, 'unknown_user', 'The demo has no such person.')
    return context.json({ token: tokens.sign(person.userId, TOKEN_TTL_MS) })
  })
  routes.get('/demo/world', (context) => {
    const person = personOf(context)
    return person === undefined ? refuseStranger(context) : context.json(worldOf(world, person))
  })
  routes.get('/demo/messages', (context) => {
    const person = personOf(context)
    if (person === undefined) return refuseStranger(context)
    const mine = world.conversations.filter(({ members }) => members.includes(person.userId))
    return context.json(mine.flatMap(({ conversationId }) => messages.of(conversationId)))
  })
  routes.get('/plain', (context) => context.redirect('/plain/'))
  addPageFiles(routes, pages)
  return routes
}

/**
 * What one person may see: their own groups and conversations. Of those in count mode, no list of members. `directs` are
 * the conversations with one person that nobody has begun yet.
 */
export function worldOf(world: World, me: Person) {
  const named = new Map([...world.people, ...world.colleagues].map((person) => [person.userId, person]))
  const isMine = ({ members }: { readonly members: readonly string[] }) => members.includes(me.userId)
  const shown = (members: readonly string[]) => {
    const known = members.flatMap((userId) => named.get(userId) ?? [])
    const people = known.map(({ userId, name, givenName }) => ({ userId, name, givenName }))
    // The silent staff make a room a crowd: of a crowd nobody is told names, so the page needs none.
    return { size: members.length, members: members.length > known.length ? [] : people }
  }
  const otherThanMe = (members: readonly string[]) =>
    named.get(members.find((id) => id !== me.userId) ?? '')?.name ?? ''
  const conversation = ({ conversationId, title, kind, members }: DemoConversation) => ({
    conversationId,
    title: kind === 'direct' ? otherThanMe(members) : title,
    kind,
    ...shown(members),
  })
  const mine = world.conversations.filter(isMine)
  return {
    me: { userId: me.userId, name: me.name, givenName: me.givenName },
    groups: world.groups
      .filter(isMine)
      .map(({ groupId, title, members }) => ({ groupId, title, ...shown(members) })),
    conversations: mine.filter(({ isBegun }) => isBegun).map(conversation),
    directs: mine.filter(({ isBegun }) => !isBegun).map(conversation),
  }
}

function refuse(context: Context, status: 400 | 401 | 404, code: string, message: string) {
  return context.json({ error: { code, message } }, status)
}

function refuseStranger(context: Context) {
  return refuse(context, 401, 'token_invalid', 'Sign in first.')
}

function badLogin(context: Context) {
  return refuse(context, 400, 'invalid_payload', 'The body must be { "userId": "…" } and nothing else.')
}

async function jsonOf(context: Context): Promise<unknown> {
  try {
    return await context.req.json()
  } catch {
    // Not JSON: the schema refuses `undefined` with the same answer as any other wrong body.
    return undefined
  }
}
