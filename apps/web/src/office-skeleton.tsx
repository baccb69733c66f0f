import { Notice } from './account/notice.js'
import { Bone, BoneRows } from './look/bone.js'
import { usePlace } from './place.js'
import { useLanguage } from './texts/use-language.js'

interface OfficeSkeletonProps {
  /** The server has not answered. */
  readonly hasFailed: boolean
  readonly tryNow: () => void
  /** Back to who one can be. */
  readonly leave: () => void
}

const ROOMS = 9
const MEMBERS = 14
/** Lines of text as they come in a conversation, from the top. */
const LINES = [26, 34, 18, 42, 30, 22]

/** The outline of {@link Office}, while nothing is known: the same columns and heights, so that nothing moves. */
export function OfficeSkeleton({ hasFailed, tryNow, leave }: OfficeSkeletonProps) {
  const { texts } = useLanguage()
  const place = usePlace()
  return (
    <div className="office" data-screen={place.screen} data-testid="skeleton" aria-busy="true">
      <main className="main">
        <h1 className="sr-only">{texts.loading}</h1>
        <div className="head" aria-hidden="true">
          <span className="avatar" data-shape="square">
            <span className="avatar-face bone-face" />
          </span>
          <div className="head-text bone-lines">
            <Bone width={12} />
            <Bone width={9} />
          </div>
        </div>
        <div className="log-place" aria-hidden="true">
          <div className="log">
            {LINES.map((width) => (
              <div key={width} className="run">
                <span className="avatar">
                  <span className="avatar-face bone-face" />
                </span>
                <span className="bubble">
                  <Bone width={width} />
                </span>
              </div>
            ))}
          </div>
        </div>
        <p className="typing" />
        <div className="composer" aria-hidden="true">
          <span className="bone-field" />
          <span className="icon-button bone-button" />
        </div>
      </main>
      <div className="side" aria-hidden="true">
        <div className="account">
          <span className="avatar">
            <span className="avatar-face bone-face" />
          </span>
          <span className="account-text bone-lines">
            <Bone width={13} />
            <Bone width={7} />
          </span>
        </div>
        <div className="rooms">
          <div className="bone-title">
            <Bone width={11} />
          </div>
          <BoneRows kind="room" count={ROOMS} />
        </div>
      </div>
      {place.screen !== 'group' && (
        <div className="members" aria-hidden="true">
          <div className="head">
            <Bone width={8} />
          </div>
          <div className="member-lists">
            <div className="bone-title">
              <Bone width={7} />
            </div>
            <BoneRows kind="member" count={MEMBERS} />
          </div>
        </div>
      )}
      {hasFailed && (
        <Notice text={texts.noAnswerYet} testId="no-answer">
          <button type="button" className="link" onClick={tryNow}>
            {texts.tryNow}
          </button>
          <button type="button" className="link" onClick={leave}>
            {texts.someoneElse}
          </button>
        </Notice>
      )}
    </div>
  )
}
