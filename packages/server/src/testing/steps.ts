/** A history of what can happen to a chat, as data. */

/** Small whole numbers stand for people, rooms, sessions; a session is counted among those that are there. */
export type Step =
  /** `sdk`: a client of protocol 2. */
  | {
      readonly do: 'connect'
      readonly user: number
      readonly device?: number
      readonly client?: number
      readonly sdk?: boolean
    }
  | { readonly do: 'lose' | 'disconnect' | 'leave' | 'logOut' | 'kick' | 'expire'; readonly session: number }
  /** The connection is lost, and the same program, or the page loaded anew, is back after `ms`. */
  | {
      readonly do: 'reload'
      readonly session: number
      readonly ms: number
      readonly isSameProgram: boolean
      /** What happens while it is away. */
      readonly meanwhile?: History
    }
  /** Types and repeats it, as a client does, `times` times. */
  | {
      readonly do: 'keepTyping'
      readonly session: number
      readonly conversation: number
      readonly times: number
    }
  | { readonly do: 'background'; readonly session: number; readonly graceMs: number }
  | { readonly do: 'type' | 'stopTyping'; readonly session: number; readonly conversation: number }
  | { readonly do: 'hostStopTyping'; readonly user: number }
  | {
      readonly do: 'join' | 'part'
      readonly user: number
      readonly group?: number
      readonly conversation?: number
      /** Whose rows are read at once: the user's, the room's, both, neither. What is not read answers later, or not before the end. */
      readonly read?: 'both' | 'roomFirst' | 'user' | 'room' | 'neither'
    }
  /** One of the reads that have not answered yet does. */
  | { readonly do: 'answer'; readonly which: number }
  /** Protocol 2: a person comes onto the screen, or leaves it. */
  | { readonly do: 'watch' | 'unwatch'; readonly session: number; readonly user: number }
  | { readonly do: 'contribute'; readonly node: number; readonly user: number; readonly devices: number }
  | { readonly do: 'loseNode'; readonly node: number }
  /** People are held back at admission, and have been for so long; 0: nobody is. */
  | { readonly do: 'holdBack'; readonly delayMs: number }
  /** The loop has more to do than it can, and sessions are written once in so long; 0: no longer. */
  | { readonly do: 'press'; readonly windowMs: number }
  /** The client stops reading, or reads again. */
  | { readonly do: 'block' | 'unblock'; readonly session: number }
  | { readonly do: 'wait'; readonly ms: number }

export type History = readonly Step[]

/** How often each kind of thing was seen, so that a test can tell that histories reach what they are for. */
export type Tally = Record<(typeof COUNTED)[number], number>

const COUNTED = [
  'transitions',
  'events',
  'retractions',
  'typing',
  'occupancy',
  'adopted',
  'refused',
  'states',
  'resumed',
  'putOff',
  'disagreed',
  'reread',
  'watched',
  'looked',
  'explained',
  'waiting',
  'watching',
  'no_shared_room',
  'only_large_rooms',
  'viewer_not_here',
] as const

export function emptyTally(): Tally {
  return Object.fromEntries(COUNTED.map((what) => [what, 0])) as Tally
}
