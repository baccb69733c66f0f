import type { ReactNode } from 'react'
import type { DeviceKind } from '../session/device.js'

/** Line drawings in the colour of the text around them. Each stands in a control that has a name. */
function Icon({ children }: { readonly children: ReactNode }) {
  return (
    <svg className="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      {children}
    </svg>
  )
}

export function BackIcon() {
  return (
    <Icon>
      <path d="M15 5l-7 7 7 7" />
    </Icon>
  )
}

export function PeopleIcon() {
  return (
    <Icon>
      <circle cx="9" cy="8" r="3.5" />
      <path d="M2.5 20c.6-4 3.2-6 6.5-6s5.9 2 6.5 6" />
      <path d="M16 4.8a3.5 3.5 0 0 1 0 6.4M18.4 14.6c1.7.9 2.8 2.7 3.1 5.4" />
    </Icon>
  )
}

export function SendIcon() {
  return (
    <Icon>
      <path d="M4 12l16-8-5 16-3.5-6.5z" />
      <path d="M11.5 13.5L20 4" />
    </Icon>
  )
}

/** A laptop, a phone or a tablet. */
export function DeviceIcon({ kind }: { readonly kind: DeviceKind }) {
  switch (kind) {
    case 'phone':
      return (
        <Icon>
          <rect x="7" y="2.5" width="10" height="19" rx="2" />
          <path d="M11 18.5h2" />
        </Icon>
      )
    case 'tablet':
      return (
        <Icon>
          <rect x="4.5" y="2.5" width="15" height="19" rx="2" />
          <path d="M10.5 18.5h3" />
        </Icon>
      )
    case 'computer':
      return (
        <Icon>
          <rect x="4" y="5" width="16" height="10.5" rx="1.5" />
          <path d="M2 19h20" />
        </Icon>
      )
  }
}

export function DownIcon() {
  return (
    <Icon>
      <path d="M5 9l7 7 7-7" />
    </Icon>
  )
}
