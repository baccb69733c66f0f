import type { Script } from './script.js'

/** What English colleagues say. No line names a time of day: the demo runs at any. */
export const ENGLISH: Script = {
  company: [
    `a: Coffee is fresh, second floor.
     b: You are the best.
     a: The machine is. I only pressed the button.
     c: Is there oat milk?
     a: Half a carton, and it is moving fast.`,
    `a: Has anybody seen the good chairs?
     b: The small room. They wander.
     a: All six of them?
     b: Seven. They are multiplying.`,
    `a: The train was on time. I have proof.
     b: Pictures or it did not happen.
     a: A picture of nothing being late is hard to take.
     c: Frame the ticket.`,
    `a: Who is in the office tomorrow?
     b: I am.
     c: Me too, with the new screen for the corner desk.
     a: Then I will bring the cable that fits nothing else.`,
    `a: The plants on the third floor need water.
     b: I watered them on Monday.
     a: Then one of them is drinking for two.
     c: It is the fern. It always is the fern.`,
    `a: Somebody left an umbrella in the small room.
     b: Black, with a wooden handle?
     a: That one.
     b: It has been mine for ten years and away for nine.`,
    `a: There is cake next to the printer.
     b: Whose birthday?
     a: The printer's. It is five today.
     c: It has never looked better.
     b: Nor printed worse.`,
    `a: Quiz on Thursday: we are still two short.
     b: Count me in if there is no sport.
     a: There is one round of sport.
     b: Then I will keep the score.
     c: I take the sport, you take the capitals.`,
    `a: The window by the stairs does not close, careful.
     b: Is somebody coming to repair it?
     a: The caretaker knows.
     c: I put a note on it. And a chair in front of it.`,
    `a: I found a blue scarf, it is at the desk.
     b: Mine! Where was it?
     a: On the coat stand, under eleven coats.
     b: That explains a cold week.`,
    `a: Anybody for a walk?
     b: How far?
     a: To the bridge and back.
     b: Give me five minutes.
     c: I will join you at the corner.`,
    `a: The talk about maps is online now.
     b: The one with the upside-down globe?
     a: Exactly that one.
     c: I watched it twice. The part on rivers is wonderful.`,
    `a: Does anybody have a charger for an old phone?
     b: How old?
     a: It flips.
     b: I have a drawer for that. Come by.`,
    `a: I am ordering stickers. Any wishes?
     b: The round ones, please.
     c: Can we have the lighthouse again?
     a: Lighthouse it is, fifty of them.`,
    `a: Our chess board has lost a bishop.
     b: Use the salt shaker, we always did.
     a: That is the other bishop.
     c: Then pepper.`,
    `a: New people start on Monday. Who shows them around?
     b: I can do the ground floor.
     c: And I the roof. It has the better view.
     a: Then I do the coffee.`,
    `a: The lift is working again.
     b: For real?
     a: I went up and down three times.
     b: For testing?
     a: For joy.`,
    `a: Whoever baked the lemon thing: recipe, please.
     b: It is only lemon, sugar and patience.
     a: I am out of patience.
     b: Then more sugar.`,
    `a: Is the big room free on Wednesday?
     b: From three on.
     a: Perfect, I have booked it for the book club.
     c: What are we reading?
     a: Whatever we all say we have finished.`,
    `a: The bicycle pump is back.
     b: Where had it been?
     a: On a bicycle trip.
     c: It deserves it.`,
    `a: Could we have the heating one degree lower?
     b: Please not, I am in a jumper already.
     a: I am in a T-shirt.
     c: Swap desks. Solved.`,
    `a: The photos of the summer party are in the folder.
     b: Even the one with the canoe?
     a: Especially the one with the canoe.
     b: I can explain.
     c: Nobody has asked yet.`,
    `a: A parcel without a name is at the desk.
     b: What does it rattle like?
     a: Like screws.
     b: Mine. A shelf, with any luck.`,
    `a: Does anyone speak Portuguese?
     b: A little. What for?
     a: One sentence in a letter.
     b: Send it over.
     a: Done. Thank you!`,
    `a: The recycling bin is for paper, not for sandwiches.
     b: What about the paper around a sandwich?
     a: Now you are asking a question of philosophy.`,
    `a: I am back from holiday. What have I missed?
     b: A new logo, two fire drills and a very good soup.
     a: In this order?
     c: The soup was last, and first.`,
    `a: The piano in the hall is tuned.
     b: Does that mean that you will play?
     a: It means that somebody could.
     c: I know one song. With two fingers.
     a: That is one more than I do.`,
    `a: Which of you can read my whiteboard?
     b: It says "ship the cheese".
     a: It says "skip the cache".
     c: Both are good advice.`,
    `a: A cat is sitting on the bicycle shed.
     b: Grey, with white paws?
     a: Yes, and it looks as if it had a meeting.
     b: She has. She chairs it.`,
    `a: We have forty mugs and no spoons.
     b: I saw the spoons in the design corner.
     c: We are photographing them.
     a: All of them?
     c: It is a series.`,
  ],
  team: [
    `a: I pushed it, have a look when you can.
     b: Looking now.
     b: One question in the second file, else fine.
     a: Good catch, fixed.`,
    `a: Can we move the review by an hour?
     b: Works for me.
     c: For me too.
     a: Moved. Thanks.`,
    `a: I will take the last open one.
     b: It is bigger than it looks.
     a: They all are.
     b: Shout if you want a second pair of eyes.`,
    `a: Notes of the meeting are in the usual place.
     b: You wrote down the part about names, too?
     a: Word for word.`,
    `a: Two open questions left, then we are done.
     b: Which ones?
     a: What it is called, and what it does.
     b: So, nearly done.`,
    `a: That was quick!
     b: It was one line.
     a: And two days to find it.
     b: Ssh.`,
    `a: I am heads down for two hours.
     b: All quiet here, we will keep the phone.
     a: Thank you.`,
    `a: Shall we keep it small and ship it?
     b: Yes. The rest can follow.
     c: I write down what the rest is.
     a: Deal.`,
    `a: Who knows why this is called "temporary"?
     b: It was made for one week.
     a: When?
     b: Six years ago.`,
    `a: The draft is ready to be torn apart.
     b: I tore off only a corner.
     a: That is the best review I ever had.`,
    `a: My build is red. Is yours?
     b: Green.
     a: Ah. I had a file open that is not saved.
     b: We have all been there.`,
    `a: Retro on Friday: one good thing, one bad thing each.
     b: May the same thing be both?
     a: It usually is.`,
    `a: I tidied the board. Forty cards became twelve.
     b: Where did the others go?
     a: They were the same three cards.
     c: I feel lighter already.`,
    `a: Could somebody pair with me on the ugly one?
     b: In ten minutes?
     a: Perfect. I will warm it up.`,
  ],
  project: [
    `a: First numbers are in, better than I thought.
     b: How much better?
     a: A fifth.
     b: I will believe it on the second day.`,
    `a: The last step still needs a sentence that explains why.
     b: "So that your colleagues find you."
     a: That is it. Thank you.`,
    `a: I updated the plan.
     b: Is the date still the date?
     a: The date is still the date.
     b: You may be the first person ever to say so.`,
    `a: Could somebody try it on an old phone?
     b: Five years old enough?
     a: Perfect.
     b: It works. Slow, but it works.
     a: What is slow?
     b: My phone.`,
    `a: It works on my side now.
     b: What was it?
     a: A space at the end of a name.
     b: It always is.`,
    `a: Who tells support about the change?
     b: I do, they are across the hall.
     a: Take a cake.`,
    `a: I would leave that part out for now.
     b: And add it when somebody asks?
     a: When three people ask.`,
    `a: The customer likes it, and has one wish.
     b: A small one?
     a: A blue one.
     c: We have blue.`,
    `a: Which of the two drafts shall we show?
     b: The plain one.
     c: The plain one.
     a: Then it is decided, two to none.`,
    `a: We are at eighty percent.
     b: Of the work or of the time?
     a: Let us say of the list.`,
    `a: Test data is refreshed.
     b: With the long names, too?
     a: The longest has sixty letters and two hyphens.
     b: Wonderful, that breaks everything.`,
  ],
  opener: [
    'The figures that you asked for are in the folder.',
    'No hurry, but I left a comment on your draft.',
    'I have put the book back on your desk. It was great.',
    'Your idea from last week works. I have tried it.',
    'The room is booked, nothing left to do for you.',
    'I am around if you want to talk it through.',
    'I answered the customer, you are in copy.',
    'The link from before, in case you need it: it is pinned in the team room.',
    'Just saw your change. Very neat.',
    'I have moved our talk to Thursday, the calendar knows.',
  ],
  answer: [
    'Thanks, that helps a lot.',
    'Good to know. I will pass it on.',
    'Noted!',
    'That makes sense to me.',
    'Ha, I was about to write the same.',
    'Great, then I will go on with the rest.',
    'I like it. Let us do it that way.',
    'Understood. I will come back to you when it is done.',
    'All right, I am on it.',
    'Nice. One thing less to think about.',
    'Thank you for telling me first.',
    'I will have a look and write to you.',
  ],
  answerToQuestion: [
    'Yes, I think so. Let me check and come back to you.',
    'Good question. I would say yes.',
    'Not yet, but it is next on my list.',
    'I do not know, but I know whom to ask.',
    'Sure, go ahead.',
    'Works for me.',
    'Give me ten minutes, then I can tell you for sure.',
    'I believe it is in the shared folder. If not, tell me.',
    'As far as I know, yes.',
    'Probably not before Thursday.',
    'Can I call you about it later?',
    'Half of it. The other half is a longer story.',
  ],
}
