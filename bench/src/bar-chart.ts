/** Bars side by side, as an SVG that is read well on a light and on a dark page. */
export interface BarGroup {
  readonly title: string
  readonly bars: readonly { readonly label: string; readonly value: number }[]
}

const WIDTH = 640
const LABEL_WIDTH = 110
const VALUE_WIDTH = 70
const LINE = 24
const INK = '#7a828e'

export function barChart(groups: readonly BarGroup[]): string {
  let y = 0
  const parts: string[] = []
  for (const { title, bars } of groups) {
    const largest = Math.max(...bars.map(({ value }) => value))
    y += LINE
    parts.push(`<text x="0" y="${y - 7}" font-weight="bold">${title}</text>`)
    for (const { label, value } of bars) {
      const length = Math.max(1, ((WIDTH - LABEL_WIDTH - VALUE_WIDTH) * value) / largest)
      const fill = label.startsWith('vigie') ? '#2f81f7' : INK
      parts.push(
        `<text x="0" y="${y + 16}">${label}</text>`,
        `<rect x="${LABEL_WIDTH}" y="${y + 4}" width="${length.toFixed(1)}" height="16" rx="2" fill="${fill}"/>`,
        `<text x="${(LABEL_WIDTH + length + 6).toFixed(1)}" y="${y + 16}">${value.toPrecision(3)}</text>`,
      )
      y += LINE
    }
  }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y + 4}" width="${WIDTH}"`,
    ` font-family="sans-serif" font-size="13" fill="${INK}">`,
    ...parts,
    '</svg>\n',
  ].join('\n')
}
