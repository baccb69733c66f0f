/**
 * A complete client of protocol 1 with the stock Socket.IO client. Three parts: `connect` is the protocol, and what
 * you copy into your own app; `picture` is what was heard; everything below only draws it.
 */

/* ---------------------------------------------------------------- what was heard */

/**
 * Maps, never plain objects: ids come from outside, and one may be called `__proto__`.
 * Each has three levels of truth: the person (shared groups), the person in one conversation, and who types there.
 */
const picture = {
  /** userId → { online, count } */
  people: new Map(),
  /** conversationId → (userId → { online, count }) */
  conversations: new Map(),
  /** conversationId → set of userIds */
  typing: new Map(),
  /** `g:` or `c:` and the id → { members, online } */
  occupancy: new Map(),
  devices: [],
  /** Whether all this is so now. Else it is what was last known, and nobody is surely online. */
  isCurrent: false,
}

function clearPicture() {
  picture.people.clear()
  picture.conversations.clear()
  picture.typing.clear()
  picture.occupancy.clear()
  picture.devices = []
}

function inner(map, key, create) {
  if (!map.has(key)) map.set(key, create())
  return map.get(key)
}

/* ---------------------------------------------------------------- the protocol */

/** A client that types repeats `typing:start` this often; the server forgets a typist after 8 s of silence. */
const TYPING_REPEAT_MS = 3000
/** A person who pauses this long has stopped. */
const TYPING_PAUSE_MS = 4000

/** Random, in memory only: a reload is a new client, a reconnection of this very page is not. */
const clientId = crypto.randomUUID?.() ?? String(Math.random()).slice(2)

/** The same for all pages of this browser, so that two tabs count as one device. */
function deviceId() {
  const stored = localStorage.getItem('vigie-device')
  if (stored) return stored
  const made = `browser-${clientId}`
  localStorage.setItem('vigie-device', made)
  return made
}

/** Signs in and stays connected. `login` gets a fresh token; it is called again when the old one has ended. */
function connect(login) {
  let token
  const socket = io({
    // A function, not an object: it is asked at each attempt, so a reconnection carries the newest token.
    auth: async (give) => {
      try {
        token ??= await login()
      } catch {
        // Without a token the server refuses, and `connect_error` below says so on the page.
      }
      give({ token, deviceId: deviceId(), clientId, label: deviceLabel() })
    },
  })

  // The first picture follows each `connect`, and it is complete: who is online, who went offline lately, who types.
  // What was known before may have changed unheard, so it is forgotten. Whoever is not named then is offline.
  socket.on('connect', () => {
    clearPicture()
    setBanner('online')
    draw()
  })

  // `socket.active`: Socket.IO tries again by itself. Else the server ended it for good. Either way nothing is
  // heard any more: what was known stays on the page, but as what was last known.
  socket.on('disconnect', () => {
    picture.isCurrent = false
    if (socket.active) setBanner('lost', 'Connection lost. Trying again …')
    else if (banner.dataset.state !== 'refused') setBanner('refused', 'Signed out.')
    draw()
  })

  // A refusal carries a code from the table in docs/errors.md. A lost network carries none.
  let renewed = false
  socket.on('connect_error', (error) => {
    const { code, message } = error.data ?? {}
    if ((code === 'token_expired' || code === 'token_invalid') && !renewed) {
      renewed = true // once: a second refusal is not about age
      token = undefined
      socket.connect()
      return
    }
    if (socket.active) setBanner('lost', 'No connection. Trying again …')
    else setBanner('refused', message ?? 'The server refused the connection.')
  })
  socket.on('connect', () => {
    renewed = false
  })

  // People of my groups, and myself: once per person and change, however many groups are shared. `count` is their
  // devices, and `online` is `count > 0`. Both are the latest state: it replaces what was known.
  socket.on('presence:update', ({ userId, online, count }) => {
    picture.people.set(userId, { online, count })
    draw()
  })

  // The same person, seen in one conversation: once for each that is shared, whether or not a group is. When a row
  // takes somebody out of sight, the last thing heard of them is `online: false`, here and above.
  socket.on('presence:conversation', ({ userId, online, count, conversationId }) => {
    inner(picture.conversations, conversationId, () => new Map()).set(userId, { online, count })
    draw()
  })

  // A state, like presence: one start, then one stop, whatever ended it. Repetitions are not passed on, so there is
  // no timer here. My own typing is not told to me.
  socket.on('typing:start', ({ convId, userId }) => {
    inner(picture.typing, convId, () => new Set()).add(userId)
    draw()
  })
  socket.on('typing:stop', ({ convId, userId }) => {
    picture.typing.get(convId)?.delete(userId)
    draw()
  })

  // Large rooms: how many of how many, at most once a second, instead of names. No members at all is the
  // retraction: names come instead, or I am not in it any more.
  socket.on('presence:occupancy', ({ groupId, conversationId, members, online }) => {
    const key = groupId === undefined ? `c:${conversationId}` : `g:${groupId}`
    if (members === 0) picture.occupancy.delete(key)
    else picture.occupancy.set(key, { members, online })
    draw()
  })

  // My own devices, told to myself only. The first picture ends with them.
  socket.on('presence:devices', ({ devices }) => {
    picture.devices = devices
    picture.isCurrent = true
    draw()
  })

  // The last word before the server ends this session for good. `disconnect` follows.
  socket.on('presence:closed', ({ message }) => setBanner('refused', message))

  return socket
}

