import { expect, it } from 'vitest'
import { AddressRefused, isPublicAddress, pinnedLookup } from '../../src/webhooks/addresses.js'

it.each([
  ...[
    '0.0.0.0',
    '0.1.2.3',
    '127.0.0.1',
    '127.9.9.9',
    '10.0.0.7',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
  ],
  ...[
    '169.254.169.254',
    '100.64.0.1',
    '100.127.255.255',
    '192.0.0.1',
    '192.0.2.1',
    '198.18.0.1',
    '224.0.0.1',
  ],
  ...['240.0.0.1', '255.255.255.255', '::', '::1', 'fe80::1', 'fe80::1%eth0', 'fc00::1', 'fd12:3456::1'],
  ...[
    'ff02::1',
    '::ffff:127.0.0.1',
    '::ffff:10.0.0.7',
    '::ffff:7f00:1',
    '::ffff:169.254.169.254',
    '::127.0.0.1',
  ],
  ...['64:ff9b::7f00:1', '64:ff9b:1::1', '2002:7f00:1::', '2001:db8::1', '2001::1', '::ffff:0:127.0.0.1'],
  ...['no address', '', '0x7f000001.', '127.1.1.1.1'],
])('%j is not public', (address) => {
  expect(isPublicAddress(address)).toBe(false)
})

it.each([
  ...['1.1.1.1', '172.32.0.1', '100.128.0.1', '192.169.0.1', '126.255.255.255', '223.255.255.255'],
  ...['2606:4700::1111', '::ffff:1.1.1.1'],
])('%j is public', (address) => {
  expect(isPublicAddress(address)).toBe(true)
})

const names =
  (...addresses: string[]) =>
  () =>
    Promise.resolve(addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })))

it('one private address among several refuses the name, and the sentence names it', async () => {
  const refused = pinnedLookup('hooks.example', {
    mayBePrivate: false,
    resolve: names('1.1.1.1', '10.0.0.7'),
  })
  await expect(refused).rejects.toThrow(AddressRefused)
  await expect(refused).rejects.toThrow('hooks.example leads to 10.0.0.7, which is not a public address')
})

it.each(['127.0.0.1', '[::1]', '[::ffff:10.0.0.7]', '0.0.0.0'])(
  'an address instead of a name: %s',
  async (host) => {
    await expect(pinnedLookup(host, { mayBePrivate: false })).rejects.toThrow(AddressRefused)
    await expect(pinnedLookup(host, { mayBePrivate: true })).resolves.toBeTypeOf('function')
  },
)

it('the name is resolved once: the connection gets what was checked, whatever the name leads to by then', async () => {
  let asked = 0
  const resolve = () => names(asked++ === 0 ? '1.1.1.1' : '127.0.0.1')()
  const lookup = await pinnedLookup('hooks.example', { mayBePrivate: false, resolve })
  const answers: unknown[] = []
  lookup('hooks.example', { all: true }, (...answer) => answers.push(answer))
  lookup('hooks.example', {}, (...answer) => answers.push(answer))
  expect(answers).toEqual([
    [null, [{ address: '1.1.1.1', family: 4 }]],
    [null, '1.1.1.1', 4],
  ])
  expect(asked).toBe(1)
})

it('a name without an address is refused', async () => {
  await expect(pinnedLookup('hooks.example', { mayBePrivate: true, resolve: names() })).rejects.toThrow(
    'no address',
  )
})
