export {
  membershipsContract,
  type ContractCase,
  type MembershipRows,
  type MembershipsHarness,
} from './contracts/memberships.js'
export { withOutages, type MembershipsWithOutages } from './outages.js'
export { staleRecorder, type StaleNames, type StaleRecorder } from './stale-recorder.js'
export { play } from './history.js'
export type { History, Step, Tally } from './steps.js'
export { emptyPicture, fold, type Picture } from './picture.js'
export { createTruth, type TrueRoom, type Truth } from './truth.js'
export {
  createTestPresence,
  type TestDevice,
  type TestDuration,
  type TestPresence,
  type TestPresenceOptions,
  type TestRooms,
} from './test-presence.js'
