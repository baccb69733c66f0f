/**
 * An animated PNG of real screenshots, without a program for it: the browser that took them says what changed from one
 * moment to the next, and Node's zlib packs it, by the rules of https://www.w3.org/TR/png-3/. WebP would need an encoder:
 * the browser's own one makes each frame without loss twenty times as large.
 */
import { Buffer } from 'node:buffer'
import { crc32, deflateSync } from 'node:zlib'

/**
 * A part of the picture, and for how long it is the last word. `pixels` is RGBA; what did not change is transparent.
 * @typedef {{ x: number, y: number, width: number, height: number, pixels: Uint32Array, durationMs: number }} Frame
 */

/** A palette's first place is for what did not change. */
const COLORS_MAX = 255

/**
 * Puts windows side by side and keeps of each moment only what changed since the one before.
 * @param {import('playwright-core').Browser} browser
 * @param {{ readonly sizes: readonly { width: number, height: number }[], readonly gap: number, readonly ground: string }} look
 */
export async function createAnimation(browser, look) {
  const page = await browser.newPage()
  await page.evaluate(prepare, look)
  /** @type {Frame[]} */
  const frames = []
  return {
    /** @param {readonly Buffer[]} pictures one PNG of each window @param {number} durationMs how long they are shown */
    async add(pictures, durationMs) {
      const changed = await page.evaluate(
        draw,
        pictures.map((picture) => picture.toString('base64')),
      )
      const last = frames.at(-1)
      if (changed === undefined && last !== undefined) last.durationMs += durationMs
      if (changed === undefined) return
      const { base64, ...place } = changed
      const bytes = Buffer.from(base64, 'base64')
      const pixels = new Uint32Array(new Uint8Array(bytes).buffer)
      frames.push({ ...place, pixels, durationMs })
    },
    /** The file; it plays again and again. */
    async file() {
      await page.close()
      return animatedPng(frames)
    },
  }
}

/** Runs in the page: the canvas on which the windows stand. */
function prepare({ sizes, gap, ground }) {
  const canvas = document.createElement('canvas')
  canvas.width = sizes.reduce((sum, { width }) => sum + width + gap, gap)
  canvas.height = Math.max(...sizes.map(({ height }) => height)) + 2 * gap
  const context = canvas.getContext('2d', { willReadFrequently: true })
  globalThis.stage = { context, sizes, gap, ground, before: undefined }
}

/** Runs in the page: the smallest rectangle that differs from the moment before, what is the same in it transparent. */
async function draw(pictures) {
  const { context, sizes, gap, ground, before } = globalThis.stage
  const { width, height } = context.canvas
  // Anew each time: edges that are drawn over themselves are never the same twice.
  context.fillStyle = ground
  context.fillRect(0, 0, width, height)
  let left = gap
  for (const [place, picture] of pictures.entries()) {
    const image = new Image()
    image.src = `data:image/png;base64,${picture}`
    await image.decode()
    context.save()
    context.beginPath()
    context.roundRect(left, gap, sizes[place].width, sizes[place].height, 12)
    context.clip()
    context.drawImage(image, left, gap, sizes[place].width, sizes[place].height)
    context.restore()
    left += sizes[place].width + gap
  }
  const pixels = new Uint32Array(context.getImageData(0, 0, width, height).data.buffer)
  globalThis.stage.before = pixels
  let [minX, minY, maxX, maxY] = [width, height, -1, -1]
  for (let index = 0; index < pixels.length; index++) {
    if (before && pixels[index] === before[index]) continue
    const [x, y] = [index % width, Math.floor(index / width)]
    minX = Math.min(minX, x)
    minY = Math.min(minY, y)
    maxX = Math.max(maxX, x)
    maxY = Math.max(maxY, y)
  }
  if (maxX < 0) return undefined
  const part = new Uint32Array((maxX - minX + 1) * (maxY - minY + 1))
  for (let index = 0; index < part.length; index++) {
    const x = minX + (index % (maxX - minX + 1))
    const y = minY + Math.floor(index / (maxX - minX + 1))
    const from = y * width + x
    if (!before || pixels[from] !== before[from]) part[index] = pixels[from]
  }
  const bytes = new Uint8Array(part.buffer)
  const texts = []
  for (let at = 0; at < bytes.length; at += 32_768) {
    texts.push(String.fromCharCode(...bytes.subarray(at, at + 32_768)))
  }
  return {
    x: minX,
    y: minY,
    width: maxX - minX + 1,
    height: maxY - minY + 1,
    base64: btoa(texts.join('')),
  }
}

