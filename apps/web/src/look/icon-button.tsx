import type { ReactNode } from 'react'

interface IconButtonProps {
  /** What it does, for whoever does not see the icon. */
  readonly label: string
  /** Where it is shown, as a class of the style sheet. */
  readonly shown: 'only-narrow' | 'not-three'
  readonly testId: string
  readonly onClick: () => void
  readonly children: ReactNode
}

export function IconButton({ label, shown, testId, onClick, children }: IconButtonProps) {
  return (
    <button
      type="button"
      className={`icon-button ${shown}`}
      aria-label={label}
      data-testid={testId}
      onClick={onClick}
    >
      {children}
    </button>
  )
}
