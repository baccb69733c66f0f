import { phrases } from '@vigie/web/texts/phrases.js'
import type { Explanation } from '@vigie/server/http'
import type { ChartId, SeriesId } from '../charts/charts.js'
import type { ProblemKind } from '../server/api.js'

const devices = (count: number) => phrases('en', count, { one: '# device', other: '# devices' })
const charts: Readonly<Record<ChartId, string>> = {
  group: 'Group presence',
  conversation: 'Conversation presence',
  typing: 'Typing',
  first_picture: 'First picture',
  people: 'People and connections',
  transitions: 'Changes of presence',
  frames: 'Events written to clients',
  lag: 'Event loop lag',
  memory: 'Memory',
  rows: 'Membership rows',
}
const chartHelp: Readonly<Record<ChartId, string>> = {
  group: 'From a change to its last recipient.',
  conversation: 'From a change to its last recipient.',
  typing: 'From a change to its last recipient.',
  first_picture: 'From a connection to all that it is told first.',
  people: 'Users online, and open connections.',
  transitions: 'What others can see, changes a second.',
  frames: 'Events a second.',
  lag: 'The latest within the last 15 to 30 seconds.',
  memory: 'Of the server’s process.',
  rows: 'From the writing of a row until it is known here; and how old the last look is.',
}
const series: Readonly<Record<SeriesId, string>> = {
  connections: 'Connections',
  users: 'Users online',
  presence: 'Presence',
  typing: 'Typing',
  frames: 'Events',
  p50: 'p50',
  p99: 'p99',
  lag: 'Lag',
  resident: 'Process',
  heap: 'JavaScript heap',
  change: 'Row changes (p99)',
  feed: 'Last look',
}
const problems: Readonly<Record<ProblemKind, string>> = {
  no_answer: 'The server does not answer.',
  key_missing: 'The server asks for a key.',
  key_wrong: 'The server does not accept this key.',
  not_allowed: 'The server knows this key, but it may not do that.',
  closed: 'The server’s API is closed: it was started without a key. Start it with VIGIE_API_KEY.',
  not_understood: 'The server does not take this for an id.',
  too_many: 'The server was asked too often. It is asked again in a moment.',
  unavailable: 'The server is starting or ending.',
  server_error: 'The server answered with an error.',
}
const reasons: Readonly<Record<Explanation['transitions'][number]['reason'], string>> = {
  connected: 'Connected',
  returned: 'Came back within the grace',
  replaced: 'Replaced by a new connection of the same client',
  lost: 'The connection was lost',
  grace_over: 'Did not come back within the grace',
  left: 'Left',
  logged_out: 'Signed out',
  kicked: 'Was kicked',
  token_expired: 'The token expired',
  too_many_sessions: 'Had too many sessions; the oldest was ended',
  other_node: 'Changed on another node',
  node_lost: 'The node was lost',
}

