/**
 * Faults by name: whoever names an endpoint, a deployment or a model with `fault-` and one of the words of README.md
 * gets that fault, so that a demo, a script and a test can all ask for it and nothing has to be intercepted. Several
 * may stand in one name: `Phi-4-fault-deploy-outofcapacity-fault-delete-busy.3`. A number after a dot says how often.
 */

/** Words of faults as they stand in names, each with the number after its dot; null where there is none. */
export type Faults = ReadonlyMap<string, number | null>;

/** A name holds fewer; the bound keeps a hostile one from being worked on for long. */
const MOST_FAULTS = 10;

/** The faults that the names of an endpoint, its deployment and its model ask for together. */
export function readFaults(...names: readonly (string | null | undefined)[]): Faults {
  const faults = new Map<string, number | null>();
  for (const name of names) {
    for (const part of (name ?? '')
      .toLowerCase()
      .split('fault-')
      .slice(1, MOST_FAULTS + 1)) {
      const found = /^([a-z0-9]+(?:-[a-z0-9]+)*)(?:\.(\d{1,4}))?/.exec(part.replace(/-$/, ''));
      if (found?.[1] !== undefined) faults.set(found[1], found[2] === undefined ? null : Number(found[2]));
    }
  }
  return faults;
}

/** The name of the model that is meant, without the faults asked for with it: `Phi-4-fault-x` is `Phi-4`. */
export function withoutFaults(name: string): string {
  const at = name.toLowerCase().indexOf('-fault-');
  return at < 0 ? name : name.slice(0, at);
}