/**
 * Says that I type: at the first key, then every 3 s while keys are pressed, and a stop as soon as it is over.
 * `volatile`: what could not be sent at once would be a lie later.
 */
function typist(socket, convId) {
  let sentAt = -Infinity
  let pause
  function stop() {
    clearTimeout(pause)
    if (sentAt === -Infinity) return
    sentAt = -Infinity
    socket.volatile.emit('typing:stop', { convId })
  }
  return {
    stop,
    keyPressed() {
      clearTimeout(pause)
      pause = setTimeout(stop, TYPING_PAUSE_MS)
      if (performance.now() - sentAt < TYPING_REPEAT_MS) return
      sentAt = performance.now()
      // The acknowledgement is optional: { ok: true }, or { ok: false, error: { code, message } }.
      socket.volatile.emit('typing:start', { convId }, (answer) => {
        if (!answer.ok) byId('composer-note').textContent = answer.error.message
      })
    },
  }
}

/** Logging out is a leave of the whole device: the others see it at once, other tabs of this browser included. */
function signOut(socket) {
  socket.emit('presence:leave', { scope: 'device' })
  socket.disconnect()
}

/** In this order: each of them also says that it is those below it. */
const BROWSERS = [
  ['Edge', /Edg(e|A|iOS)?\//],
  ['Opera', /OPR\//],
  ['Samsung Internet', /SamsungBrowser\//],
  ['Firefox', /Firefox\/|FxiOS\//],
  ['Chrome', /Chrome\/|CriOS\//],
  ['Safari', /Safari\//],
]
const SYSTEMS = [
  ['Android', /Android/],
  ['iPhone', /iPhone/],
  ['iPad', /iPad/],
  ['ChromeOS', /CrOS/],
  ['Windows', /Windows/],
  ['Mac', /Mac OS X/],
  ['Linux', /Linux/],
]

/** "Firefox on Android": a name for my own list of devices, at most 64 characters; others never see it. */
function deviceLabel() {
  const named = (table) => table.find(([, pattern]) => pattern.test(navigator.userAgent))?.[0]
  const [browser = 'Browser', system] = [named(BROWSERS), named(SYSTEMS)]
  return system === undefined ? browser : `${browser} on ${system}`
}

/* ---------------------------------------------------------------- the page */

const byId = (id) => document.getElementById(id)
const banner = byId('banner')
const SESSION_KEY = 'vigie-user' // per tab, so that two windows can be two people
const wideScreen = matchMedia('(min-width: 720px)') // as in style.css: the list and a room side by side

let session // { socket, world, rooms, names }
let open // the room that is shown, with the typist of its composer
let hasOpened = false // whether one was shown yet

async function start() {
  const userId = sessionStorage.getItem(SESSION_KEY)
  if (userId) await signIn(userId)
  if (!session) await choose()
}

async function choose() {
  show('choose')
  try {
    const users = await getJson('../demo/users')
    byId('people').replaceChildren(
      ...users.map(({ userId, name }) => {
        const button = element('button', { type: 'button', 'data-testid': 'person', 'data-user': userId }, [
          avatar(name),
          element('span', {}, [name]),
        ])
        button.addEventListener('click', async () => {
          await signIn(userId)
          // The button is gone: whoever used the keyboard goes on in the list.
          byId('rooms').focus({ preventScroll: true })
        })
        return element('li', {}, [button])
      }),
    )
  } catch {
    chooseProblem('The server does not answer. Reload the page once it runs.')
  }
}

async function signIn(userId) {
  const login = async () => (await getJson('../demo/login', { body: { userId } })).token
  try {
    const world = await getJson('../demo/world', { token: await login() })
    sessionStorage.setItem(SESSION_KEY, userId)
    enter(world, login)
  } catch (error) {
    sessionStorage.removeItem(SESSION_KEY)
    chooseProblem(`Signing in did not work: ${error.message}`)
  }
}

function enter(world, login) {
  setBanner('connecting', 'Connecting …')
  const socket = connect(login)
  const rooms = [...world.conversations.map(conversationRoom), ...world.groups.map(groupRoom)]
  session = { socket, world, rooms, names: namesIn(world) }
  for (const room of rooms) byId(room.list).append(element('li', {}, [room.button]))
  byId('me').textContent = world.me.name
  byId('me').dataset.user = world.me.userId
  byId('account').hidden = false
  byId('account').addEventListener('click', () => showDevices(byId('devices').hidden))
  byId('sign-out').addEventListener('click', () => {
    signOut(socket)
    sessionStorage.removeItem(SESSION_KEY)
    location.reload()
  })
  byId('back').addEventListener('click', closeRoom)
  byId('composer').addEventListener('input', ({ target }) => {
    if (target.value === '') open?.typist.stop()
    else open?.typist.keyPressed()
  })
  byId('composer').addEventListener('blur', () => open?.typist.stop())
  byId('composer-form').addEventListener('submit', (event) => {
    event.preventDefault()
    byId('composer').value = ''
    open?.typist.stop()
  })
  document.addEventListener('click', ({ target }) => {
    if (!byId('account').contains(target) && !byId('devices').contains(target)) showDevices(false)
  })
  document.addEventListener('keydown', ({ key }) => {
    if (key !== 'Escape' || byId('devices').hidden) return
    showDevices(false)
    byId('account').focus()
  })
  show('list')
  draw()
}

function showDevices(isShown) {
  byId('devices').hidden = !isShown
  byId('account').setAttribute('aria-expanded', String(isShown))
}

function conversationRoom({ conversationId, title, kind, members, size }) {
  const room = {
    kind,
    id: conversationId,
    key: `c:${conversationId}`,
    title,
    members,
    size,
    list: kind === 'direct' ? 'directs' : 'conversations',
    presenceOf: (userId) => picture.conversations.get(conversationId)?.get(userId) ?? ABSENT,
    // Typing is over in seconds: what was last known of it is worth nothing.
    typists: () => (picture.isCurrent ? [...(picture.typing.get(conversationId) ?? [])] : []),
  }
  return withButton(room, 'conversation')
}

function groupRoom({ groupId, title, members, size }) {
  const room = {
    kind: 'group',
    id: groupId,
    key: `g:${groupId}`,
    title,
    members,
    size,
    list: 'groups',
    presenceOf: (userId) => picture.people.get(userId) ?? ABSENT,
    typists: () => [],
  }
  return withButton(room, 'group')
}

const TYPING = 'typing\u00a0…' // the dots stay with their word

/** Not named in the picture is offline: the first picture names all who are online. */
const ABSENT = { online: false, count: 0 }

function withButton(room, testId) {
  room.dot = room.kind === 'direct' ? element('span', { class: 'dot', 'aria-hidden': 'true' }) : undefined
  room.countText = element('span', { class: 'room-count' })
  room.typingText = element('span', { class: 'room-typing' })
  room.button = element(
    'button',
    { type: 'button', class: 'room', 'data-testid': testId, 'data-id': room.id },
    [
      element('span', { class: 'room-title' }, [...(room.dot ? [room.dot] : []), room.title]),
      room.countText,
      room.typingText,
    ],
  )
  room.button.addEventListener('click', () => {
    openRoom(room)
    byId('panel').focus({ preventScroll: true })
  })
  return room
}

/** Beside the list there is room for one: that in which most is going on, so that there is life to look at. */
function openLiveliest() {
  if (hasOpened || !picture.isCurrent || !wideScreen.matches) return
  const online = (room) => occupancyOf(room)?.online ?? 0
  const rooms = session.rooms.filter((room) => room.kind !== 'group' && !isCrowd(room))
  const [liveliest] = rooms.sort((a, b) => online(b) - online(a))
  if (liveliest) openRoom(liveliest)
}

function openRoom(room) {
  hasOpened = true
  open?.typist.stop()
  open = { room, typist: typist(session.socket, room.id), rows: new Map() }
  byId('panel-empty').hidden = true
  byId('panel-open').hidden = false
  byId('panel').dataset.id = room.id
  byId('panel-title').textContent = room.title
  byId('composer').value = ''
  byId('composer-form').hidden = byId('composer-note').hidden = byId('typing').hidden = room.kind === 'group'
  byId('members').replaceChildren()
  byId('members').scrollTop = 0
  show('room')
  drawNow()
}

function closeRoom() {
  const { room } = open
  open.typist.stop()
  open = undefined
  byId('panel-empty').hidden = false
  byId('panel-open').hidden = true
  delete byId('panel').dataset.id
  show('list')
  drawNow()
  room.button.focus()
}

/* ---------------------------------------------------------------- drawing */

let isDrawPending = false

/** A first picture is hundreds of events: they are drawn together. */
function draw() {
  if (isDrawPending) return
  isDrawPending = true
  setTimeout(() => {
    isDrawPending = false
    openLiveliest()
    drawNow()
  })
}

function drawNow() {
  if (!session) return
  for (const room of session.rooms) drawEntry(room)
  if (open) drawPanel(open)
  drawDevices()
}

/** What the page may claim: without a connection nobody is surely online, and nobody surely offline. */
function claim(online) {
  return picture.isCurrent ? online : 'unknown'
}

function drawEntry(room) {
  const occupancy = occupancyOf(room)
  const others = room.members.filter(({ userId }) => userId !== session.world.me.userId)
  const typists = room.typists()
  setData(room.button, { online: claim(occupancy?.online), typing: typists.length })
  if (room.dot) {
    const { online } = room.presenceOf(others[0]?.userId)
    setData(room.dot, { online: claim(online) })
    setText(room.countText, presenceText({ online }))
  } else {
    setText(room.countText, crowdText(occupancy) ?? '')
  }
  setText(room.typingText, shortTypingSentence(room, typists))
  room.button.setAttribute('aria-current', String(open?.room === room))
}

/** In count mode the number is told, and nobody is named. */
function isCrowd(room) {
  return picture.occupancy.has(room.key) || room.members.length === 0
}

/** In names mode it is counted from the names, in count mode it is told. */
function occupancyOf(room) {
  const told = picture.occupancy.get(room.key)
  if (told) return told
  if (room.members.length === 0) return undefined
  const online = room.members.filter(({ userId }) => room.presenceOf(userId).online).length
  return { members: room.size, online }
}

function drawPanel({ room, rows }) {
  const occupancy = occupancyOf(room)
  const size = `${room.size} members`
  byId('members').hidden = isCrowd(room)
  byId('crowd').hidden = !isCrowd(room)
  setText(byId('panel-summary'), isCrowd(room) ? size : (crowdText(occupancy) ?? size))
  setText(byId('occupancy'), crowdText(occupancy) ?? size)
  setData(byId('occupancy'), { online: claim(occupancy?.online), members: occupancy?.members })
  setText(byId('typing'), typingSentence(room.typists()))
  if (!isCrowd(room)) drawMembers(room, rows)
}

/** Online first, then by name. Rows are kept and moved, so that a screen reader does not start over. */
function drawMembers(room, rows) {
  const sorted = room.members
    .map((member) => ({ ...member, ...room.presenceOf(member.userId) }))
    .sort((a, b) => Number(b.online) - Number(a.online) || a.name.localeCompare(b.name))
  const list = byId('members')
  list.setAttribute('aria-label', picture.isCurrent ? 'Members' : 'Members; who is online is unknown')
  sorted.forEach((member, index) => {
    if (!rows.has(member.userId)) rows.set(member.userId, memberRow(member))
    const row = rows.get(member.userId)
    setData(row.item, { online: claim(member.online), count: picture.isCurrent ? member.count : undefined })
    setText(row.state, presenceText(member))
    if (list.children[index] !== row.item) list.insertBefore(row.item, list.children[index] ?? null)
  })
}

function memberRow({ userId, name }) {
  const isMe = userId === session.world.me.userId
  const state = element('span', { class: 'state' })
  const item = element('li', { class: 'member', 'data-testid': 'member', 'data-user': userId }, [
    avatar(name),
    element('span', { class: 'who' }, [
      element('span', { class: 'name' }, [isMe ? `${name} (you)` : name]),
      state,
    ]),
    element('span', { class: 'dot', 'aria-hidden': 'true' }),
  ])
  return { item, state }
}

function presenceText({ online, count = 1 }) {
  if (!picture.isCurrent) return 'unknown'
  if (!online) return 'offline'
  return count === 1 ? 'online' : `online on ${count} devices`
}

/** "2 of 44 online"; after the connection is lost, "last known: 2 of 44". */
function crowdText(occupancy) {
  // A picture has myself in it: without anybody there was none yet.
  if (occupancy === undefined || picture.people.size === 0) return undefined
  const { online, members } = occupancy
  return picture.isCurrent ? `${online} of ${members} online` : `last known: ${online} of ${members}`
}

function drawDevices() {
  const { devices, isCurrent } = picture
  const count = devices.length === 1 ? '1 device' : `${devices.length} devices`
  setText(byId('device-count'), isCurrent ? count : '')
  setText(byId('devices-title'), isCurrent ? 'My devices' : 'My devices, as last known')
  byId('device-list').replaceChildren(
    ...devices.map(({ deviceId: id, label, since }) =>
      element('li', { 'data-testid': 'device', 'data-device': id }, [
        element('span', { class: 'name' }, [label ?? 'Device']),
        element('span', { class: 'state' }, [
          `${id === deviceId() ? 'this device, ' : ''}since ${new Date(since).toTimeString().slice(0, 5)}`,
        ]),
      ]),
    ),
  )
}

/** For the list, where there is little room, and a direct conversation has the typist's name already. */
function shortTypingSentence({ kind }, userIds) {
  if (userIds.length === 0) return ''
  if (kind === 'direct') return TYPING
  if (userIds.length > 1) return `${userIds.length} are ${TYPING}`
  return `${nameOf(userIds[0]).split(' ')[0]} is ${TYPING}`
}

function typingSentence(userIds) {
  const names = userIds.map(nameOf)
  if (names.length === 0) return ''
  if (names.length === 1) return `${names[0]} is ${TYPING}`
  if (names.length === 2) return `${names[0]} and ${names[1]} are ${TYPING}`
  const more = names.length - 2
  return `${names[0]}, ${names[1]} and ${more} ${more === 1 ? 'other' : 'others'} are ${TYPING}`
}

/** In a room in count mode, somebody may type whose name this page was never told. */
function nameOf(userId) {
  return session.names.get(userId) ?? 'Somebody'
}

function setBanner(state, text = '') {
  banner.dataset.state = state
  banner.hidden = state === 'online'
  setText(banner, text)
}

function show(view) {
  document.body.dataset.view = view
  byId('choose').hidden = view !== 'choose'
  byId('office').hidden = view === 'choose'
}

function chooseProblem(text) {
  byId('choose-problem').textContent = text
  byId('choose-problem').hidden = false
}

function namesIn({ me, groups, conversations }) {
  const names = new Map([[me.userId, me.name]])
  for (const { members } of [...groups, ...conversations]) {
    for (const { userId, name } of members) names.set(userId, name)
  }
  return names
}

/** Names come from people: they only ever become text, never markup. */
function element(tag, attributes = {}, children = []) {
  const made = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value)
  made.append(...children)
  return made
}

function avatar(name) {
  const words = name.split(' ')
  const initials = `${[...words[0]][0]}${words.length > 1 ? [...words.at(-1)][0] : ''}`
  const tone = [...name].reduce((sum, letter) => sum + letter.codePointAt(0), 0) % 6
  return element('span', { class: 'avatar', 'data-tone': tone, 'aria-hidden': 'true' }, [initials])
}

/** Only what differs is written: a live region would read out the same sentence again. */
function setText(target, text) {
  if (target.textContent !== text) target.textContent = text
}

function setData(target, values) {
  for (const [name, value] of Object.entries(values)) {
    if (value === undefined) delete target.dataset[name]
    else if (target.dataset[name] !== String(value)) target.dataset[name] = String(value)
  }
}

async function getJson(path, { body, token } = {}) {
  const response = await fetch(path, {
    ...(body && { method: 'POST', body: JSON.stringify(body) }),
    headers: {
      ...(body && { 'Content-Type': 'application/json' }),
      ...(token && { Authorization: `Bearer ${token}` }),
    },
  })
  const answer = await response.json()
  if (!response.ok) throw new Error(answer.error?.message ?? `status ${response.status}`)
  return answer
}

// Last: what stands above must be there before anything is drawn.
await start()
