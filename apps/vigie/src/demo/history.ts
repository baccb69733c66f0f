/**
 * What was said before the doors opened, so that nobody meets an empty room. The same at each start. No line names a
 * time of day: the demo is started at any.
 */
import type { Lang } from './lang.js'
import type { Messages } from './messages.js'
import type { DemoConversation, World } from './world.js'

/** Who (counted among the speakers of the room), what, and how many minutes before the start. */
type Said = readonly [speaker: number, text: string, minutesAgo: number]

const ROOMS: Readonly<Record<Lang, Readonly<Record<string, readonly Said[]>>>> = {
  en: {
    'all-hands': [
      [0, 'The slides are in the usual folder.', 190],
      [5, 'Thanks! Will there be a recording?', 186],
      [0, 'Yes, I am uploading it.', 184],
      [9, 'One more thing: the lift is out of order until Friday.', 71],
    ],
    cafe: [
      [3, 'Good news: the coffee machine is repaired.', 52],
      [8, 'You are a hero.', 51],
      [3, 'It was only a hose.', 51],
      [12, 'Is anybody going to the market later?', 27],
      [1, 'I am. Meet at the door?', 26],
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
      [3, 'Then we run it on Thursday, I am on call anyway.', 41],
    ],
    'team-mobile': [
      [0, 'Build 4.1 is with the testers.', 140],
      [1, 'The badge count is right after a restart now.', 64],
    ],
    'team-support': [
      [0, 'A quiet week: eleven tickets, nine of them solved.', 88],
      [1, 'The two others wait for an answer from their side.', 80],
    ],
    'team-sales': [
      [0, 'The demo went well, they ask about hosting it themselves.', 58],
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
    'project-release': [[0, 'Freeze on Wednesday. What is not in by then waits.', 105]],
    'incident-room': [
      [0, 'Resolved: a certificate was renewed by hand again.', 310],
      [2, 'I will automate that one this week.', 300],
    ],
    'food-run': [
      [0, 'Ramen or falafel?', 38],
      [1, 'Falafel.', 37],
      [2, 'Falafel!', 37],
      [3, 'Ramen … alright, falafel.', 36],
    ],
  },
  fr: {
    'fr-all-hands': [
      [0, 'Les diapositives sont dans le dossier habituel.', 190],
      [5, 'Merci ! Y aura-t-il un enregistrement ?', 186],
      [0, 'Oui, je le mets en ligne.', 184],
      [9, 'Autre chose : l’ascenseur est en panne jusqu’à vendredi.', 71],
    ],
    'fr-cafe': [
      [3, 'Bonne nouvelle : la machine à café est réparée.', 52],
      [8, 'Tu nous sauves.', 51],
      [3, 'Ce n’était qu’un tuyau.', 51],
      [12, 'Quelqu’un va au marché tout à l’heure ?', 27],
      [1, 'Moi. On se retrouve à la porte ?', 26],
      [12, 'Parfait.', 26],
      [1, 'Prends un sac : la dernière fois, on a porté huit melons à la main.', 25],
      [15, 'Neuf.', 24],
      [6, 'Tu me rapportes du fromage de chèvre ? Ma réunion n’en finit pas.', 9],
      [12, 'Bien sûr.', 8],
    ],
    'fr-team-design': [
      [
        0,
        'Nouvelles icônes en ligne. Le point « hors ligne » est un anneau : il ne dépend plus de la couleur.',
        95,
      ],
      [2, 'Bien mieux. Je les distingue enfin en plein soleil.', 90],
      [1, 'On garde l’anneau à 2 px sur les petits avatars ?', 34],
      [0, 'Oui, 1,5 disparaît sur les vieux écrans.', 33],
    ],
    'fr-team-platform': [
      [0, 'La migration a pris 40 secondes sur la copie.', 120],
      [1, 'Et les verrous ?', 118],
      [0, 'Aucun que l’on remarque.', 117],
      [3, 'Alors on la lance jeudi, je suis d’astreinte de toute façon.', 41],
    ],
    'fr-team-mobile': [
      [0, 'La version 4.1 est chez les testeurs.', 140],
      [1, 'Le compteur est juste après un redémarrage, maintenant.', 64],
    ],
    'fr-team-support': [
      [0, 'Semaine calme : onze demandes, neuf résolues.', 88],
      [1, 'Les deux autres attendent une réponse de leur part.', 80],
    ],
    'fr-team-sales': [
      [0, 'La démo s’est bien passée, ils voudraient l’héberger eux-mêmes.', 58],
      [1, 'Envoie-leur la page des prérequis, elle est courte.', 55],
    ],
    'fr-team-people': [[0, 'Trois arrivées lundi. Les bureaux sont prêts.', 240]],
    'fr-project-onboarding': [
      [0, 'L’étape trois perd un cinquième des gens. Je la fondrais dans la deux.', 160],
      [3, 'L’assistance entend la même chose : personne ne sait alors ce qu’est un espace.', 152],
      [1, 'Alors on demande seulement le nom, et le reste plus tard.', 47],
      [0, 'Je rédige.', 45],
    ],
    'fr-project-billing': [
      [0, 'Les factures du mois dernier sont parties.', 200],
      [2, 'Aucune plainte pour l’instant.', 130],
    ],
    'fr-project-search': [
      [0, 'Des résultats en 80 ms chez le plus gros client.', 175],
      [1, 'Et les accents ?', 170],
      [0, 'C’est fait : « Benoit » trouve « Benoît ».', 169],
    ],
    'fr-project-release': [[0, 'Gel mercredi. Ce qui n’y est pas attendra.', 105]],
    'fr-incident-room': [
      [0, 'Résolu : un certificat avait encore été renouvelé à la main.', 310],
      [2, 'J’automatise celui-là cette semaine.', 300],
    ],
    'fr-food-run': [
      [0, 'Ramen ou falafels ?', 38],
      [1, 'Falafels.', 37],
      [2, 'Falafels !', 37],
      [3, 'Ramen… bon, falafels.', 36],
    ],
  },
}

/** Of direct conversations, one after the other. */
const DIRECTS: Readonly<Record<Lang, readonly (readonly Said[])[]>> = {
  en: [
    [
      [1, 'Did you get the invitation for Thursday?', 62],
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
    [[1, 'Happy birthday! The cake is hidden in the small room.', 1_520]],
    [
      [0, 'Is the projector in the big room yours?', 131],
      [1, 'It belongs to everybody, take it.', 127],
    ],
    [
      [1, 'Thank you for stepping in yesterday.', 1_610],
      [0, 'Any time.', 1_604],
    ],
    [
      [0, 'I have sent you the photos.', 301],
      [1, 'The one with the dog is now my background.', 296],
    ],
    [
      [1, 'Which of the two words would you take?', 172],
      [0, 'The shorter one.', 171],
    ],
    [[0, 'I kept a seat for you on Thursday.', 2_890]],
  ],
  fr: [
    [
      [1, 'Tu as reçu l’invitation pour jeudi ?', 62],
      [0, 'Oui, on s’y retrouve.', 60],
    ],
    [
      [0, 'Tu pourrais relire le deuxième paragraphe ?', 98],
      [1, 'C’est fait : deux virgules et une question.', 92],
    ],
    [
      [1, 'Ton colis est à l’accueil.', 220],
      [0, 'Merci !', 214],
    ],
    [[1, 'Bon anniversaire ! Le gâteau est caché dans la petite salle.', 1_520]],
    [
      [0, 'Le projecteur de la grande salle est à toi ?', 131],
      [1, 'Il est à tout le monde, prends-le.', 127],
    ],
    [
      [1, 'Merci pour le coup de main d’hier.', 1_610],
      [0, 'Avec plaisir.', 1_604],
    ],
    [
      [0, 'Je t’ai envoyé les photos.', 301],
      [1, 'Celle avec le chien est déjà mon fond d’écran.', 296],
    ],
    [
      [1, 'Lequel des deux mots prendrais-tu ?', 172],
      [0, 'Le plus court.', 171],
    ],
    [[0, 'Je t’ai gardé une place pour jeudi.', 2_890]],
  ],
}

const MINUTE_MS = 60_000

/** Fills those of the begun conversations in which nothing was said. */
export function writeHistory(messages: Messages, world: World, now = Date.now()): void {
  const colleagues = new Set(world.colleagues.map(({ userId }) => userId))
  const takeDirect = createDirects()
  const begun = world.conversations.filter(
    ({ isBegun, conversationId }) => isBegun && messages.of(conversationId).length === 0,
  )
  const said = begun.flatMap((conversation) => {
    const { conversationId, kind, lang } = conversation
    const lines = kind === 'direct' ? takeDirect(conversation) : ROOMS[lang][conversationId]
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

/** Of the direct conversations of one person, no two are the same. */
function createDirects(): (conversation: DemoConversation) => readonly Said[] {
  const taken = new Map<string, Set<readonly Said[]>>()
  return ({ lang, members }) => {
    const isTaken = (lines: readonly Said[]) => members.some((userId) => taken.get(userId)?.has(lines))
    const lines = DIRECTS[lang].find((each) => !isTaken(each)) ?? []
    for (const userId of members) taken.set(userId, (taken.get(userId) ?? new Set()).add(lines))
    return lines
  }
}
