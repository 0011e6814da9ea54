import { createHash } from 'node:crypto';
import { crc32, inflateSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { PAYLOAD_FAMILIES } from '../../src/core/requests/payload-families.ts';
import { readAudio, readFrames, writeImage } from '../../src/load/media.ts';

interface Png {
  readonly width: number;
  readonly height: number;
  /** Palette indexes, row by row. */
  readonly pixels: readonly number[];
}

/** Reads a PNG of 4 bits a pixel as strictly as any decoder: signature, checksums, zlib's own checksum, filters. */
function decodePng(base64: string): Png {
  const png = Buffer.from(base64, 'base64');
  expect(png.toString('base64')).toBe(base64);
  expect(png.subarray(0, 8).toString('latin1')).toBe('\x89PNG\r\n\x1a\n');
  const chunks: { type: string; data: Buffer }[] = [];
  for (let at = 8; at < png.length; ) {
    const length = png.readUInt32BE(at);
    const named = png.subarray(at + 4, at + 8 + length);
    expect(png.readUInt32BE(at + 8 + length)).toBe(crc32(named));
    chunks.push({ type: named.toString('latin1', 0, 4), data: named.subarray(4) });
    at += 12 + length;
  }
  expect(chunks.map((chunk) => chunk.type).filter((type) => type !== 'IDAT')).toEqual([
    'IHDR',
    'PLTE',
    'IEND',
  ]);
  const [header, palette] = chunks;
  expect([...(header?.data.subarray(8) ?? [])]).toEqual([4, 3, 0, 0, 0]);
  expect(palette?.data).toHaveLength(48);
  const width = header?.data.readUInt32BE(0) ?? 0;
  const height = header?.data.readUInt32BE(4) ?? 0;
  const data = chunks.filter((chunk) => chunk.type === 'IDAT').map((chunk) => chunk.data);
  const raw = inflateSync(Buffer.concat(data));
  const rowBytes = 1 + width / 2;
  expect(raw).toHaveLength(rowBytes * height);
  const pixels: number[] = [];
  for (let y = 0; y < height; y += 1) {
    expect(raw[y * rowBytes]).toBe(0);
    for (const byte of raw.subarray(y * rowBytes + 1, (y + 1) * rowBytes)) pixels.push(byte >> 4, byte & 15);
  }
  return { width, height, pixels };
}

const hash = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 16);

test('an image is a whole PNG, and a mark changes sixteen of its pixels', () => {
  const [first, second] = [decodePng(writeImage('0-abc: ')), decodePng(writeImage('1-abc: '))];
  expect(first).toMatchObject({ width: 336, height: 336 });
  const differing = first.pixels.flatMap((pixel, index) => (pixel === second.pixels[index] ? [] : [index]));
  expect(differing.length).toBeGreaterThan(0);
  expect(Math.max(...differing)).toBeLessThan(16);
  expect(new Set(first.pixels).size).toBeGreaterThan(12);
});

test('a thousand marks make a thousand good images, the same mark the same', () => {
  const images = Array.from({ length: 1_000 }, (_, index) => writeImage(`${index}-${index * 7}: `));
  expect(new Set(images)).toHaveLength(1_000);
  for (const image of images.slice(0, 50)) decodePng(image);
  expect(writeImage('3-21: ')).toBe(images[3]);
});

test('two scenes of one mark are two pictures', () => {
  const [one, two] = [decodePng(writeImage('x', 1)), decodePng(writeImage('x', 2))];
  const differing = one.pixels.filter((pixel, index) => pixel !== two.pixels[index]);
  expect(differing.length).toBeGreaterThan(one.pixels.length / 10);
});

test('ten different frames of 300 x 180 with sixteen actions each, 365 kB together', () => {
  const frames = readFrames();
  expect(new Set(frames.map((frame) => frame.image))).toHaveLength(10);
  for (const frame of frames) {
    expect(decodePng(frame.image)).toMatchObject({ width: 300, height: 180 });
    expect(frame.actions).toHaveLength(16);
    expect(frame.actions_output).toEqual(frame.actions);
    expect(frame.tokens).toEqual([]);
  }
  expect(JSON.stringify(frames)).toHaveLength(365_321);
});

test('the recording is a WAV file as long as its family counts, loud and not clipped', () => {
  const wav = Buffer.from(readAudio(), 'base64');
  expect(wav.toString('latin1', 0, 4) + wav.toString('latin1', 8, 16)).toBe('RIFFWAVEfmt ');
  expect(wav.readUInt32LE(4)).toBe(wav.length - 8);
  expect([wav.readUInt16LE(20), wav.readUInt16LE(22), wav.readUInt32LE(24), wav.readUInt16LE(34)]).toEqual([
    1, 1, 16_000, 16,
  ]);
  expect(wav.readUInt32LE(40)).toBe(wav.length - 44);
  expect((wav.length - 44) / wav.readUInt32LE(28)).toBe(PAYLOAD_FAMILIES.whisper.unitsPerRequest);
  const samples = new Int16Array(wav.buffer.slice(wav.byteOffset + 44, wav.byteOffset + wav.length));
  const peak = samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
  expect(peak).toBeGreaterThan(8_000);
  expect(peak).toBeLessThan(32_767);
});

test('the same bytes come of it on every machine', () => {
  expect({
    image: hash(writeImage('0-abc: ')),
    image2: hash(writeImage('0-abc: ', 2)),
    audio: hash(readAudio()),
    frames: hash(JSON.stringify(readFrames())),
  }).toMatchInlineSnapshot(`
    {
      "audio": "04449eb77d075f2f",
      "frames": "3cd0fa2fccaf507b",
      "image": "b3a39a99e8f0788d",
      "image2": "18c3a976fb5db3dd",
    }
  `);
});
