/** One part of a page imports the client, another requires it: there must be one class of each name all the same. */
import { PresenceError } from '@vigie/client'
import required from './bundled-part.cjs'

console.log(PresenceError === required.PresenceError)
