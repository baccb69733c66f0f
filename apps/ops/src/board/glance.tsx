import { promises } from '../charts/charts.js'
import { isGap } from '../monitor/history.js'
import type { MonitorState } from '../monitor/monitor.js'
import { measure, type Look, type Source } from '../monitor/measure.js'
import { useLanguage } from '../texts/use-language.js'

const USERS: Source = { kind: 'value', family: 'presence_users_online', fold: 'sum' }
const CONNECTIONS: Source = { kind: 'value', family: 'presence_connections', fold: 'sum' }
const GHOSTS: Source = { kind: 'value', family: 'presence_ghosts', fold: 'sum' }

/** What an operator wants to know first. */
export function Glance({ state }: { readonly state: MonitorState }) {
  const { texts, number } = useLanguage()
  const { answer, history } = state
  if (answer === undefined) return null
  const families = new Map(answer.metrics.map((family) => [family.name, family]))
  const run: readonly Look[] = [{ at: 0, serverAt: answer.now, process: '', families }]
  const now = (source: Source) => {
    const value = measure(source, run)
    return value === null ? texts.notReported : number(value)
  }
  const measured = promises(history.points.findLast((point) => !isGap(point))?.values ?? [])
  const broken = measured.filter(({ isKept }) => !isKept).map(({ chart }) => texts.charts[chart.id])
  const ghosts = measure(GHOSTS, run)
  return (
    <section aria-labelledby="glance-title" className="at-a-glance">
      <h2 id="glance-title" className="sr-only">
        {texts.glance}
      </h2>
      <dl className="glance">
        <Tile title={texts.usersOnline} value={now(USERS)} testId="users-online" />
        <Tile title={texts.connections} value={now(CONNECTIONS)} testId="connections" />
        <Tile
          title={texts.delays}
          value={
            broken.length > 0
              ? texts.delaysBroken(broken.join(', '))
              : measured.length > 0
                ? texts.delaysKept
                : texts.nothingMeasured
          }
          isBad={broken.length > 0}
          testId="delays"
        />
        <Tile
          title={texts.ghosts}
          value={now(GHOSTS)}
          help={texts.ghostsHelp}
          isBad={ghosts !== null && ghosts > 0}
          testId="ghosts"
        />
      </dl>
    </section>
  )
}

interface TileProps {
  readonly title: string
  readonly value: string
  readonly help?: string
  readonly isBad?: boolean
  readonly testId: string
}

function Tile({ title, value, help, isBad = false, testId }: TileProps) {
  // A number is large; a sentence is not.
  return (
    <div className="tile" data-bad={isBad} data-testid={testId}>
      <dt>{title}</dt>
      <dd className={value.length > 8 ? 'words' : 'figure'}>{value}</dd>
      {help !== undefined && <dd className="soft help">{help}</dd>}
    </div>
  )
}