/** @param {readonly Frame[]} frames the first one is the whole picture */
export function animatedPng(frames) {
  const [{ width, height }] = frames
  const { colors, indexOf } = paletteOf(frames)
  let sequence = 0
  const numbered = (name, body) => {
    const number = Buffer.alloc(4)
    number.writeUInt32BE(sequence++)
    return chunk(name, Buffer.concat([number, body]))
  }
  const parts = frames.flatMap((frame, place) => {
    const data = packed(frame, indexOf)
    return [numbered('fcTL', controlOf(frame)), place === 0 ? chunk('IDAT', data) : numbered('fdAT', data)]
  })
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  // Eight bits a pixel, of a palette.
  header.set([8, 3, 0, 0, 0], 8)
  const control = Buffer.alloc(8)
  control.writeUInt32BE(frames.length, 0)
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk('IHDR', header),
    chunk('acTL', control),
    chunk('PLTE', Buffer.from([0, 0, 0, ...colors.flatMap(channelsOf)])),
    chunk('tRNS', Buffer.from([0])),
    ...parts,
    chunk('IEND', Buffer.alloc(0)),
  ])
}

/** Where a frame stands and for how long; it is drawn over the one before and stays for the next one. */
function controlOf({ x, y, width, height, durationMs }) {
  const control = Buffer.alloc(22)
  for (const [place, value] of [width, height, x, y].entries()) control.writeUInt32BE(value, 4 * place)
  control.writeUInt16BE(Math.min(65_535, Math.round(durationMs)), 16)
  control.writeUInt16BE(1_000, 18)
  control.set([0, 1], 20)
  return control
}

function packed({ width, height, pixels }, indexOf) {
  // Before each line the filter: none, which suits palettes.
  const lines = Buffer.alloc((width + 1) * height)
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) lines[y * (width + 1) + 1 + x] = indexOf(pixels[y * width + x])
  }
  return deflateSync(lines, { level: 9, memLevel: 9 })
}

/** The colours that are there most often; any other is shown as the nearest of them. */
function paletteOf(frames) {
  const counts = new Map()
  for (const { pixels } of frames) {
    for (const pixel of pixels) counts.set(pixel, (counts.get(pixel) ?? 0) + 1)
  }
  counts.delete(0)
  const colors = [...counts]
    .sort(([, one], [, other]) => other - one)
    .slice(0, COLORS_MAX)
    .map(([color]) => color)
  const known = new Map([[0, 0], ...colors.map((color, place) => [color, place + 1])])
  return {
    colors,
    indexOf(pixel) {
      const index = known.get(pixel) ?? nearest(colors, pixel) + 1
      known.set(pixel, index)
      return index
    },
  }
}

function nearest(colors, pixel) {
  const distance = (color) =>
    channelsOf(color).reduce((sum, value, place) => sum + (value - channelsOf(pixel)[place]) ** 2, 0)
  let best = 0
  for (let place = 1; place < colors.length; place++) {
    if (distance(colors[place]) < distance(colors[best])) best = place
  }
  return best
}

/** Of a pixel as a little-endian machine reads RGBA. */
function channelsOf(pixel) {
  return [pixel & 255, (pixel >> 8) & 255, (pixel >> 16) & 255]
}

function chunk(name, body) {
  const head = Buffer.alloc(8)
  head.writeUInt32BE(body.length)
  head.write(name, 4, 'latin1')
  const check = Buffer.alloc(4)
  check.writeUInt32BE(crc32(Buffer.concat([head.subarray(4), body])))
  return Buffer.concat([head, body, check])
}
