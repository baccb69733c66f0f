/** What was said before the doors opened, so that nobody meets an empty room. The same at each start. */
import type { Messages } from './messages.js'
import type { DemoConversation, World } from './world.js'

/** Who (counted among the speakers of the room), what, and how many minutes before the start. */
type Said = readonly [speaker: number, text: string, minutesAgo: number]

const ROOMS: Readonly<Record<string, readonly Said[]>> = {
  'all-hands': [
    [0, 'The slides of this morning are in the usual folder.', 190],
    [5, 'Thanks! Will there be a recording?', 186],
    [0, 'Yes, this afternoon.', 184],
    [9, 'One more thing: the lift is out of order until Friday.', 71],
  ],
  cafe: [
    [3, 'Good morning! The machine is repaired ☕', 52],
    [8, 'You are a hero.', 51],
    [3, 'It was only a hose.', 51],
    [12, 'Is anybody going to the market at noon?', 27],
    [1, 'I am. Meet at the door at ten to twelve?', 26],
    [12, 'Perfect.', 26],
    [1, 'Bring a bag, last time we had to carry eight melons by hand.', 25],
    [15, 'Nine.', 24],
    [6, 'Can you bring me some of the goat cheese? I am stuck in a call.', 9],
    [12, 'Of course.', 8],
  ],
  'team-design': [
    [0, 'New icons are up. The dot for "offline" is a ring now, so it does not depend on colour.', 95],
    [2, 'Much better. I could finally tell them apart in sunlight.', 90],
    [1, 'Shall we keep the ring at 2 px on small avatars?', 34],
    [0, 'Yes, 1.5 vanishes on the old screens.', 33],
  ],
  'team-platform': [
    [0, 'The migration ran in 40 seconds on the copy.', 120],
    [1, 'And the locks?', 118],
    [0, 'None that anybody would notice.', 117],
    [3, 'Then tonight at ten, I am on call anyway.', 41],
  ],
  'team-mobile': [
    [0, 'Build 4.1 is with the testers.', 140],
    [1, 'The badge count is right after a restart now.', 64],
  ],
  'team-support': [
    [0, 'Quiet morning: eleven tickets, nine of them solved.', 88],
    [1, 'The two others wait for an answer from their side.', 80],
  ],
  'team-sales': [
    [0, 'Demo at three went well, they ask about hosting it themselves.', 58],
    [1, 'Send them the page with the requirements, it is short.', 55],
  ],
  'team-people': [[0, 'Three start on Monday. Desks are ready.', 240]],
  'project-onboarding': [
    [0, 'Step three loses a fifth of the people. I would merge it with two.', 160],
    [3, 'Support hears the same: nobody knows what a workspace is at that point.', 152],
    [1, 'Then we ask for the name only, and the rest later.', 47],
    [0, 'Drafting it now.', 45],
  ],
  'project-billing': [
    [0, 'Invoices of last month are out.', 200],
    [2, 'No complaints so far.', 130],
  ],
  'project-search': [
    [0, 'Results within 80 ms for the largest customer.', 175],
    [1, 'And accents?', 170],
    [0, 'Handled: "Zielinski" finds "Zieliński".', 169],
  ],
  'project-release': [[0, 'Freeze on Wednesday at noon. What is not in by then waits.', 105]],
  'incident-room': [
    [0, 'Resolved at 06:40: a certificate was renewed by hand again.', 310],
    [2, 'I will automate that one today.', 300],
  ],
  'lunch-run': [
    [0, 'Ramen or falafel?', 38],
    [1, 'Falafel.', 37],
    [2, 'Falafel!', 37],
    [3, 'Ramen … alright, falafel.', 36],
  ],
}

/** Of direct conversations; the one with the lower place in this list is newer. */
const DIRECTS: readonly (readonly Said[])[] = [
  [
    [1, 'Did you get the invitation for tomorrow?', 62],
    [0, 'Yes, see you there.', 60],
  ],
  [
    [0, 'Could you read the second paragraph once more?', 98],
    [1, 'Done, two commas and a question.', 92],
  ],
  [
    [1, 'Your parcel is at the front desk.', 220],
    [0, 'Thank you!', 214],
  ],
  [[1, 'Happy birthday! 🎂', 1_520]],
]

const MINUTE_MS = 60_000

/** Fills empty conversations. */
export function writeHistory(messages: Messages, world: World, now = Date.now()): void {
  const colleagues = new Set(world.colleagues.map(({ userId }) => userId))
  let directs = 0
  const said = world.conversations.flatMap((conversation) => {
    const { conversationId, kind } = conversation
    const lines = kind === 'direct' ? DIRECTS[directs++ % DIRECTS.length] : ROOMS[conversationId]
    const speakers = speakersOf(conversation, colleagues)
    return (lines ?? []).flatMap(([speaker, text, minutesAgo]) => {
      const userId = speakers[speaker % speakers.length]
      return userId === undefined ? [] : [{ conversationId, userId, text, at: now - minutesAgo * MINUTE_MS }]
    })
  })
  // By time, since the order of messages is theirs.
  for (const { at, ...message } of said.sort((a, b) => a.at - b.at)) messages.add(message, at)
}

/** In rooms the colleagues speak: what a person is shown to have said, nobody may have put into their mouth. */
function speakersOf({ kind, members }: DemoConversation, colleagues: ReadonlySet<string>): readonly string[] {
  return kind === 'direct' ? members : members.filter((userId) => colleagues.has(userId))
}
