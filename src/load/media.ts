/**
 * Images, a recording and frames of a game, made by the project itself: nothing to download, nobody's rights, and the
 * same bytes on every machine (no compressor takes part, whose output differs between processors). Sizes in bytes and
 * as base64: an image 56,941 and 75,924, the recording 160,044 and 213,392, a frame 27,308 and 36,412 (the ten with
 * their actions: 365,321 of JSON).
 *
 * Images differ from request to request in a few pixels, as prompts do in their first word: a server that keeps what
 * it made of an image would otherwise be measured from its second request on without the work.
 */
import { crc32 } from 'node:zlib';
import { deriveSeed } from '../core/statistics/seed.ts';

/** The tile of the vision models of the catalog (CLIP at 336 pixels); swinv2 and others scale it down. */
const IMAGE_PIXELS = 336;
/** What WHAM was trained on. */
const FRAME_WIDTH = 300;
const FRAME_HEIGHT = 180;
const FRAMES = 10;
/** Buttons and sticks of a game controller, as WHAM takes them. */
const FRAME_ACTIONS = 16;
const AUDIO_SECONDS = 5;
const AUDIO_HERTZ = 16_000;

/** One frame of the context that Muse continues. */
export interface GameFrame {
  readonly image: string;
  readonly actions: readonly number[];
  readonly actions_output: readonly number[];
  readonly tokens: readonly number[];
}

/** PNG images in base64, 336 x 336 in 16 colours. The same mark gives the same image, another mark another one. */
export function writeImage(mark: string, scene: 1 | 2 = 1): string {
  const { head, middle, tail } = readScene(scene);
  return head.write(mark) + middle + tail.write(mark);
}

/** A PNG image cut into what is the same for every mark, as base64, and what is not. */
interface Scene {
  readonly head: { write(mark: string): string };
  readonly middle: string;
  readonly tail: { write(mark: string): string };
}

const scenes = new Map<number, Scene>();

function readScene(scene: 1 | 2): Scene {
  const known = scenes.get(scene);
  if (known !== undefined) return known;
  const made = cutScene(drawLandscape(IMAGE_PIXELS, IMAGE_PIXELS, scene * 100));
  scenes.set(scene, made);
  return made;
}

/** Bytes of pixels at the beginning of the first row that a mark sets: sixteen pixels, 2^64 images. */
const MARK_BYTES = 8;
/** The first row's filter comes before its pixels. */
const MARK_FROM = 1;
/** Raw bytes of the first chunk of data: with the chunks before it a multiple of three, so that base64 can be cut. */
const FIRST_RAW_BYTES = 170;

/**
 * The chunks of a PNG such that a mark changes two small ones: the first row's, and the checksum of the whole at the
 * end, which is worked out from the sum without a mark. Cutting base64 is possible at multiples of three bytes.
 */
function cutScene(raw: Buffer): Scene {
  const before = Buffer.concat([
    PNG_SIGNATURE,
    pngChunk('IHDR', pngHeader(IMAGE_PIXELS, IMAGE_PIXELS)),
    pngChunk('PLTE', PALETTE),
  ]);
  const first = raw.subarray(0, FIRST_RAW_BYTES);
  const rest = pngChunk('IDAT', storedBlock(raw.subarray(FIRST_RAW_BYTES), true));
  const loose = rest.length % 3;
  const restEnd = rest.subarray(rest.length - loose);
  const plain = adler32(raw);
  return {
    head: {
      write(mark) {
        const row = Buffer.from(first);
        markBytes(mark).copy(row, MARK_FROM);
        const chunk = pngChunk('IDAT', Buffer.concat([ZLIB_HEADER, storedBlock(row, false)]));
        return Buffer.concat([before, chunk]).toString('base64');
      },
    },
    middle: rest.subarray(0, rest.length - loose).toString('base64'),
    tail: {
      write(mark) {
        const checksum = Buffer.alloc(4);
        checksum.writeUInt32BE(markedAdler32(plain, raw, markBytes(mark)));
        return Buffer.concat([restEnd, pngChunk('IDAT', checksum), PNG_END]).toString('base64');
      },
    },
  };
}

