/** The form for `count` by the rules of a language; `#` in it becomes the number as that language writes it. */
export function phrases(
  lang: string,
  count: number,
  forms: { readonly one: string; readonly other: string },
): string {
  const form = new Intl.PluralRules(lang).select(count) === 'one' ? forms.one : forms.other
  return form.replace('#', new Intl.NumberFormat(lang).format(count))
}
