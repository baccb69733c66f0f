/** Who works in the demo's two companies, one for each language of the page. */
import type { Lang } from './lang.js'

export const TEAMS = ['design', 'platform', 'mobile', 'support', 'sales', 'people'] as const
export type Team = (typeof TEAMS)[number]

type Names = Readonly<Record<Team, readonly string[]>>

interface Staff {
  /** Somebody who opens the page can be one of these, four of each team … */
  readonly people: Names
  /** … and these are the bots'. */
  readonly colleagues: Names
}

export const STAFF: Readonly<Record<Lang, Staff>> = {
  en: {
    people: {
      design: ['Amélie Durand', 'Kofi Mensah', 'Yuki Tanaka', 'Sofía Herrera'],
      platform: ['Priya Raman', 'Jonas Weber', 'Zoë van Dijk', 'Tariq Aziz'],
      mobile: ['Nia Okafor', 'Lukáš Novák', 'Mei Lin', 'Diego Fuentes'],
      support: ['Aoife Byrne', 'Hassan El Amrani', 'Ingrid Solberg', 'Thabo Nkosi'],
      sales: ['Camille Roux', 'Arjun Mehta', 'Elif Yılmaz', 'Mateus Carvalho'],
      people: ['Leila Haddad', 'Oskar Lindqvist', 'Ana Popescu', 'Keoni Kahale'],
    },
    colleagues: {
      design: ['Noor Siddiqui', 'Théo Lambert', 'Hana Kimura', 'Piotr Zieliński'],
      platform: ['Wanjiru Kamau', 'Nguyễn Minh Anh', 'Samuel Ortiz', 'Freya Madsen'],
      mobile: ['Rania Khoury', 'Bence Szabó', 'Chidi Eze'],
      support: ['Maja Kovač', 'Tomás Ribeiro', 'Sana Iqbal'],
      sales: ['Giulia Conti', 'Kwame Boateng', 'Anouk Peeters'],
      people: ['Daniel Cohen', 'Malika Benali', 'Eero Virtanen'],
    },
  },
  fr: {
    people: {
      design: ['Juliette Moreau', 'Karim Bensaïd', 'Margaux Lefèvre', 'Hugo Carpentier'],
      platform: ['Léa Fontaine', 'Antoine Girard', 'Fatou Diallo', 'Rémi Chevalier'],
      mobile: ['Inès Gauthier', 'Mathis Renard', 'Aïcha Traoré', 'Clément Barbier'],
      support: ['Solène Le Goff', 'Yanis Haddouche', 'Élodie Marchand', 'Bastien Colin'],
      sales: ['Chloé Perrin', 'Maxime Guérin', 'Salomé Aubert', 'Youssef Amrani'],
      people: ['Nathalie Brunet', 'Olivier Masson', 'Capucine Rey', 'Étienne Dufour'],
    },
    colleagues: {
      design: ['Manon Leclerc', 'Adrien Poirier', 'Lucie Benoît', 'Jules Rolland'],
      platform: ['Sarah Cohen-Bloch', 'Lê Thị Mai', 'Thibault Vasseur', 'Aurore Picard'],
      mobile: ['Gaël Kervella', 'Nour Belkacem', 'Pauline Schmitt'],
      support: ['Loïc Tanguy', 'Mariama Sow', 'Cédric Pons'],
      sales: ['Valentine Roche', 'Amadou Keïta', 'Quentin Lacroix'],
      people: ['Hélène Noël', 'Romain Delattre', 'Camille Jourdan'],
    },
  },
}

/** Where the family name stands first, or the given name is not what stands before the first space. */
const GIVEN_NAMES: ReadonlyMap<string, string> = new Map([
  ['Nguyễn Minh Anh', 'Minh Anh'],
  ['Lê Thị Mai', 'Mai'],
])

/** What colleagues call somebody. */
export function givenNameOf(name: string): string {
  return GIVEN_NAMES.get(name) ?? name.split(' ')[0] ?? name
}
