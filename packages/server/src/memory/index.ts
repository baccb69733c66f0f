export { memoryMemberships, type MemoryMemberships, type MemoryRows } from './memberships.js'
