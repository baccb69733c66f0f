import { Session, type HeapProfiler, type Profiler } from 'node:inspector/promises'

/** A function and its part of something. */
export interface ProfileEntry {
  readonly place: string
  readonly share: number
}

/** Each list begins with the largest. */
export interface Profile {
  /** Processor time of functions themselves, in shares of what was not idle. */
  readonly own: readonly ProfileEntry[]
  /** The same with all that they call; functions of this project only. */
  readonly whole: readonly ProfileEntry[]
  /** Memory that functions asked for, whether or not it was soon free again: what the garbage collector works for. */
  readonly allocated: readonly ProfileEntry[]
}

const SAMPLE_US = 500
const SAMPLE_BYTES = 65_536
const ENTRIES = 30

/** Watches this process by samples until it is stopped. */
export async function startProfile(): Promise<{ stop(): Promise<Profile> }> {
  const session = new Session()
  session.connect()
  await session.post('Profiler.enable')
  await session.post('Profiler.setSamplingInterval', { interval: SAMPLE_US })
  await session.post('Profiler.start')
  await session.post('HeapProfiler.startSampling', {
    samplingInterval: SAMPLE_BYTES,
    includeObjectsCollectedByMajorGC: true,
    includeObjectsCollectedByMinorGC: true,
  } as HeapProfiler.StartSamplingParameterType)
  return {
    async stop() {
      const heap = await session.post('HeapProfiler.stopSampling')
      const { profile } = await session.post('Profiler.stop')
      session.disconnect()
      return { ...timesOf(profile), allocated: allocationsOf(heap.profile.head) }
    },
  }
}

function timesOf({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile): Pick<Profile, 'own' | 'whole'> {
  const byId = new Map(nodes.map((node) => [node.id, { place: placeOf(node.callFrame), parent: 0 }]))
  for (const { id, children = [] } of nodes) {
    for (const child of children) {
      const node = byId.get(child)
      if (node) node.parent = id
    }
  }
  const own = new Map<string, number>()
  const whole = new Map<string, number>()
  let busy = 0
  samples.forEach((id, index) => {
    const time = timeDeltas[index] ?? 0
    const place = byId.get(id)?.place ?? ''
    if (place.startsWith('(idle)')) return
    busy += time
    own.set(place, (own.get(place) ?? 0) + time)
    // Once for each function, also where it calls itself.
    const places = new Set<string>()
    for (let node = byId.get(id); node; node = byId.get(node.parent)) places.add(node.place)
    for (const each of places) whole.set(each, (whole.get(each) ?? 0) + time)
  })
  const ours = new Map([...whole].filter(([place]) => / (packages|bench)\//u.test(place)))
  return { own: largest(own, busy), whole: largest(ours, busy) }
}

function allocationsOf(head: HeapProfiler.SamplingHeapProfileNode): readonly ProfileEntry[] {
  const sizes = new Map<string, number>()
  let total = 0
  const nodes = [head]
  for (let node = nodes.pop(); node; node = nodes.pop()) {
    const place = placeOf(node.callFrame)
    sizes.set(place, (sizes.get(place) ?? 0) + node.selfSize)
    total += node.selfSize
    nodes.push(...node.children)
  }
  return largest(sizes, total)
}

function placeOf({ functionName, url, lineNumber }: Profiler.Profile['nodes'][number]['callFrame']): string {
  const file = url.replace(/^.*\/(?=(?:node_modules|packages|bench)\/)/u, '').replace(/^file:.*\//u, '')
  return `${functionName || '(anonymous)'} ${file}:${lineNumber + 1}`
}

function largest(amounts: ReadonlyMap<string, number>, total: number): readonly ProfileEntry[] {
  return [...amounts]
    .sort(([, a], [, b]) => b - a)
    .slice(0, ENTRIES)
    .map(([place, amount]) => ({ place, share: amount / total }))
}
