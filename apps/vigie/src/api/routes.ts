/** Every route of the API, in one table: what it takes, what it needs, what it answers. */
import type { PresenceServer } from '@vigie/server'
import type { TrailQuestions, Webhooks } from '@vigie/server/postgres'
import * as v from 'valibot'
import { timeIn } from '../audit-trail/time.js'
import type { Scope } from './keys.js'
import { ApiProblem } from './problems.js'
import {
  auditBody,
  changedBody,
  conversationId,
  CONVERSATIONS_DEFAULT,
  day,
  DEAD_LETTERS_DEFAULT,
  groupId,
  instant,
  kickBody,
  limit,
  messageId,
  roomId,
  roomKind,
  stopTypingBody,
  userId,
  usersQuery,
  type AnswerName,
} from './schemas.js'

/** What the routes need of presence. */
export type ApiPresence = Pick<
  PresenceServer,
  | 'get'
  | 'room'
  | 'busiest'
  | 'explain'
  | 'auditClients'
  | 'kick'
  | 'stopTyping'
  | 'membershipsChanged'
  | 'note'
>

/** What the routes need of the audit trail. */
export type ApiAudit = Omit<TrailQuestions, 'close'>

/** What the routes need of webhooks. */
export type ApiWebhooks = Pick<Webhooks, 'deadLetters' | 'resend'>

export interface RouteParts {
  readonly presence: ApiPresence
  readonly audit: ApiAudit
  /** Absent: this server sends none. */
  readonly webhooks?: ApiWebhooks
  readonly monitor: () => unknown
}

/** Fields of a path, a query or a body. */
export type Fields = v.StrictObjectSchema<v.ObjectEntries, undefined>

interface Described<Params extends Fields, Query extends Fields, Body extends Fields | undefined> {
  readonly method: 'GET' | 'POST'
  /** As OpenAPI writes it: `{userId}`. */
  readonly path: string
  readonly operationId: string
  readonly tag: string
  /** One sentence for the document. */
  readonly summary: string
  readonly scope: Scope
  readonly params: Params
  readonly query: Query
  readonly body: Body
  /** The name of the answer's schema; undefined: 202, without a body. */
  readonly answer: AnswerName | undefined
  /** As how many requests it counts for the rate limit. */
  readonly cost: number
  /** It may have to read rows, which the database may not let it. */
  readonly mayBeUnavailable: boolean
  /** What it is about may not be there. */
  readonly mayBeMissing: boolean
  readonly handle: (request: Asked<Params, Query, Body>) => unknown
  /** Of a route that changes something: what the log says of it. */
  readonly act: Act<Asked<Params, Query, Body>> | undefined
}

interface Asked<Params extends Fields, Query extends Fields, Body extends Fields | undefined> {
  readonly params: v.InferOutput<Params>
  readonly query: v.InferOutput<Query>
  readonly body: Body extends Fields ? v.InferOutput<Body> : undefined
}

export interface Act<Request> {
  /** What was done. */
  readonly sentence: string
  readonly fields: (request: Request) => Readonly<Record<string, unknown>>
  /** Whether services do it all day: then the log has one line for each key and second. */
  readonly isRoutine: boolean
}

/** A route whose fields have passed its schemas. */
export type Route = Described<Fields, Fields, Fields | undefined>

/** Of a route that looks at all conversations: with 20,000 of them it takes several milliseconds of the loop. */
const ALL_ROOMS_COST = 20

/** Of a route that asks clients: each costs a message, and a look at everybody whom it sees. */
const CLIENT_AUDIT_COST = 50

/** Of a question about the past: some statements to the database. */
const AUDIT_COST = 10

/** It reads all of a day. */
const AUDIT_PEAK_COST = 50

const NOTHING = v.strictObject({})

function read<Params extends Fields, Query extends Fields = typeof NOTHING>(
  route: Pick<
    Described<Params, Query, undefined>,
    'path' | 'operationId' | 'tag' | 'summary' | 'params' | 'handle'
  > & {
    readonly answer: AnswerName
    readonly query?: Query
    readonly mayBeUnavailable?: boolean
    readonly cost?: number
  },
): Route {
  const whole = { query: NOTHING, mayBeUnavailable: false, mayBeMissing: false, cost: 1, ...route }
  return { ...whole, method: 'GET', scope: 'read', body: undefined, act: undefined } as unknown as Route
}

function post<Params extends Fields, Body extends Fields>(
  route: Pick<
    Described<Params, typeof NOTHING, Body>,
    'path' | 'operationId' | 'tag' | 'summary' | 'scope' | 'params' | 'body' | 'answer' | 'handle' | 'act'
  > & { readonly cost?: number; readonly mayBeUnavailable?: boolean; readonly mayBeMissing?: boolean },
): Route {
  const whole = { query: NOTHING, mayBeUnavailable: false, mayBeMissing: false, cost: 1, ...route }
  return { ...whole, method: 'POST' } as unknown as Route
}

