import type { Monitor } from '@vigie/server/http'
import { useLanguage } from '../texts/use-language.js'

/** The servers: one now. */
export function Nodes({ answer }: { readonly answer: Monitor }) {
  const { texts, duration, moment } = useLanguage()
  const { node, version, startedAt, now } = answer
  // The server's clock tells how long it runs; this device's may be wrong.
  return (
    <section aria-labelledby="nodes-title" className="card">
      <h2 id="nodes-title">{texts.nodes}</h2>
      <dl className="facts" data-testid="node">
        <div>
          <dt>{texts.node}</dt>
          <dd>{node}</dd>
        </div>
        <div>
          <dt>{texts.version}</dt>
          <dd>{version}</dd>
        </div>
        <div>
          <dt>{texts.running}</dt>
          <dd title={moment(startedAt, now)}>{duration(now - startedAt)}</dd>
        </div>
      </dl>
    </section>
  )
}
