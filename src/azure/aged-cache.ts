/** What was read a while ago, with its age: bounded in time and in number. */
import type { Aged } from '../services.ts';

export interface AgedCache<Value> {
  /**
   * The value with the moment at which it was read: the kept one where it is young enough, else what `fetch` gives.
   * All who ask for a key meanwhile get that one answer, or its failure; a failure is not kept.
   */
  read(key: string, fetch: () => Promise<Value>): Promise<Aged<Value>>;
}

/** Beyond `limit` the entry that was set first is dropped. */
export function createAgedCache<Value>(options: {
  readonly keepMs: number;
  readonly limit: number;
  readonly now: () => number;
  /** What is not worth keeping is fetched again at the next question; all is where nothing is said. */
  readonly isWorthKeeping?: (value: Value) => boolean;
}): AgedCache<Value> {
  const { keepMs, limit, now, isWorthKeeping = () => true } = options;
  const entries = new Map<string, Aged<Value>>();
  const underWay = new Map<string, Promise<Aged<Value>>>();
  const keep = (key: string, value: Value): Aged<Value> => {
    const entry = { value, readAtMs: now() };
    if (!isWorthKeeping(value)) return entry;
    entries.delete(key);
    entries.set(key, entry);
    const oldest = entries.keys().next();
    if (entries.size > limit && !oldest.done) entries.delete(oldest.value);
    return entry;
  };
  return {
    async read(key, fetch) {
      const entry = entries.get(key);
      if (entry !== undefined && now() - entry.readAtMs < keepMs) return entry;
      const shared = underWay.get(key);
      if (shared !== undefined) return shared;
      const asked = fetch()
        .then((value) => keep(key, value))
        .finally(() => underWay.delete(key));
      underWay.set(key, asked);
      return asked;
    },
  };
}
