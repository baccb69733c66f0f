/** A place where something will stand that is not known yet. It says nothing, and has the height of a line of text. */
export function Bone({ width }: { readonly width: number }) {
  return <span className="bone" aria-hidden="true" style={{ width: `${width}ch` }} />
}

/** Widths as those of names, so that a list of them looks like one. */
const NAME_WIDTHS = [13, 11, 15, 9, 12, 14, 10, 12]

/** Rows of a list of conversations or people. */
export function BoneRows({ kind, count }: { readonly kind: 'room' | 'member'; readonly count: number }) {
  return (
    <ul className="bones" aria-hidden="true">
      {Array.from({ length: count }, (_, row) => {
        const width = NAME_WIDTHS[row % NAME_WIDTHS.length] ?? 12
        return (
          <li key={row} className={kind === 'room' ? 'row' : 'member'}>
            <span className="avatar">
              <span className="avatar-face bone-face" />
            </span>
            {kind === 'room' ? (
              <span className="row-text">
                <span className="row-line">
                  <Bone width={width} />
                </span>
                <span className="row-line">
                  <Bone width={width + 6} />
                </span>
              </span>
            ) : (
              <Bone width={width} />
            )}
          </li>
        )
      })}
    </ul>
  )
}