const ofUser = v.strictObject({ userId })
const ofGroup = v.strictObject({ groupId })
const ofConversation = v.strictObject({ conversationId })

export function createRoutes({ presence, audit, webhooks, monitor }: RouteParts): readonly Route[] {
  const userOf = (id: string) => ({ userId: id, ...presence.get(id) })
  return [
    read({
      path: '/v1/users/{userId}',
      operationId: 'getUser',
      tag: 'Presence',
      summary: 'Whether a user is online, and on how many devices.',
      params: ofUser,
      answer: 'UserPresence',
      handle: ({ params }) => userOf(params.userId),
    }),
    post({
      path: '/v1/users/query',
      operationId: 'queryUsers',
      tag: 'Presence',
      summary: 'The same for many users, in the order of their ids.',
      scope: 'read',
      params: NOTHING,
      body: usersQuery,
      answer: 'Users',
      act: undefined,
      handle: ({ body }) => ({ users: body.userIds.map(userOf) }),
    }),
    read({
      path: '/v1/groups/{groupId}',
      operationId: 'getGroup',
      tag: 'Presence',
      summary: 'How many are in a group, and who of them is online.',
      params: ofGroup,
      answer: 'RoomPresence',
      mayBeUnavailable: true,
      handle: ({ params }) => presence.room({ kind: 'group', id: params.groupId }),
    }),
    read({
      path: '/v1/conversations/{conversationId}',
      operationId: 'getConversation',
      tag: 'Presence',
      summary: 'How many are in a conversation, who of them is online, and who types.',
      params: ofConversation,
      answer: 'RoomPresence',
      mayBeUnavailable: true,
      handle: ({ params }) => presence.room({ kind: 'conversation', id: params.conversationId }),
    }),
    read({
      path: '/v1/conversations',
      operationId: 'listConversations',
      tag: 'Presence',
      summary: 'The busiest conversations of those that somebody connected here is in, most online first.',
      params: NOTHING,
      query: v.strictObject({
        order: v.exactOptional(v.picklist(['online'])),
        limit: v.exactOptional(limit),
      }),
      answer: 'Conversations',
      cost: ALL_ROOMS_COST,
      handle: ({ query }) => ({
        conversations: presence
          .busiest(query.limit ?? CONVERSATIONS_DEFAULT)
          .map(({ id, mode, members, online, typing = [] }) => ({
            id,
            mode,
            members,
            online,
            typing: typing.length,
          })),
      }),
    }),
    read({
      path: '/v1/users/{userId}/explanation',
      operationId: 'explainUser',
      tag: 'Explain',
      summary: 'Why a user is shown as online or offline, and whether a viewer sees it.',
      params: ofUser,
      query: v.strictObject({ viewer: v.exactOptional(userId) }),
      answer: 'Explanation',
      handle: ({ params, query }) => presence.explain(params.userId, query.viewer),
    }),
    read({
      path: '/v1/monitor',
      operationId: 'getMonitor',
      tag: 'Operate',
      summary: 'How this server is: its name, version and metrics.',
      params: NOTHING,
      answer: 'Monitor',
      handle: monitor,
    }),
    read({
      path: '/v1/audit/online',
      operationId: 'auditOnline',
      tag: 'Audit',
      summary: 'Who of a conversation, or of a group, was online at a time of the past.',
      params: NOTHING,
      query: v.strictObject({ kind: roomKind, id: roomId, at: instant }),
      answer: 'AuditOnline',
      cost: AUDIT_COST,
      mayBeUnavailable: true,
      handle: ({ query: { kind, id, at } }) =>
        answered(() =>
          audit.online(kind === 'group' ? { group: id, at: msOf(at) } : { conversation: id, at: msOf(at) }),
        ),
    }),
    read({
      path: '/v1/audit/user',
      operationId: 'auditUser',
      tag: 'Audit',
      summary: 'When a user was online, with which devices, and why it began and ended; 31 days at most.',
      params: NOTHING,
      query: v.strictObject({ userId, from: instant, to: instant }),
      answer: 'AuditUser',
      cost: AUDIT_COST,
      mayBeUnavailable: true,
      handle: ({ query }) =>
        answered(() => audit.user({ userId: query.userId, from: msOf(query.from), to: msOf(query.to) })),
    }),
    read({
      path: '/v1/audit/peak',
      operationId: 'auditPeak',
      tag: 'Audit',
      summary: 'The most users, and the most devices, that were online at one time of a day.',
      params: NOTHING,
      query: v.strictObject({ day }),
      answer: 'AuditPeak',
      cost: AUDIT_PEAK_COST,
      mayBeUnavailable: true,
      handle: ({ query }) => answered(() => audit.peak(query)),
    }),
    read({
      path: '/v1/audit/why',
      operationId: 'auditWhy',
      tag: 'Audit',
      summary: 'Whether a user was online at a time of the past, and what made it so.',
      params: NOTHING,
      query: v.strictObject({ userId, at: instant }),
      answer: 'AuditWhy',
      cost: AUDIT_COST,
      mayBeUnavailable: true,
      handle: ({ query }) => answered(() => audit.why({ userId: query.userId, at: msOf(query.at) })),
    }),
    read({
      path: '/v1/webhooks/dead-letters',
      operationId: 'listDeadLetters',
      tag: 'Operate',
      summary: 'Webhooks that could not be delivered, the newest first; `before` asks for the next page.',
      params: NOTHING,
      query: v.strictObject({ limit: v.exactOptional(limit), before: v.exactOptional(messageId) }),
      answer: 'DeadLetters',
      mayBeUnavailable: true,
      handle: async ({ query: { limit: most = DEAD_LETTERS_DEFAULT, before } }) => ({
        deadLetters: (await webhooks?.deadLetters({ limit: most, before })) ?? [],
      }),
    }),
    post({
      path: '/v1/webhooks/dead-letters/{id}/resend',
      operationId: 'resendDeadLetter',
      tag: 'Act',
      summary: 'Has a webhook that could not be delivered sent again, with the id that it had.',
      scope: 'act',
      params: v.strictObject({ id: messageId }),
      body: NOTHING,
      answer: undefined,
      mayBeUnavailable: true,
      mayBeMissing: true,
      act: {
        sentence: 'A webhook was sent again over the HTTP API.',
        fields: ({ params }) => ({ webhook: params.id }),
        isRoutine: false,
      },
      async handle({ params }) {
        if (await webhooks?.resend(params.id)) return
        throw new ApiProblem('not_found', 'There is no dead letter of this id.')
      },
    }),
    post({
      path: '/v1/clients/audit',
      operationId: 'auditClients',
      tag: 'Operate',
      summary: 'Asks some clients, picked by chance, whether what they show is what they were told.',
      scope: 'act',
      params: NOTHING,
      body: auditBody,
      answer: 'ClientAudit',
      cost: CLIENT_AUDIT_COST,
      act: {
        sentence: 'Clients were asked over the HTTP API whether they show what they were told.',
        fields: ({ body: { sample } }) => (sample === undefined ? {} : { sample }),
        isRoutine: false,
      },
      handle: ({ body }) => presence.auditClients(body),
    }),
    post({
      path: '/v1/users/{userId}/kick',
      operationId: 'kickUser',
      tag: 'Act',
      summary: 'Ends all sessions of a user, or those of one device, for good.',
      scope: 'act',
      params: ofUser,
      body: kickBody,
      answer: undefined,
      act: {
        sentence: 'A user was kicked over the HTTP API.',
        fields: ({ params, body }) => ({
          userId: params.userId,
          devices: body.deviceId === undefined ? 'all' : 'one',
        }),
        isRoutine: false,
      },
      handle: ({ params, body }) => presence.kick(params.userId, body),
    }),
    post({
      path: '/v1/users/{userId}/stop-typing',
      operationId: 'stopTyping',
      tag: 'Act',
      summary: 'Ends a user’s typing, in one conversation or everywhere: when their message was sent.',
      scope: 'act',
      params: ofUser,
      body: stopTypingBody,
      answer: undefined,
      act: {
        sentence: 'A user’s typing was ended over the HTTP API.',
        fields: ({ params, body }) => ({
          userId: params.userId,
          ...(body.conversationId !== undefined && { conversationId: body.conversationId }),
        }),
        isRoutine: true,
      },
      handle: ({ params, body }) => presence.stopTyping(params.userId, body.conversationId),
    }),
    post({
      path: '/v1/memberships/changed',
      operationId: 'membershipsChanged',
      tag: 'Act',
      summary: 'Rows of these users, groups or conversations changed: they are read again.',
      scope: 'act',
      params: NOTHING,
      body: changedBody,
      answer: undefined,
      act: {
        sentence: 'Rows were said to have changed over the HTTP API.',
        fields: ({ body: { users = [], groups = [], conversations = [] } }) => ({
          users: users.length,
          groups: groups.length,
          conversations: conversations.length,
        }),
        isRoutine: true,
      },
      handle: ({ body }) => presence.membershipsChanged(body),
    }),
  ]
}

/** Of a text that has passed as one. */
function msOf(text: string): number {
  return timeIn(text) ?? NaN
}

/** @throws ApiProblem when the time is to come, or is too long. */
async function answered<Answer>(question: () => Promise<Answer>): Promise<Answer> {
  try {
    return await question()
  } catch (error) {
    if (error instanceof RangeError) throw new ApiProblem('invalid_payload', error.message)
    throw error
  }
}
