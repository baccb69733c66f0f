import { memoryUsage } from 'node:process'
import type { MetricFamily } from '@vigie/server'

/** How much memory this process has, under the names that Prometheus' clients have for it. */
export function processMetrics(): readonly MetricFamily[] {
  const { rss, heapUsed } = memoryUsage()
  return [
    gauge('process_resident_memory_bytes', 'Memory of the process that is not swapped out.', rss),
    gauge('nodejs_heap_size_used_bytes', 'What is in use of V8’s heap.', heapUsed),
  ]
}

function gauge(name: string, help: string, value: number): MetricFamily {
  return { name, kind: 'gauge', help, samples: [{ labels: {}, value }] }
}
