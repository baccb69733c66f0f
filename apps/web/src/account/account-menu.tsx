import { useDevices } from '@vigie/client/react'
import { Avatar } from '../look/avatar.js'
import { Dot } from '../look/dot.js'
import { DeviceIcon, DownIcon } from '../look/icons.js'
import { Bone } from '../look/bone.js'
import { useNow } from '../look/use-now.js'
import { deviceKindOf } from '../session/device.js'
import { useSession } from '../session/use-session.js'
import { useLanguage } from '../texts/use-language.js'

const POPOVER_ID = 'my-devices'
const MINUTE_MS = 60_000

/** Oneself: on which devices, and the way out. The browser closes it on Escape and on a click elsewhere. */
export function AccountMenu({ signOut }: { readonly signOut: () => void }) {
  const { texts } = useLanguage()
  const { world } = useSession()
  const { count } = useDevices()
  const { me } = world
  return (
    <>
      <button
        type="button"
        className="account"
        popoverTarget={POPOVER_ID}
        data-testid="me"
        data-user={me.userId}
        data-count={count}
      >
        <Avatar id={me.userId} name={me.name}>
          <Dot userId={me.userId} />
        </Avatar>
        <span className="account-text">
          <span className="account-name" dir="auto">
            {me.name}
          </span>
          {/* Whoever asks is on one device at least: none means that it is not known yet. */}
          <span className="soft">{count === 0 ? <Bone width={7} /> : texts.devices(count)}</span>
        </span>
        <span className="sr-only">{texts.myAccount}</span>
        <DownIcon />
      </button>
      <section id={POPOVER_ID} popover="auto" className="sheet" aria-labelledby="my-devices-title">
        <h2 id="my-devices-title">{texts.myDevices}</h2>
        <DeviceList />
        <a className="link sheet-link" href="docs/client.md" target="_blank" rel="noreferrer">
          {texts.guide}
        </a>
        <button type="button" className="button" data-testid="sign-out" onClick={signOut}>
          {texts.signOut}
        </button>
      </section>
    </>
  )
}

function DeviceList() {
  const { texts, time, day } = useLanguage()
  const { deviceId } = useSession()
  const { devices } = useDevices()
  const now = useNow(MINUTE_MS)
  // The one in one's hands first.
  const sorted = [...devices].sort(
    (a, b) => Number(b.deviceId === deviceId) - Number(a.deviceId === deviceId) || a.since - b.since,
  )
  return (
    <ul className="devices">
      {sorted.map(({ deviceId: id, label, since }) => {
        const when = day(since, now) === texts.today ? time(since) : `${day(since, now)} ${time(since)}`
        return (
          <li key={id} data-testid="device" data-device={id} data-own={id === deviceId}>
            <DeviceIcon kind={deviceKindOf(label)} />
            <span>
              <span className="device-name">{label ?? texts.unnamedDevice}</span>
              <span className="soft">
                {id === deviceId && <strong>{texts.thisDevice} · </strong>}
                {texts.since(when)}
              </span>
            </span>
          </li>
        )
      })}
    </ul>
  )
}
