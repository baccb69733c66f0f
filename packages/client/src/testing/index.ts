export {
  createFakePresence,
  type FakeDevice,
  type FakePresence,
  type FakePresenceOptions,
  type FakeRoom,
} from './fake-presence.js'
