/**
 * The file that marks a state folder as one of runs on real Azure, and says where they rent. A lease has of its workspace
 * only the name that the settings give it: were that name to mean another workspace, the endpoints of the first would be
 * looked for in the second, found to be gone, and billed for ever.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Workspaces by the name that the settings give them, each as one text. */
export type Places = Readonly<Record<string, string>>;

export function isOfAzure(folder: string): boolean {
  return existsSync(markIn(folder));
}

/** Marks the folder; throws a sentence where a name meant another workspace before. A name once used stays known. */
export function markAsAzure(folder: string, places: Places): void {
  const known = readMark(folder);
  for (const [name, place] of Object.entries(places)) {
    const before = known[name];
    if (before !== undefined && before.toLowerCase() !== place.toLowerCase())
      throw new Error(
        `The state in ${folder} is of runs that rent in ${before} as "${name}", and the settings now name ${place}: what is alive there would be forgotten and go on to be billed. Name the first again, or give the other a name of its own in WORKSPACES, or a state of its own with FOUNDRY_BENCH_STATE.`,
      );
  }
  const draft = `${markIn(folder)}.tmp`;
  writeFileSync(draft, `${JSON.stringify({ ...known, ...places }, null, 2)}\n`);
  renameSync(draft, markIn(folder));
}

function markIn(folder: string): string {
  return join(folder, 'real-azure');
}

/** Empty where there is no mark, or one of before places were kept. */
function readMark(folder: string): Places {
  if (!isOfAzure(folder)) return {};
  const text = readFileSync(markIn(folder), 'utf8').trim();
  return text === '' ? {} : (JSON.parse(text) as Places);
}
