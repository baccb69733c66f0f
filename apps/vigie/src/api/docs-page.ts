/** The document as a page: without a script, and with nothing from elsewhere. */
import { html } from 'hono/html'
import type { OpenApiDocument, Operation, Parameter } from './openapi.js'
import { PROBLEMS } from './problems.js'

export const DOCS_STYLE = `
:root { color-scheme: light dark; --line: light-dark(#d5dae1, #3a424e); --soft: light-dark(#f3f5f8, #1c2128); }
body { background: light-dark(#fff, #14181d); color: light-dark(#1b2026, #e6e9ee); font: 1rem/1.55 system-ui, sans-serif; margin: 0 auto; max-width: 60rem; padding: 1.5rem 1rem 4rem; }
a { color: light-dark(#0a53be, #8ab8ff); }
h2 { border-top: 1px solid var(--line); margin-top: 2.5rem; padding-top: 1.5rem; }
section { margin: 1.5rem 0; }
code, pre { font: 0.9em/1.5 ui-monospace, monospace; overflow-wrap: anywhere; }
pre { background: var(--soft); border: 1px solid var(--line); border-radius: 6px; padding: 0.75rem; white-space: pre-wrap; }
ul { padding-left: 1.25rem; }
dt { border-top: 1px solid var(--line); margin-top: 0.5rem; padding-top: 0.5rem; }
dd { margin: 0; }
summary { cursor: pointer; }
`

export function docsPage({ info, paths, components }: OpenApiDocument) {
  const operations = Object.entries(paths).flatMap(([path, byMethod]) =>
    Object.entries(byMethod).map(([method, operation]) => ({
      path,
      method: method.toUpperCase(),
      operation,
    })),
  )
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>Vigie ${info.version}: HTTP API</title>
        <link rel="stylesheet" href="/v1/docs.css" />
      </head>
      <body>
        <main>
          <h1>Vigie ${info.version}: HTTP API</h1>
          <p>${prose(info.description)}</p>
          <p>For programs: <a href="/v1/openapi.json">openapi.json</a> (OpenAPI 3.1).</p>
          <nav aria-label="Routes">
            <ul>
              ${operations.map(
                ({ method, path, operation }) =>
                  html`<li>
                    <a href="#${operation.operationId}"><code>${method} ${path}</code></a
                    >: ${prose(operation.summary)}
                  </li>`,
              )}
            </ul>
          </nav>
          <h2 id="routes">Routes</h2>
          ${operations.map(routeSection)}
          <h2 id="schemas">Answers</h2>
          ${Object.entries(components.schemas).map(
            ([name, schema]) =>
              html`<section>
                <h3 id="schema-${name}">${name}</h3>
                <details>
                  <summary>Schema</summary>
                  <pre>${JSON.stringify(schema, undefined, 2)}</pre>
                </details>
              </section>`,
          )}
          <h2 id="problems">Errors</h2>
          <dl>
            ${Object.entries(PROBLEMS).map(
              ([code, { status, title, next }]) =>
                html`<dt id="${code}"><code>${code}</code> (${status})</dt>
                  <dd>${prose(title)}. ${prose(next)}</dd>`,
            )}
          </dl>
        </main>
      </body>
    </html>`
}

interface Shown {
  readonly path: string
  readonly method: string
  readonly operation: Operation
}

function routeSection({ path, method, operation }: Shown) {
  const { operationId, summary, description, parameters = [], requestBody, responses } = operation
  const body = requestBody?.content['application/json']?.schema
  return html`<section>
    <h3 id="${operationId}"><code>${method} ${path}</code></h3>
    <p>${prose(`${summary} ${String(description)}`)}</p>
    <pre>${curlOf({ path, method, operation })}</pre>
    ${
      parameters.length === 0
        ? ''
        : html`<ul>
            ${parameters.map(
              ({ name, in: place, required, schema }) =>
                html`<li>
                  <code>${name}</code>, in the ${place}${required ? '' : ', if you like'}:
                  ${meaningOf(schema)}
                </li>`,
            )}
          </ul>`
    }
    ${
      body === undefined
        ? ''
        : html`<details>
            <summary>Body</summary>
            <pre>${JSON.stringify(body, undefined, 2)}</pre>
          </details>`
    }
    <ul>
      ${Object.entries(responses).map(
        ([status, response]) =>
          html`<li>
            <code>${status}</code>: ${prose(response.description)}${answerLink(response.content)}
          </li>`,
      )}
    </ul>
  </section>`
}

/** What stands between backticks is code, as in Markdown, which descriptions of OpenAPI are. */
function prose(text: string) {
  return text.split('`').map((part, place) => (place % 2 === 1 ? html`<code>${part}</code>` : part))
}

/** The words of a schema, or what it is made of where it has none. */
function meaningOf({ description, ...schema }: Parameter['schema']) {
  return typeof description === 'string' ? prose(description) : html`<code>${JSON.stringify(schema)}</code>`
}

function answerLink(content: Operation['responses'][string]['content']) {
  const reference = content?.['application/json']?.schema['$ref']
  if (typeof reference !== 'string') return ''
  const name = reference.slice(reference.lastIndexOf('/') + 1)
  return html` <a href="#schema-${name}">${name}</a>`
}

function curlOf({ path, method, operation }: Shown): string {
  const lines = [
    `curl ${method === 'GET' ? '' : `-X ${method} `}"$VIGIE_URL${path}"`,
    '-H "Authorization: Bearer $VIGIE_API_KEY"',
    ...(operation.requestBody ? [`-H 'Content-Type: application/json' -d '{ … }'`] : []),
  ]
  return lines.join(' \\\n  ')
}
