interface SkipLinkProps {
  readonly label: string
  /** What takes the focus. */
  readonly selector: string
}

/** Shown once the keyboard reaches it. Not a link to an id: the address says where in the page one is. */
export function SkipLink({ label, selector }: SkipLinkProps) {
  return (
    <button
      type="button"
      className="skip"
      data-testid="skip"
      onClick={() => document.querySelector<HTMLElement>(selector)?.focus()}
    >
      {label}
    </button>
  )
}