function markBytes(mark: string): Buffer {
  const bytes = Buffer.alloc(MARK_BYTES);
  bytes.writeUInt32BE(deriveSeed(1, mark), 0);
  bytes.writeUInt32BE(deriveSeed(2, mark), 4);
  return bytes;
}

/** Adler-32 of `raw` with the mark in it: each changed byte counts once in the low sum and once per byte after it in the high one. */
function markedAdler32(plain: number, raw: Buffer, mark: Buffer): number {
  let low = plain & 0xffff;
  let high = plain >>> 16;
  for (const [index, byte] of mark.entries()) {
    const change = byte - (raw[MARK_FROM + index] ?? 0);
    low += change;
    high += change * (raw.length - MARK_FROM - index);
  }
  return modulo(high, ADLER_MODULUS) * 65_536 + modulo(low, ADLER_MODULUS);
}

/** The ten frames that Muse gets: a walk to the right through one landscape. */
export function readFrames(): readonly GameFrame[] {
  frames ??= Array.from({ length: FRAMES }, (_, index) => ({
    image: encodePng(FRAME_WIDTH, FRAME_HEIGHT, drawLandscape(FRAME_WIDTH, FRAME_HEIGHT, index * 4)).toString(
      'base64',
    ),
    // The left stick to the right, everything else at rest.
    actions: Array.from({ length: FRAME_ACTIONS }, (_, action) => (action === 12 ? 1 : 0)),
    actions_output: Array.from({ length: FRAME_ACTIONS }, (_, action) => (action === 12 ? 1 : 0)),
    tokens: [],
  }));
  return frames;
}

let frames: readonly GameFrame[] | null = null;

/**
 * Five seconds of babble in base64: 16,000 samples/s of 16 bits in a WAV file. Vowels, so that a speech recognizer
 * hears a voice; what it makes of it is not defined.
 */
export function readAudio(): string {
  audio ??= encodeWav(babble()).toString('base64');
  return audio;
}

let audio: string | null = null;

const PNG_SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
const PNG_END = pngChunk('IEND', Buffer.alloc(0));
/** Deflate with a window of 32 kB, no dictionary. */
const ZLIB_HEADER = Buffer.from([0x78, 0x01]);
const ADLER_MODULUS = 65_521;

/** Sky from dark to light, a sun, two ranges of hills: colour 0 to 15. */
const PALETTE = Buffer.from(
  [
    '1b2a49 24406b 2f5a8e 3d76ac 5593c2 78b0d1 a3cbdb cfe3e0',
    'f6efc9 ffd23f 33691e 4b8b3b 6aa84f 3e2723 5d4037 8d6e63',
  ]
    .join(' ')
    .replaceAll(' ', ''),
  'hex',
);

/** Raw rows of a PNG of 4 bits a pixel: a filter byte (none), then two pixels a byte. Whole numbers only. */
function drawLandscape(width: number, height: number, shift: number): Buffer {
  const rowBytes = 1 + Math.ceil(width / 2);
  const raw = Buffer.alloc(rowBytes * height);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 2) {
      const left = colourAt(x, y, width, height, shift);
      const right = x + 1 < width ? colourAt(x + 1, y, width, height, shift) : 0;
      raw[y * rowBytes + 1 + x / 2] = (left << 4) | right;
    }
  }
  return raw;
}

function colourAt(x: number, y: number, width: number, height: number, shift: number): number {
  const far = height - Math.floor(height / 4) - zigzag(x + shift, 57, Math.floor(height / 6));
  const near = height - Math.floor(height / 8) - zigzag(x + 2 * shift + 31, 83, Math.floor(height / 9));
  const grain = (x * 7 + y * 13 + ((x * y) % 11)) % 3;
  if (y > near) return 13 + grain;
  if (y > far) return 10 + grain;
  const sunX = Math.floor((width * 3) / 4) - Math.floor(shift / 2);
  const sunY = Math.floor(height / 5);
  const radius = Math.floor(height / 12);
  if ((x - sunX) ** 2 + (y - sunY) ** 2 < radius * radius) return 9;
  return Math.min(8, Math.floor((y * 9) / height) + (grain === 2 ? 1 : 0));
}

/** Up and down again in each period, from 0 to the height. */
function zigzag(x: number, period: number, height: number): number {
  const at = modulo(x, period);
  return Math.floor((Math.min(at, period - at) * 2 * height) / period);
}

