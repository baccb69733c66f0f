/** What stands in `deploy/` names only metrics that there are. That its expressions are valid is shown by Prometheus' own tool. */
import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { METRICS } from '@vigie/server'
import { collectDefaultMetrics, Registry } from 'prom-client'

const read = (path: string) => readFile(new URL(`../../../deploy/${path}`, import.meta.url), 'utf8')

const SERIES = new Set(
  METRICS.flatMap(({ name, kind }) =>
    kind === 'histogram' ? ['_bucket', '_sum', '_count'].map((suffix) => name + suffix) : [name],
  ),
)

async function namesOfProcess(): Promise<ReadonlySet<string>> {
  const register = new Registry()
  collectDefaultMetrics({ register })
  return new Set(register.getMetricsAsArray().map(({ name }) => name))
}

/** Names of metrics in an expression; and each label, with the values that it is compared with. */
function namesIn(expression: string): readonly string[] {
  return [...expression.matchAll(/\b(?:presence|process|nodejs|vigie)_\w+/gu)].map(([name]) => name)
}

function labelsIn(
  expression: string,
): readonly (readonly [name: string, label: string, operator: string, value: string])[] {
  return [...expression.matchAll(/\b(presence_\w+)\{([^}]*)\}/gu)].flatMap(([, name = '', labels = '']) =>
    [...labels.matchAll(/(\w+)(=~|=)"([^"]*)"/gu)].map(
      ([, label = '', operator = '', value = '']) => [name, label, operator, value] as const,
    ),
  )
}

/** Labels that Prometheus adds, and the limit of a bucket. */
const OF_PROMETHEUS = new Set(['job', 'instance', 'le'])

function wrongLabels(expression: string): string[] {
  return labelsIn(expression).flatMap(([name, label, operator, value]) => {
    if (OF_PROMETHEUS.has(label)) return []
    const metric = METRICS.find(
      (each) => name.replace(/_(bucket|sum|count)$/u, '') === each.name || name === each.name,
    )
    const values = metric?.series.flatMap((labels) => labels[label] ?? []) ?? []
    const isMet =
      operator === '='
        ? values.includes(value)
        : values.some((each) => new RegExp(`^(?:${value})$`, 'u').test(each))
    return isMet ? [] : [`${name}{${label}${operator}"${value}"}`]
  })
}

const expressionsOfRules = async () => {
  const text = await read('prometheus/rules.yml')
  // Each rule is a block that begins with `- alert:`; what stands between `expr:` and `for:` is its expression.
  return text
    .split('- alert: ')
    .slice(1)
    .map((block) => ({
      name: /^\w+/u.exec(block)?.[0] ?? '',
      expression: /expr:([\s\S]*?)\n\s+for:/u.exec(block)?.[1] ?? '',
      block,
    }))
}

/** Of a data source that a panel or a query of it names. */
interface DataSource {
  readonly type: string
  readonly uid: string
}

interface Panel {
  readonly id: number
  readonly title: string
  readonly datasource?: DataSource
  readonly fieldConfig?: { readonly defaults: { readonly unit?: string } }
  readonly type: string
  readonly description?: string
  readonly targets?: readonly {
    readonly refId: string
    readonly expr: string
    readonly datasource?: DataSource
  }[]
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
}

/** Ids of units that Grafana knows, of those that fit what we measure; one that it does not know is shown as a suffix. */
const UNITS = new Set(['short', 'none', 'percentunit', 's', 'ms', 'bytes', 'Bps', 'ops', 'cps'])

const dashboard = async () =>
  JSON.parse(await read('grafana/vigie.json')) as { readonly panels: readonly Panel[] }

describe('the alert rules', () => {
  it('name only metrics and values of labels that there are', async () => {
    const ofProcess = await namesOfProcess()
    const rules = await expressionsOfRules()
    expect(rules.length).toBeGreaterThan(10)
    for (const { name, expression } of rules) {
      const unknown = namesIn(expression).filter((each) => !SERIES.has(each) && !ofProcess.has(each))
      expect([name, expression.trim() === '', unknown, wrongLabels(expression)]).toEqual([
        name,
        false,
        [],
        [],
      ])
    }
  })

  it('each says what happened and what to do, has a severity, and is planted in a test', async () => {
    const tests = await read('prometheus/incidents.yml')
    for (const { name, block } of await expressionsOfRules()) {
      expect([name, /summary: .+/u.test(block), /action:\s*\S.{10}/su.test(block)]).toEqual([
        name,
        true,
        true,
      ])
      expect([name, /severity: (warning|critical)/u.test(block)]).toEqual([name, true])
      expect([
        name,
        tests.includes(`alertname="${name}",alertstate="firing"`),
        tests.includes(`alertname: ${name},`),
      ]).toEqual([name, true, true])
    }
  })
})

describe('the dashboard', () => {
  it('names only metrics and values of labels that there are, and shows every metric', async () => {
    const ofProcess = await namesOfProcess()
    const shown = new Set<string>()
    for (const { title, targets = [] } of (await dashboard()).panels)
      for (const { expr } of targets) {
        const names = namesIn(expr)
        const unknown = names.filter((each) => !SERIES.has(each) && !ofProcess.has(each))
        expect([title, names.length > 0, unknown, wrongLabels(expr)]).toEqual([title, true, [], []])
        for (const name of names) shown.add(name.replace(/_(bucket|sum|count)$/u, ''))
      }
    expect(METRICS.map(({ name }) => name).filter((name) => !shown.has(name))).toEqual([])
  })

  it('has panels of different ids, whose queries ask the source that is chosen, in units that Grafana knows', async () => {
    const { panels } = await dashboard()
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length)
    const chosen = { type: 'prometheus', uid: '${datasource}' }
    const charts = panels.filter(({ type }) => type !== 'row')
    expect(charts.length).toBeGreaterThan(10)
    for (const { title, datasource, fieldConfig, targets = [] } of charts) {
      const refs = targets.map(({ refId }) => refId)
      expect([title, datasource, refs.length > 0, new Set(refs).size]).toEqual([
        title,
        chosen,
        true,
        refs.length,
      ])
      for (const target of targets) expect([title, target.datasource]).toEqual([title, chosen])
      const unit = fieldConfig?.defaults.unit ?? 'none'
      expect([title, unit, UNITS.has(unit)]).toEqual([title, unit, true])
    }
    for (const { title, gridPos } of panels)
      expect([title, gridPos.x >= 0 && gridPos.x + gridPos.w <= 24]).toEqual([title, true])
  })

  it('explains each panel, and none covers another', async () => {
    const { panels } = await dashboard()
    const charts = panels.filter(({ type }) => type !== 'row')
    for (const { title, description = '' } of charts)
      expect([title, description.length > 10]).toEqual([title, true])
    for (const [place, a] of panels.entries())
      for (const b of panels.slice(place + 1)) {
        const [p, q] = [a.gridPos, b.gridPos]
        const isApart = p.x + p.w <= q.x || q.x + q.w <= p.x || p.y + p.h <= q.y || q.y + q.h <= p.y
        expect([a.title, b.title, isApart]).toEqual([a.title, b.title, true])
      }
  })
})
