/**
 * Station 2 of 4 · what others see of a person.
 * In:   a person whose sessions changed (from sessions.ts), what another node contributes, or the loss of one
 * Out:  a transition, when what others see is no longer what it was
 * Next: announce.ts
 */
import type { Device } from '@vigie/protocol'
import { announce } from './announce.js'
import { putOff } from './grace.js'
import type { Input, Presence } from './inputs.js'
import { forgetOldest, releaseMemberships } from './memberships.js'
import {
  deviceIdOf,
  differs,
  isSameDevices,
  OFFLINE,
  ONE_DEVICE,
  type Person,
  type RemoteNode,
  type World,
} from './model.js'
import { countOnline } from './occupancy.js'
import { noteDevices } from './pending.js'
import { dropUnneeded, ensurePerson, isPlaced } from './people.js'
import { countChanged } from './snapshots.js'
import { noteTransition, settleTransitions } from './transitions.js'

/**
 * The user's devices are the union over the nodes of those with a session, live or lost, there. The count is
 * the size of that set and is never added to or taken from: a doubled or missing event cannot make it wrong.
 */
export function derivePresence(user: Person): Presence {
  const { sessions, remote } = user
  if (!remote && sessions.length < 2) return sessions.length === 0 ? OFFLINE : ONE_DEVICE
  const devices = new Set<string>()
  for (const session of sessions) devices.add(session.device)
  for (const contribution of remote?.values() ?? [])
    for (const device of contribution.devices) devices.add(device)
  return devices.size === 0 ? OFFLINE : { online: true, count: devices.size }
}

/** Derives the person's presence anew and, if others would see a difference, lets them know. */
export function settle(world: World, person: Person): void {
  settleDevices(world, person)
  const before = person.presence
  const after = derivePresence(person)
  if (differs(before, after)) {
    announce(world, person)
    person.presence = after
    person.presenceAt = world.position
    countChanged(person)
    world.effects.push({ type: 'presence', userId: person.id, before, after })
    if (before.online !== after.online) settleOnline(world, person)
  }
  settleTransitions(world, person)
  // Online by another node alone: their rows are that node's to read.
  if (person.sessions.length === 0 && person.presence.online) releaseMemberships(world, person)
  dropUnneeded(world, person)
}

function settleOnline(world: World, person: Person): void {
  countOnline(world, person)
  if (person.presence.online) {
    world.offline.delete(person)
    world.deadlines.delete(person)
    return
  }
  if (!isPlaced(person)) return
  world.offline.add(person)
  world.deadlines.set(person, world.now + world.settings.offlineMemoryMs)
  if (world.offline.size > world.settings.offlineMemoryMax) forgetOldest(world)
}

/**
 * The user's own sessions hear of each device that comes, goes or changes its label; not of a tab that closes or
 * a page that loads anew: a device is there since its first session, however many have taken over since.
 */
function settleDevices(world: World, user: Person): void {
  const devices: Device[] = []
  for (const session of user.sessions) {
    const deviceId = deviceIdOf(session)
    const place = devices.findIndex((device) => device.deviceId === deviceId)
    const known = devices[place] ?? user.devices.find((device) => device.deviceId === deviceId)
    const label = session.label ?? known?.label
    const device: Device = {
      deviceId,
      since: Math.min(session.since, known?.since ?? Infinity),
      ...(label !== undefined && { label }),
    }
    if (place < 0) devices.push(device)
    else devices[place] = device
  }
  devices.sort((a, b) => a.since - b.since || (a.deviceId < b.deviceId ? -1 : 1))
  if (isSameDevices(devices, user.devices)) return
  // A copy is of just the right length; what grew by `push` has room for a dozen more.
  user.devices = devices.slice()
  noteDevices(world, user)
}

type ContributionInput = Extract<Input, { type: 'contribution' }>

/** Another node's devices of a user replace what it said before. A new boot of a node outdates its earlier ones. */
export function contribute(world: World, input: ContributionInput): void {
  const node = ensureNode(world, input.node, input.epoch)
  if (node.isLost) {
    node.isLost = false
    world.deadlines.delete(node)
  }
  const known = world.people.get(input.userId)
  // Nobody to take anything from; a user who is nowhere need not be known.
  if (!known && input.devices.length === 0) return
  const user = known ?? ensurePerson(world, input.userId)
  const earlier = user.remote?.get(node)
  if (earlier && earlier.seq >= input.seq) return
  if (input.devices.length > 0) {
    user.remote ??= new Map()
    user.remote.set(node, { seq: input.seq, devices: new Set(input.devices) })
    node.users.add(user)
  } else {
    user.remote?.delete(node)
    node.users.delete(user)
  }
  settleRemote(world, user, 'other_node')
}

/** Nodes repeat what they say: only what others see is remembered. */
function settleRemote(world: World, user: Person, reason: 'other_node' | 'node_lost'): void {
  const before = user.presence
  settle(world, user)
  if (!differs(before, user.presence)) return
  noteTransition(world, user, reason)
  settleTransitions(world, user)
}

function ensureNode(world: World, name: string, epoch: string): RemoteNode {
  const epochs = world.nodes.get(name) ?? new Map<string, RemoteNode>()
  world.nodes.set(name, epochs)
  const known = epochs.get(epoch)
  if (known) return known
  for (const older of epochs.values()) loseNode(world, older.node, older.epoch)
  const node: RemoteNode = { is: 'node', node: name, epoch, users: new Set(), isLost: false, putOffMs: 0 }
  epochs.set(epoch, node)
  return node
}

/** What a dead node knew counts for the re-attach grace: its people are on their way to other nodes. */
export function loseNode(world: World, name: string, epoch: string): void {
  const node = world.nodes.get(name)?.get(epoch)
  if (!node || node.isLost) return
  node.putOffMs = 0
  node.isLost = true
  world.deadlines.set(node, world.now + world.settings.reattachGraceMs)
}

/** The re-attach grace of a lost node is over: people who have not come back elsewhere are gone. */
export function expireNode(world: World, node: RemoteNode): void {
  if (putOff(world, node)) return
  const epochs = world.nodes.get(node.node)
  epochs?.delete(node.epoch)
  if (epochs?.size === 0) world.nodes.delete(node.node)
  for (const user of node.users) {
    user.remote?.delete(node)
    settleRemote(world, user, 'node_lost')
  }
}
