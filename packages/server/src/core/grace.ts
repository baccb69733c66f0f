import type { RemoteNode, Session, World } from './model.js'

/**
 * The end of a grace has come. Those whom it is for may stand at the door: for as long as people are held back
 * there, it comes later, by at most `admissionWaitMs` in all. Whether it was put off.
 */
export function putOff(world: World, lost: Session | RemoteNode): boolean {
  const ms = Math.min(world.admissionDelayMs, world.settings.admissionWaitMs - lost.putOffMs)
  if (ms <= 0) return false
  lost.putOffMs += ms
  world.deadlines.set(lost, world.now + ms)
  return true
}
