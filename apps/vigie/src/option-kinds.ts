/** What an option may be. A kind reads text (environment) or JSON (file) and says in words what it accepts. */
export interface Kind<T> {
  /** `undefined` when `raw` is not acceptable. */
  readonly parse: (raw: unknown) => T | undefined
  /** Ends the sentence "it must be …". */
  readonly expects: string
}

/** What one kind yields. */
export type Parsed<K> = K extends Kind<infer T> ? T : never

// eslint-disable-next-line no-control-regex -- control characters are exactly what must not pass
const CONTROL = /[\u0000-\u001f\u007f]/u
const NUMBER = /^-?\d+(\.\d+)?$/u

function number(raw: unknown): number | undefined {
  if (typeof raw === 'number') return raw
  // `Number('')` is 0 and `Number('0x10')` is 16: only what looks like a number to a reader is one.
  return typeof raw === 'string' && NUMBER.test(raw) ? Number(raw) : undefined
}

export function whole(min: number, max: number): Kind<number> {
  return {
    expects: `a whole number from ${min} to ${max}`,
    parse: (raw) => {
      const value = number(raw)
      return value !== undefined && Number.isInteger(value) && value >= min && value <= max
        ? value
        : undefined
    },
  }
}

export function share(min: number, max: number): Kind<number> {
  return {
    expects: `a number from ${min} to ${max}`,
    parse: (raw) => {
      const value = number(raw)
      return value !== undefined && value >= min && value <= max ? value : undefined
    },
  }
}

export const flag: Kind<boolean> = {
  expects: '1 or 0',
  parse: (raw) => {
    if (raw === true || raw === '1' || raw === 'true') return true
    if (raw === false || raw === '0' || raw === 'false') return false
    return undefined
  },
}

export const text: Kind<string> = {
  expects: 'text without control characters',
  parse: (raw) => (typeof raw === 'string' && raw !== '' && !CONTROL.test(raw) ? raw : undefined),
}

export function url(...protocols: readonly string[]): Kind<string> {
  return {
    expects: `an address that begins with ${protocols.map((protocol) => `${protocol}//`).join(' or ')}`,
    parse: (raw) => {
      if (typeof raw !== 'string' || !URL.canParse(raw)) return undefined
      return protocols.includes(new URL(raw).protocol) ? raw : undefined
    },
  }
}

export function oneOf<const T extends string>(...words: readonly T[]): Kind<T> {
  return { expects: `one of ${words.join(', ')}`, parse: (raw) => words.find((word) => word === raw) }
}

/** Comma-separated in the environment, an array in the file. */
export function list<T>(item: Kind<T>, singular: string): Kind<readonly T[]> {
  return {
    expects: `a list of which each entry is ${singular}`,
    parse: (raw) => {
      const entries: unknown = typeof raw === 'string' ? raw.split(',').map((entry) => entry.trim()) : raw
      if (!Array.isArray(entries) || entries.length === 0) return undefined
      const parsed: T[] = []
      for (const entry of entries as readonly unknown[]) {
        const value = item.parse(entry)
        if (value === undefined) return undefined
        parsed.push(value)
      }
      return parsed
    },
  }
}

/** Pages inside an app have an origin of the app's own scheme, of which `URL` only says that it is opaque. */
const APP_ORIGIN = /^[a-z][a-z0-9+.-]*:\/\/[a-z0-9.-]+(:\d+)?$/u

/** What a browser sends as `Origin`, or `*`. A trailing slash would never match and is refused. */
export const origin: Kind<string> = {
  expects: 'an origin such as https://chat.example.org or capacitor://localhost, or *',
  parse: (raw) => {
    if (raw === '*') return '*'
    if (typeof raw !== 'string' || !URL.canParse(raw)) return undefined
    const { origin: own } = new URL(raw)
    return own === raw || (own === 'null' && APP_ORIGIN.test(raw)) ? raw : undefined
  },
}

/** Where a server answers. Each segment has a name, so that no client's library writes it in another way. */
export const path: Kind<string> = {
  expects: 'a path such as /socket.io/ or /chat/socket.io/',
  parse: (raw) =>
    typeof raw === 'string' && /^(\/[\w~-][\w.~-]*)+\/?$/u.test(raw) ? raw.replace(/\/?$/u, '/') : undefined,
}
