export {
  membershipsContract,
  type ContractCase,
  type MembershipRows,
  type MembershipsHarness,
} from './contracts/memberships.js'
export { withOutages, type MembershipsWithOutages } from './outages.js'
export { staleRecorder, type StaleNames, type StaleRecorder } from './stale-recorder.js'
