import { execFileSync } from 'node:child_process'
import { describe, expect, it, vi } from 'vitest'
import { giveHeapRoom, HEAP_FLAG } from '../src/garbage.js'

describe('room for the heap', () => {
  it('is twice what is live', () => {
    const setFlag = vi.fn()
    giveHeapRoom(['--enable-source-maps'], setFlag)
    expect(setFlag.mock.calls).toEqual([['--heap-growing-percent=100']])
  })

  it('is what whoever started Node has said, in either spelling', () => {
    const setFlag = vi.fn()
    giveHeapRoom(['--heap-growing-percent=20'], setFlag)
    giveHeapRoom(['--heap_growing_percent=20'], setFlag)
    expect(setFlag).not.toHaveBeenCalled()
  })

  it('is asked for by a name that this Node knows', () => {
    expect(execFileSync(process.execPath, ['--v8-options'], { encoding: 'utf8' })).toContain(`${HEAP_FLAG} `)
  })
})
