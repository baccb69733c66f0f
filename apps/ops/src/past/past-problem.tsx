import { useLanguage } from '../texts/use-language.js'
import { pastProblem } from './sentences.js'

interface PastProblemProps {
  readonly problem: unknown
  /** Asks again, at once. */
  readonly again: () => void
}

/** Why the audit trail did not answer; nothing where it did. */
export function PastProblem({ problem, again }: PastProblemProps) {
  const { texts } = useLanguage()
  if (problem === undefined) return null
  return (
    <p className="problem" role="alert" data-testid="past-problem">
      {pastProblem(problem, texts)}{' '}
      <button type="button" className="link" onClick={again}>
        {texts.tryNow}
      </button>
    </p>
  )
}
