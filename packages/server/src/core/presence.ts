/**
 * Station 2 of 4 · what others see of a user.
 * In:   a user whose sessions changed (from sessions.ts), what another node contributes, or the loss of one
 * Out:  a transition, when what others see is no longer what it was
 * Next: audience.ts
 */
import type { Device } from '@vigie/protocol'
import { announce } from './audience.js'
import { countChanged } from './diffs.js'
import type { Input, Presence } from './inputs.js'
import { putOff } from './grace.js'
import { forgetOldest } from './memberships.js'
import {
  deviceIdOf,
  ensureUser,
  isSameDevices,
  OFFLINE,
  ONE_DEVICE,
  type RemoteNode,
  type User,
  type World,
} from './model.js'
import { oweDevices } from './outbox.js'
import { touchCrowd } from './typing.js'

/**
 * The user's devices are the union over the nodes of those with a session, live or lost, there. The count is
 * the size of that set and is never added to or taken from: a doubled or missing event cannot make it wrong.
 */
export function derivePresence(user: User): Presence {
  const { sessions, remote } = user
  if (!remote && sessions.length < 2) return sessions.length === 0 ? OFFLINE : ONE_DEVICE
  const devices = new Set<string>()
  for (const session of sessions) devices.add(session.device)
  for (const contribution of remote?.values() ?? [])
    for (const device of contribution.devices) devices.add(device)
  return devices.size === 0 ? OFFLINE : { online: true, count: devices.size }
}

/** Derives the user's presence anew and, if others would see a difference, lets them know. */
export function settle(world: World, user: User): void {
  settleDevices(world, user)
  const before = user.presence
  const after = derivePresence(user)
  if (isSamePresence(before, after)) return
  announce(world, user)
  user.presence = after
  user.count = undefined
  user.presenceAt = world.position
  world.wire.presence.delete(user)
  countChanged(user)
  world.effects.push({ type: 'presence', userId: user.id, before, after })
  if (before.online !== after.online) settleOnline(world, user)
}

export function isSamePresence(a: Presence, b: Presence): boolean {
  return a.online === b.online && a.count === b.count
}

function settleOnline(world: World, user: User): void {
  const { online } = user.presence
  for (const { crowd } of user.rooms) {
    if (!crowd) continue
    crowd.online += online ? 1 : -1
    touchCrowd(world, crowd)
  }
  if (online) {
    world.offline.delete(user)
    world.deadlines.delete(user)
    return
  }
  world.offline.add(user)
  world.deadlines.set(user, world.now + world.settings.offlineMemoryMs)
  if (world.offline.size > world.settings.offlineMemoryMax) forgetOldest(world)
}

/**
 * The user's own sessions hear of each device that comes, goes or changes its label; not of a tab that closes or
 * a page that loads anew: a device is there since its first session, however many have taken over since.
 */
function settleDevices(world: World, user: User): void {
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
  oweDevices(world, user)
}

type ContributionInput = Extract<Input, { type: 'contribution' }>

/** Another node's devices of a user replace what it said before. A new boot of a node outdates its earlier ones. */
export function contribute(world: World, input: ContributionInput): void {
  const node = ensureNode(world, input.node, input.epoch)
  if (node.isLost) {
    node.isLost = false
    world.deadlines.delete(node)
  }
  const known = world.users.get(input.userId)
  // Nobody to take anything from; a user who is nowhere need not be known.
  if (!known && input.devices.length === 0) return
  const user = known ?? ensureUser(world, input.userId)
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
  settle(world, user)
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

/** The re-attach grace of a lost node is over: whoever has not come back is gone. */
export function expireNode(world: World, node: RemoteNode): void {
  if (putOff(world, node)) return
  const epochs = world.nodes.get(node.node)
  epochs?.delete(node.epoch)
  if (epochs?.size === 0) world.nodes.delete(node.node)
  for (const user of node.users) {
    user.remote?.delete(node)
    settle(world, user)
  }
}
