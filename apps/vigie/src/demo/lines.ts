/** What the simulated colleagues say. Nothing in it is about anybody. */
import type { DemoConversation } from './world.js'

/** Short lines that fit after any other of the same room. */
const LINES: Readonly<Record<DemoConversation['kind'], readonly string[]>> = {
  company: [
    'Coffee is fresh, second floor.',
    'Has anybody seen the good chairs?',
    'Morning everyone ☀️',
    'The train was on time. I have proof.',
    'Who is in the office tomorrow?',
    'The plants on the third floor need water.',
    'Somebody left an umbrella in the small room.',
    'Back in ten minutes.',
    'There is cake next to the printer 🍰',
    'Quiz on Thursday: we are still two short.',
    'The window by the stairs does not close, careful.',
    'Thanks for the help earlier!',
    'I found a blue scarf, it is at the desk.',
    'Anybody for a walk at noon?',
  ],
  team: [
    'Stand-up in five.',
    'I pushed it, have a look when you can.',
    'Looks good to me.',
    'Can we move the review to three?',
    'I will take that one.',
    'Notes are in the usual place.',
    'Two open questions left, then we are done.',
    'Nice, that was quick.',
    'I am heads down until lunch.',
    'Let us keep it small and ship it.',
  ],
  project: [
    'First numbers are in, better than I thought.',
    'The last step still needs a sentence that explains why.',
    'I updated the plan.',
    'Could somebody try it on an old phone?',
    'It works on my side now.',
    'Who can tell support about the change?',
    'We have until Thursday, that is fine.',
    'I would leave that out for now.',
    'Good point, I will write it down.',
  ],
  direct: [
    'Do you have a minute?',
    'Sure, go ahead.',
    'Let me check and come back to you.',
    'That makes sense.',
    'Thanks, that helps a lot.',
    'I will be there at two.',
    'Works for me 👍',
    'Can I call you after lunch?',
  ],
}

/** Whose turn it is in each room: nobody repeats what was said just before. */
export interface Lines {
  next(kind: DemoConversation['kind']): string
}

/** Every kind goes through its lines in order, from a random one on. `random` yields numbers in [0, 1). */
export function createLines(random: () => number): Lines {
  const places = new Map<string, number>()
  return {
    next(kind) {
      const lines = LINES[kind]
      const place = places.get(kind) ?? Math.floor(random() * lines.length)
      places.set(kind, place + 1)
      return lines[place % lines.length] ?? ''
    },
  }
}
