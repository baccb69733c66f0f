/**
 * When a session is written: at once if it has had nothing for a window, else in a slot of its own. Slots are coarse:
 * sessions that are due within one are written together.
 */
import { DUE, isUnderPressure, NOT_DUE, type Session, type Slot, type World } from './model.js'

const SLOT_MS = 5

/**
 * The session has something pending. A session that waits already comes sooner, if need be, and is then passed over in
 * its earlier slot.
 * @param notBefore What is pending is no reason to write sooner; something else that is pending may be.
 */
export function schedule(world: World, session: Session, notBefore = 0): void {
  const { dueAt } = session
  if (dueAt === DUE) return
  // It may have been written when windows were longer than they are now.
  const soonest = Math.max(notBefore, Math.min(session.nextAt, world.now + world.windowMs))
  const at = soonest <= world.now ? DUE : slotTime(soonest)
  if (dueAt !== NOT_DUE && dueAt <= at) return
  if (at === DUE) handOut(world, session)
  else waitIn(slotAt(world, at), session)
}

/**
 * The session was written, or had nothing left to be told. One that had nothing to be told for a window may be written
 * again soon: what comes alone need not wait for company. One that is written in its slot has the whole window, because
 * what comes in numbers is written together; so has one that got its first snapshot: others may be coming with it.
 */
export function wasTaken(
  world: World,
  session: Session,
  { wasWritten, isFirst }: { readonly wasWritten: boolean; readonly isFirst: boolean },
): void {
  session.dueAt = NOT_DUE
  if (!wasWritten) return
  const { now, windowMs, settings } = world
  const wasIdle = !isFirst && now - session.nextAt >= windowMs && !isUnderPressure(world)
  session.nextAt = now + (wasIdle ? Math.min(settings.idleWindowMs, windowMs) : windowMs)
}

function handOut(world: World, session: Session): void {
  session.dueAt = DUE
  world.due.push(session)
}

function waitIn(slot: Slot, session: Session): void {
  session.dueAt = slot.at
  slot.sessions.push(session)
}

function slotTime(time: number): number {
  return Math.ceil(time / SLOT_MS) * SLOT_MS
}

function slotAt(world: World, at: number): Slot {
  let slot = world.slots.get(at)
  if (!slot) {
    slot = { is: 'slot', at, sessions: [] }
    world.slots.set(at, slot)
    world.deadlines.set(slot, at)
  }
  return slot
}

/**
 * From now on sessions are written at most once in `ms`, but not more often than `windowMs`. If that is shorter than
 * before, waiting sessions move to sooner slots, in proportion: writing all of them at once would be a pause for everybody.
 */
export function setWindow(world: World, ms: number): void {
  const { now, slots, deadlines, settings, windowMs: before } = world
  world.windowMs = Math.max(ms, settings.windowMs)
  if (world.windowMs >= before) return
  const waiting = [...slots.values()]
  slots.clear()
  for (const slot of waiting) {
    deadlines.delete(slot)
    const sooner = slotAt(world, slotTime(now + ((slot.at - now) * world.windowMs) / before))
    for (const session of slot.sessions) if (session.dueAt === slot.at) waitIn(sooner, session)
  }
}

/** A slot has come. */
export function openSlot(world: World, at: number): void {
  const slot = world.slots.get(at)
  world.slots.delete(at)
  for (const session of slot?.sessions ?? []) {
    if (session.state === 'live' && session.dueAt === at) handOut(world, session)
  }
}
