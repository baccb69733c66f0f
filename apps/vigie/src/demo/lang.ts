export const LANGS = ['en', 'fr'] as const
/** The language of a company. Nobody of one shares a room with somebody of the other. */
export type Lang = (typeof LANGS)[number]