/** A whole PNG of 16 colours without compression. */
function encodePng(width: number, height: number, raw: Buffer): Buffer {
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32BE(adler32(raw));
  return Buffer.concat([
    PNG_SIGNATURE,
    pngChunk('IHDR', pngHeader(width, height)),
    pngChunk('PLTE', PALETTE),
    pngChunk('IDAT', Buffer.concat([ZLIB_HEADER, storedBlock(raw, true), checksum])),
    PNG_END,
  ]);
}

/** 4 bits a pixel, by palette, no interlace. */
function pngHeader(width: number, height: number): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header[8] = 4;
  header[9] = 3;
  return header;
}

function pngChunk(type: string, data: Buffer): Buffer {
  const named = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const chunk = Buffer.alloc(8 + named.length);
  chunk.writeUInt32BE(data.length, 0);
  named.copy(chunk, 4);
  chunk.writeUInt32BE(crc32(named), 4 + named.length);
  return chunk;
}

/** A block of deflate that holds its bytes as they are (RFC 1951, 3.2.4), at most 65,535 of them. */
function storedBlock(bytes: Buffer, last: boolean): Buffer {
  const head = Buffer.alloc(5);
  head[0] = last ? 1 : 0;
  head.writeUInt16LE(bytes.length, 1);
  head.writeUInt16LE(bytes.length ^ 0xffff, 3);
  return Buffer.concat([head, bytes]);
}

function adler32(bytes: Buffer): number {
  let low = 1;
  let high = 0;
  for (const byte of bytes) {
    low = (low + byte) % ADLER_MODULUS;
    high = (high + low) % ADLER_MODULUS;
  }
  return high * 65_536 + low;
}

function modulo(value: number, by: number): number {
  return ((value % by) + by) % by;
}

/** First two formants of the vowels a, e, i, o, u of a man's voice, in hertz (Peterson and Barney, 1952). */
const VOWELS = [
  [730, 1090],
  [530, 1840],
  [270, 2290],
  [570, 840],
  [300, 870],
] as const;
const VOICE_HERTZ = 120;
const SYLLABLES_PER_SECOND = 4;

/** Samples of syllables: each a vowel that swells and fades, as harmonics of the voice weighted by its formants. */
function babble(): Int16Array {
  const samples = new Int16Array(AUDIO_SECONDS * AUDIO_HERTZ);
  const syllable = AUDIO_HERTZ / SYLLABLES_PER_SECOND;
  for (let from = 0, index = 0; from < samples.length; from += syllable, index += 1) {
    const formants = VOWELS[(index * 3) % VOWELS.length] ?? VOWELS[0];
    for (let harmonic = 1; harmonic * VOICE_HERTZ < 3_500; harmonic += 1) {
      const hertz = harmonic * VOICE_HERTZ;
      const weight = formants.reduce((sum, formant) => sum + 1 / (1 + ((hertz - formant) / 120) ** 2), 0);
      for (let at = 0; at < syllable; at += 1) {
        const swell = Math.min(1, (4 * Math.min(at, syllable - at)) / syllable);
        const wave = Math.sin((2 * Math.PI * hertz * (from + at)) / AUDIO_HERTZ);
        samples[from + at] = (samples[from + at] ?? 0) + Math.round(4_000 * weight * swell * wave);
      }
    }
  }
  return samples;
}

/** One channel of 16 bits. */
function encodeWav(samples: Int16Array): Buffer {
  const data = Buffer.alloc(samples.length * 2);
  for (const [index, sample] of samples.entries()) data.writeInt16LE(sample, index * 2);
  const head = Buffer.alloc(44);
  head.write('RIFF', 0, 'latin1');
  head.writeUInt32LE(36 + data.length, 4);
  head.write('WAVEfmt ', 8, 'latin1');
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(1, 22);
  head.writeUInt32LE(AUDIO_HERTZ, 24);
  head.writeUInt32LE(AUDIO_HERTZ * 2, 28);
  head.writeUInt16LE(2, 32);
  head.writeUInt16LE(16, 34);
  head.write('data', 36, 'latin1');
  head.writeUInt32LE(data.length, 40);
  return Buffer.concat([head, data]);
}
