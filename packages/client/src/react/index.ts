'use client'

export { AvatarStack, type AvatarStackProps } from './avatar-stack.js'
export { PresenceProvider, usePresenceClient, type PresenceProviderProps } from './context.js'
export {
  useConversationPresence,
  useConversations,
  useDevices,
  useGroupPresence,
  useGroups,
  useOnlineMembers,
  usePresence,
  usePresenceConnection,
  usePresenceSelector,
  useTyping,
  useTypingInput,
  type PresenceConnection,
  type RoomPresence,
  type UsePresenceOptions,
  type UsePresenceSelectorOptions,
} from './hooks.js'
export { PresenceDot, type PresenceDotProps } from './presence-dot.js'
export { TypingIndicator, type TypingIndicatorProps } from './typing-indicator.js'
