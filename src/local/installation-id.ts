/** The name of this installation on everything that it creates: random, and kept with its state. */
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';

/** The id in `file`, made on the first call. Throws a sentence where the file holds none. */
export function readInstallationId(file: string): string {
  if (!existsSync(file)) {
    writeFileSync(file, `local-${randomBytes(6).toString('hex')}\n`, { flag: 'wx' });
  }
  const id = readFileSync(file, 'utf8').trim();
  if (/^[A-Za-z0-9-]{1,40}$/.test(id)) return id;
  throw new Error(`${file} must hold 1 to 40 letters, digits and dashes; remove it to get a new id.`);
}
