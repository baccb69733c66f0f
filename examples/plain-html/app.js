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
  // What was known before may have changed unheard, so it is forgotten.
  socket.on('connect', () => {
    clearPicture()
    setBanner('online')
    draw()
  })

  // `socket.active`: Socket.IO tries again by itself. Else the server ended it for good.
  socket.on('disconnect', () => {
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

  // Level 1 and 2, people: once per person and change, however many groups are shared.
  socket.on('presence:update', ({ userId, online, count }) => {
    picture.people.set(userId, { online, count })
    draw()
  })

  // Level 3: the same person, seen in one conversation. `count` is devices; `online` is `count > 0`.
  socket.on('presence:conversation', ({ userId, online, count, conversationId }) => {
    inner(picture.conversations, conversationId, () => new Map()).set(userId, { online, count })
    draw()
  })

  // Repetitions are not passed on: a start is heard once, then the stop, whatever ended it.
  socket.on('typing:start', ({ convId, userId }) => {
    inner(picture.typing, convId, () => new Set()).add(userId)
    draw()
  })
  socket.on('typing:stop', ({ convId, userId }) => {
    picture.typing.get(convId)?.delete(userId)
    draw()
  })

  // Large rooms: how many of how many, at most once a second, instead of names.
  socket.on('presence:occupancy', ({ groupId, conversationId, members, online }) => {
    const key = groupId === undefined ? `c:${conversationId}` : `g:${groupId}`
    picture.occupancy.set(key, { members, online })
    draw()
  })

  // My own devices, told to myself only.
  socket.on('presence:devices', ({ devices }) => {
    picture.devices = devices
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

/** A name for my own list of devices; others never see it. */
function deviceLabel() {
  const system = /Android|iPhone|iPad|Mac OS X|Windows|Linux/.exec(navigator.userAgent)?.[0] ?? 'Browser'
  return system === 'Mac OS X' ? 'Mac' : system
}

/* ---------------------------------------------------------------- the page */

const byId = (id) => document.getElementById(id)
const banner = byId('banner')
const SESSION_KEY = 'vigie-user' // per tab, so that two windows can be two people

let session // { socket, world, rooms, names }
let open // the room that is shown, with the typist of its composer

await start()

async function start() {
  const userId = sessionStorage.getItem(SESSION_KEY)
  if (userId) await signIn(userId)
  if (!session) await choose()
}

async function choose() {
  show('choose')
  try {
    const users = await getJson('demo/users')
    byId('people').replaceChildren(
      ...users.map(({ userId, name }) => {
        const button = element('button', { type: 'button', 'data-testid': 'person', 'data-user': userId }, [
          avatar(name),
          element('span', {}, [name]),
        ])
        button.addEventListener('click', () => signIn(userId))
        return element('li', {}, [button])
      }),
    )
  } catch {
    chooseProblem('The server does not answer. Reload the page once it runs.')
  }
}

async function signIn(userId) {
  const login = async () => (await getJson('demo/login', { body: { userId } })).token
  try {
    const world = await getJson('demo/world', { token: await login() })
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
  document.addEventListener('click', closeDevices)
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') byId('account').firstElementChild.open = false
  })
  show('list')
  draw()
}

function closeDevices({ target }) {
  const details = byId('account').firstElementChild
  if (!details.contains(target)) details.open = false
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
    typists: () => [...(picture.typing.get(conversationId) ?? [])],
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
  room.button.addEventListener('click', () => openRoom(room))
  return room
}

function openRoom(room) {
  open?.typist.stop()
  open = { room, typist: typist(session.socket, room.id), rows: new Map() }
  byId('panel-empty').hidden = true
  byId('panel-open').hidden = false
  byId('panel').dataset.id = room.id
  byId('panel-title').textContent = room.title
  byId('composer').value = ''
  byId('composer-form').hidden = byId('composer-note').hidden = byId('typing').hidden = room.kind === 'group'
  byId('members').replaceChildren()
  show('room')
  drawNow()
  byId('panel').focus({ preventScroll: true })
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
    drawNow()
  })
}

function drawNow() {
  if (!session) return
  for (const room of session.rooms) drawEntry(room)
  if (open) drawPanel(open)
  drawDevices()
}

function drawEntry(room) {
  const occupancy = occupancyOf(room)
  const others = room.members.filter(({ userId }) => userId !== session.world.me.userId)
  const typists = room.typists()
  setData(room.button, { online: occupancy?.online, typing: typists.length })
  if (room.dot) {
    const { online } = room.presenceOf(others[0]?.userId)
    room.dot.dataset.online = String(online)
    setText(room.countText, online ? 'online' : 'offline')
  } else {
    setText(room.countText, occupancy ? `${occupancy.online} of ${occupancy.members} online` : '')
  }
  setText(room.typingText, typists.length > 1 ? `${typists.length} are typing …` : typingSentence(typists))
  room.button.setAttribute('aria-current', String(open?.room === room))
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
  const isCrowd = picture.occupancy.has(room.key) || room.members.length === 0
  byId('members').hidden = isCrowd
  byId('crowd').hidden = !isCrowd
  const sentence = occupancy ? `${occupancy.online} of ${occupancy.members} online` : `${room.size} members`
  setText(byId('panel-summary'), isCrowd ? `${room.size} members` : sentence)
  setText(byId('occupancy'), sentence)
  setData(byId('occupancy'), { online: occupancy?.online, members: occupancy?.members })
  setText(byId('typing'), typingSentence(room.typists()))
  if (!isCrowd) drawMembers(room, rows)
}

/** Online first, then by name. Rows are kept and moved, so that a screen reader does not start over. */
function drawMembers(room, rows) {
  const sorted = room.members
    .map((member) => ({ ...member, ...room.presenceOf(member.userId) }))
    .sort((a, b) => Number(b.online) - Number(a.online) || a.name.localeCompare(b.name))
  const list = byId('members')
  sorted.forEach((member, index) => {
    if (!rows.has(member.userId)) rows.set(member.userId, memberRow(member))
    const row = rows.get(member.userId)
    setData(row.item, { online: member.online, count: member.count })
    setText(row.state, memberState(member))
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

function memberState({ online, count }) {
  if (!online) return 'offline'
  return count === 1 ? 'online' : `online on ${count} devices`
}

function drawDevices() {
  const { devices } = picture
  setText(byId('device-count'), devices.length === 1 ? '1 device' : `${devices.length} devices`)
  byId('devices').replaceChildren(
    ...devices.map(({ deviceId: id, label, since }) =>
      element('li', { 'data-testid': 'device', 'data-device': id }, [
        element('span', {}, [id === deviceId() ? `${label ?? 'Device'} (this one)` : (label ?? 'Device')]),
        element('span', { class: 'quiet' }, [`since ${new Date(since).toTimeString().slice(0, 5)}`]),
      ]),
    ),
  )
}

function typingSentence(userIds) {
  const names = userIds.map((userId) => session.names.get(userId) ?? 'Somebody')
  if (names.length === 0) return ''
  if (names.length === 1) return `${names[0]} is typing …`
  if (names.length === 2) return `${names[0]} and ${names[1]} are typing …`
  const more = names.length - 2
  return `${names[0]}, ${names[1]} and ${more} ${more === 1 ? 'other' : 'others'} are typing …`
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
