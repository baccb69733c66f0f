/** How often V8 collects the garbage of this process whole, and why: docs/decisions/garbage.md */
import { setFlagsFromString } from 'node:v8'

export const HEAP_FLAG = '--heap-growing-percent'

/** What is live may double before all of it is looked at again, unless whoever started Node has said how far it may grow. */
export function giveHeapRoom(
  execArgv: readonly string[] = process.execArgv,
  setFlag: (flag: string) => void = setFlagsFromString,
): void {
  if (!execArgv.some((argument) => argument.replaceAll('_', '-').startsWith(HEAP_FLAG)))
    setFlag(`${HEAP_FLAG}=100`)
}
