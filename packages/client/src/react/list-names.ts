/** "Ann, Ben and 3 others", in English. British, because it has no comma before "and". */
export function listNames(names: readonly string[], others: number): string {
  const isOne = new Intl.PluralRules('en-GB').select(others) === 'one'
  const rest = others === 0 ? [] : [names.length === 0 ? `${others}` : `${others} other${isOne ? '' : 's'}`]
  const items = [...names, ...rest]
  return items.length === 0 ? 'Nobody' : new Intl.ListFormat('en-GB').format(items)
}