/** Every word of the page in English. {@link Texts} is made of it: another language has the same keys. */
export const en = {
  lang: 'en',
  title: 'Vigie · Operators',
  appName: 'Vigie',
  operators: 'Operators',
  skipToSearch: 'Skip to the search',
  loading: 'Asking the server…',
  // The key
  keyTitle: 'This server asks for a key',
  keyLead: 'One of its API keys. The page keeps it in memory only: a reload forgets it.',
  keyLabel: 'API key',
  keyUse: 'Use this key',
  keyGive: 'Use a key',
  keyMayNotAct: 'Ending sessions needs a key that may act.',
  // The server's state
  live: 'Live',
  lost: (time: string) => `No answer since ${time}. The numbers are from then.`,
  backAgain: 'The server answers again.',
  tryNow: 'Try now',
  pause: 'Pause',
  goOn: 'Continue',
  paused: (time: string) => `Paused at ${time}`,
  problems,
  status: (code: string) => `Status ${code}.`,
  // At a glance
  glance: 'At a glance',
  usersOnline: 'Users online',
  connections: 'Connections',
  delays: 'Delays',
  delaysKept: 'Within their limits',
  delaysBroken: (names: string) => `Over the limit: ${names}`,
  nothingMeasured: 'Nothing to measure in the last minute',
  ghosts: 'Ghosts',
  ghostsHelp: 'What does not agree inside the server; must be 0.',
  notReported: 'Not reported by this server',
  // Charts
  delaysLead: 'Of a sample of the last minute, half were faster than p50, and 99 of 100 faster than p99.',
  delaysTitle: 'Delays in the last 10 minutes',
  loadTitle: 'Load in the last 10 minutes',
  charts,
  chartHelp,
  series,
  limit: (value: string) => `limit ${value}`,
  over: 'over the limit',
  noValue: 'no data',
  showTable: 'Table',
  showChart: 'Chart',
  tableOf: (title: string) => `${title}: as a table`,
  chartOf: (title: string) => `${title}: as a chart`,
  tableCaption: 'The highest of each half minute, newest first.',
  tableTime: 'Until',
  perSecond: (value: string) => `${value} /s`,
  now: (value: string) => `now ${value}`,
  highest: (value: string) => `highest ${value}`,
  // Nodes
  nodes: 'Nodes',
  node: 'Node',
  version: 'Version',
  running: 'Running for',
  // Conversations
  busiest: 'Busiest conversations',
  busiestNone: 'Nobody is online in a conversation.',
  onlineOf: (online: string, members: string) => `${online} of ${members} online`,
  typingCount: (count: number) => phrases('en', count, { one: '# is typing', other: '# are typing' }),
  tooLarge: 'Too large for names: members see numbers.',
  whoIsOnline: 'Online now; choose somebody to have their presence explained.',
  nobodyOnline: 'Nobody is online here.',
  andMore: (count: number) => phrases('en', count, { one: 'and # more', other: 'and # more' }),
  // A user
  searchTitle: 'Explain a user’s presence',
  userId: 'User id',
  viewerId: 'Seen by (user id, optional)',
  explain: 'Explain',
  closeExplanation: 'Close',
  isOnline: (user: string, devices: string) => `${user} is online, on ${devices}.`,
  isOffline: (user: string) => `${user} is offline.`,
  devices,
  asOf: (time: string) => `As of ${time}`,
  sessions: 'Sessions on this node',
  noSessions: 'There is no session of this user here.',
  device: (name: string) => `Device ${name}`,
  connectedFor: (duration: string, time: string) => `Connected for ${duration}, since ${time}.`,
  heardAgo: (duration: string) => `Last sign of life ${duration} ago.`,
  lostSince: (duration: string, time: string) =>
    `The connection was lost ${duration} ago (${time}). The session still counts.`,
  countsUntil: (duration: string) => `It counts for ${duration} more, unless the client comes back.`,
  countsNoMore: 'It ends at any moment.',
  typesIn: (room: string) => `Is typing in ${room}.`,
  background: (duration: string) => `The app is in the background: a loss has a grace of ${duration}.`,
  tokenEnds: (duration: string) => `Its token ends in ${duration}.`,
  tokenEnded: 'Its token has ended.',
  protocol: (number: string) => `Protocol ${number}`,
  otherNodes: 'Other nodes',
  onNode: (node: string, devices: string) => `${node}: ${devices}`,
  nodeIsLost: (node: string, devices: string) => `${node}: ${devices}; this node does not answer any more.`,
  timeline: 'What happened',
  timelineNone: 'This server remembers no change of this user. It keeps the last ones only.',
  reasons,
  onDevice: (device: string) => `device ${device}`,
  thenOnline: (devices: string) => `seen online, on ${devices}`,
  thenOffline: 'seen offline',
  rooms: 'Groups and conversations',
  roomsNone: 'None is held here: either the user is in none, or nobody of it is connected.',
  group: (id: string) => `group ${id}`,
  conversation: (id: string) => `conversation ${id}`,
  byNumbers: 'numbers only',
  // A viewer
  viewerTitle: (viewer: string, user: string) => `What ${viewer} sees of ${user}`,
  seesSelf: 'They are the same user, who always sees their own presence.',
  sees: (viewer: string, user: string, rooms: string) =>
    `${viewer} may see ${user} by name. Both are in ${rooms}.`,
  seesWatching: (viewer: string, user: string) => `${viewer} watches ${user}, and shares a large room.`,
  seesOtherwise: (viewer: string, user: string) => `${viewer} may see ${user} by name.`,
  hidden: {
    no_shared_room: (viewer: string, user: string) =>
      `${viewer} does not see ${user}: no group or conversation has both.`,
    only_large_rooms: (viewer: string, user: string) =>
      `${viewer} does not see ${user} by name: they share only rooms that are too large for names.`,
    viewer_not_here: (viewer: string, user: string) =>
      `${viewer} has no session here, so nothing of ${user} is sent to them.`,
    other: (viewer: string, user: string) => `${viewer} does not see ${user}.`,
  },
  wouldSee: (rooms: string) => `Both are in ${rooms}.`,
  toldOnline: (devices: string) => `Told now: online, on ${devices}.`,
  toldOffline: 'Told now: offline.',
  viewerSessions: (count: number) =>
    phrases('en', count, { one: 'The viewer has # live session.', other: 'The viewer has # live sessions.' }),
  viewerPending: (count: number) =>
    phrases('en', count, {
      one: 'For # of them news of this user is still to be written.',
      other: 'For # of them news of this user is still to be written.',
    }),
  nothingPending: 'Nothing of this user is still to be written to them.',
  // Kick
  kickDevice: 'End this device’s sessions',
  kickAll: 'End all sessions',
  kickTitle: (user: string) => `End sessions of ${user}?`,
  kickAllSentence: (user: string) =>
    `All sessions of ${user} end at once. Their clients do not connect again by themselves.`,
  kickDeviceSentence: (user: string, device: string) =>
    `The sessions of ${user} on device ${device} end at once. Its client does not connect again by itself.`,
  kickConfirm: 'End the sessions',
  cancel: 'Cancel',
  kicked: (user: string) => `The sessions of ${user} are being ended.`,
}

/** What every language has. */
export type Texts = typeof en
