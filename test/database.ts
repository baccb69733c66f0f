import { randomBytes } from 'node:crypto'
import postgres from 'postgres'
import { inject } from 'vitest'

declare module 'vitest' {
  export interface ProvidedContext {
    /** A superuser's URL; tests make databases of their own with `freshDatabase`. */
    postgresUrl: string
  }
}

/** A database of one test's own. */
export interface TestDatabase extends AsyncDisposable {
  readonly url: string
  /** Ended with the database. */
  readonly sql: postgres.Sql
  /** One connection of its own, for transactions and roles; ended with the database. */
  session(): postgres.Sql
}

/**
 * Creates an empty database, dropped when the test leaves its scope, whoever is still connected.
 * @example await using database = await freshDatabase()
 */
export async function freshDatabase(clauses = ''): Promise<TestDatabase> {
  const server = connect(inject('postgresUrl'), 1)
  const name = `test_${randomBytes(6).toString('hex')}`
  await server.unsafe(`CREATE DATABASE ${name} ${clauses}`)
  const url = new URL(inject('postgresUrl'))
  url.pathname = name
  const sql = connect(url.href, 4)
  const clients = [sql]
  return {
    url: url.href,
    sql,
    session() {
      const session = connect(url.href, 1)
      clients.push(session)
      return session
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(clients.map((client) => client.end({ timeout: 1 })))
      await server.unsafe(`DROP DATABASE ${name} WITH (FORCE)`)
      await server.end({ timeout: 1 })
    },
  }
}

function connect(url: string, max: number): postgres.Sql {
  return postgres(url, { max, onnotice: () => {}, fetch_types: false })
}
