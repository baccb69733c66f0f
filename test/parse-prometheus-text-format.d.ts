/** The package brings no types. Values and counts come as text, as they stand there. */
declare module 'parse-prometheus-text-format' {
  interface Sample {
    readonly labels?: Readonly<Record<string, string>>
    readonly value?: string
    readonly buckets?: Readonly<Record<string, string>>
    readonly count?: string
    readonly sum?: string
  }
  // eslint-disable-next-line no-restricted-syntax -- the package exports nothing else
  export default function parse(text: string): readonly {
    readonly name: string
    readonly help: string
    readonly type: string
    readonly metrics: readonly Sample[]
  }[]
}
