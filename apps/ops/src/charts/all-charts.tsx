import { useEffect, useRef, useState } from 'react'
import { useMedia } from '@vigie/web/look/use-media.js'
import type { Point } from '../monitor/history.js'
import { useLanguage } from '../texts/use-language.js'
import { ChartCard } from './chart-card.js'
import { CHARTS } from './charts.js'

/** Charts creep on with each answer of the server. Who wants less motion sees them move this often. */
const CALM_MS = 10_000

/** All charts, in their two sections. */
export function Charts({ points }: { readonly points: readonly Point[] }) {
  const { texts } = useLanguage()
  const calm = useCalm(points, useMedia('(prefers-reduced-motion: reduce)') ? CALM_MS : 0)
  // The first numbers are shown at once.
  const shown = calm.length < 2 ? points : calm
  const sections = [
    ['delays', texts.delaysTitle],
    ['load', texts.loadTitle],
  ] as const
  return sections.map(([section, title]) => (
    <section key={section} aria-labelledby={`${section}-title`}>
      <h2 id={`${section}-title`}>{title}</h2>
      {section === 'delays' && <p className="soft charts-lead">{texts.delaysLead}</p>}
      <div className="charts">
        {CHARTS.filter((chart) => chart.section === section).map((chart) => (
          <ChartCard key={chart.id} chart={chart} points={shown} />
        ))}
      </div>
    </section>
  ))
}

/** `value`, but the same for at least `everyMs`; 0 is `value` itself. */
function useCalm<Value>(value: Value, everyMs: number): Value {
  const latest = useRef(value)
  const [calm, setCalm] = useState(value)
  useEffect(() => {
    latest.current = value
  }, [value])
  useEffect(() => {
    if (everyMs === 0) return undefined
    const show = () => setCalm(latest.current)
    show()
    const timer = setInterval(show, everyMs)
    return () => clearInterval(timer)
  }, [everyMs])
  return everyMs === 0 ? value : calm
}
