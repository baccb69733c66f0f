import { phrases } from './phrases.js'

/** Every word of the page in English. {@link Texts} is made of it: another language has the same keys. */
export const en = {
  lang: 'en',
  appName: 'Vigie',
  // Signing in
  whoAreYou: 'Who are you?',
  chooseLead:
    'Choose somebody, then open this page in a second window as somebody else, and watch each other come, go and type. The other colleagues are simulated.',
  noAnswer: 'The server does not answer.',
  tryAgain: 'Try again',
  loading: 'Loading …',
  // Lists
  conversations: 'Conversations',
  groups: 'Groups',
  members: 'Members',
  showMembers: 'Show members',
  back: 'Back',
  you: 'you',
  youSaid: (text: string) => `You: ${text}`,
  said: (name: string, text: string) => `${name}: ${text}`,
  unread: (count: number) => phrases('en', count, { one: '# unread message', other: '# unread messages' }),
  noMessages: 'No messages yet',
  nothingSaid: 'Nothing has been said here yet.',
  chooseConversation: 'Choose a conversation.',
  // Presence
  online: 'online',
  offline: 'offline',
  unknown: 'unknown',
  lastKnownOnline: 'last known: online',
  lastKnownOffline: 'last known: offline',
  onlineCount: (online: string) => `${online} online`,
  onlineOf: (online: string, members: string) => `${online} of ${members} online`,
  lastKnown: (what: string) => `last known: ${what}`,
  onlineTitle: 'Online',
  offlineTitle: 'Offline',
  unknownTitle: 'Not known now',
  devices: (count: number) => phrases('en', count, { one: '# device', other: '# devices' }),
  crowd:
    'So many people are in here that nobody is told each name. The number is the server’s, and a little rounded.',
  // Typing
  typing: 'typing…',
  isTyping: (name: string) => `${name} is typing…`,
  areTyping: (names: string) => `${names} are typing…`,
  others: (count: number) => phrases('en', count, { one: '# other', other: '# others' }),
  // Composer
  message: 'Message',
  messageTo: (title: string) => `Message to ${title}`,
  send: 'Send',
  sending: 'sending',
  notSent: 'Not sent.',
  tooManyAtATime: 'Not sent: too many messages at a time.',
  newMessages: 'New messages',
  today: 'Today',
  yesterday: 'Yesterday',
  // Account
  myAccount: 'My account and devices',
  myDevices: 'My devices',
  thisDevice: 'this device',
  since: (time: string) => `since ${time}`,
  unnamedDevice: 'A device without a name',
  signOut: 'Sign out on this device',
  // Connection
  connecting: 'Connecting …',
  reconnecting: 'Connection lost. Reconnecting …',
  nextTry: (duration: string) => `Next try in ${duration}.`,
  noNetwork: 'This device is offline. It will reconnect by itself.',
  slow: 'The connection is slow. Still trying …',
  busy: 'The server is busy. You will be let in as soon as there is room.',
  lastKnownNote: 'What you see is what was last known.',
  tryNow: 'Try now',
  signInAgain: 'Sign in again',
  closed: {
    logged_out: 'You signed out in another tab.',
    kicked: 'Your session was ended by the server.',
    token_expired: 'Your session has expired.',
    too_many_sessions: 'You are signed in too many times. Close another tab first.',
    other: (reason: string) => `The connection was ended for good (${reason}).`,
  },
}

/** What every language has. */
export type Texts = typeof en
