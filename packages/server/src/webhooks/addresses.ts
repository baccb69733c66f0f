/** Which addresses a webhook may be sent to: without leave none that only this network, or this machine, can reach. */
import { lookup } from 'node:dns/promises'
import { isIP, type LookupFunction } from 'node:net'
import ipaddr from 'ipaddr.js'

/**
 * Whether everybody on the internet can reach the address. Loopback, private, link-local, unique-local, carrier-grade
 * NAT, 0.0.0.0, multicast and reserved ones are not; an IPv4 address inside IPv6 is what the IPv4 address is.
 */
export function isPublicAddress(address: string): boolean {
  if (!ipaddr.isValid(address)) return false
  // `process` takes an IPv4-mapped address for the IPv4 address that it is.
  return ipaddr.process(address).range() === 'unicast'
}

export class AddressRefused extends Error {}

export type Resolve = (
  host: string,
) => Promise<readonly { readonly address: string; readonly family: number }[]>

const resolveName: Resolve = (host) => lookup(host, { all: true })

/** An address of IPv6 without the brackets that it has in a URL. */
export function bareHost(host: string): string {
  return host.replace(/^\[|\]$/gu, '')
}

/**
 * The addresses that a request may connect to, and a `lookup` that knows only these: a name that is resolved again
 * between the check and the connection could lead elsewhere.
 * @throws AddressRefused when one of them is not public.
 */
export async function pinnedLookup(
  host: string,
  { mayBePrivate, resolve = resolveName }: { readonly mayBePrivate: boolean; readonly resolve?: Resolve },
): Promise<LookupFunction> {
  const bare = bareHost(host)
  const family = isIP(bare)
  const addresses = family === 0 ? await resolve(bare) : [{ address: bare, family }]
  if (addresses.length === 0) throw new AddressRefused(`${bare} has no address`)
  const refused = mayBePrivate ? undefined : addresses.find(({ address }) => !isPublicAddress(address))
  if (refused) throw new AddressRefused(`${bare} leads to ${refused.address}, which is not a public address`)
  return (_host, options, done) => {
    if (options.all) done(null, [...addresses])
    else done(null, addresses[0]?.address ?? '', addresses[0]?.family)
  }
}
