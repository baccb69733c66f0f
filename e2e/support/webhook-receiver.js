/**
 * A receiver of webhooks in a process of its own, that can be killed. Each request whose signature the specification's
 * library verifies is printed as `tried …`, before it is answered; then, by chance unless `MOOD` is `good`, it is taken,
 * taken and not answered, failed, redirected, cut, or left to hang. What is taken is printed as `taken …` first.
 */
import { createServer } from 'node:http'
import { env, stdout } from 'node:process'
import { Webhook } from 'standardwebhooks'

const { PORT, SECRET, MOOD } = env
const verifier = new Webhook(SECRET)
const MOODS = ['take', 'take', 'take', 'take', 'forget', 'fail', 'redirect', 'cut', 'hang']
// A pipe is written at once: what was printed is not lost with the process.
const print = (line) => stdout.write(`${line}\n`)

createServer((request, response) => {
  const parts = []
  request.on('error', () => {})
  request.on('data', (part) => parts.push(part))
  request.on('end', () => {
    if (request.url !== '/hook') {
      print(`followed ${request.url}`)
      response.writeHead(204).end()
      return
    }
    const body = Buffer.concat(parts).toString()
    try {
      verifier.verify(body, request.headers)
    } catch (error) {
      print(`forged ${error} ${body}`)
      response.writeHead(401).end()
      return
    }
    const { type, data } = JSON.parse(body)
    const told = JSON.stringify({
      id: request.headers['webhook-id'],
      type,
      subject: data.userId ?? data.conversationId,
      sequence: data.sequence,
    })
    print(`tried ${told}`)
    const mood = MOOD === 'good' ? 'take' : MOODS[Math.floor(Math.random() * MOODS.length)]
    if (mood === 'take' || mood === 'forget') print(`taken ${told}`)
    if (mood === 'take') response.writeHead(204).end()
    else if (mood === 'fail') response.writeHead(500).end()
    else if (mood === 'redirect') response.writeHead(307, { location: '/elsewhere' }).end()
    else if (mood === 'cut') request.socket.destroy()
  })
}).listen(Number(PORT), '127.0.0.1', () => print('listening'))
