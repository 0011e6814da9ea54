/** What was read a while ago, with its age: bounded in time and in number. */
import type { Aged } from '../services.ts';

export interface AgedCache<Value> {
  /** The value with the moment at which it was read; null where there is none that is young enough. */
  get(key: string): Aged<Value> | null;
  set(key: string, value: Value): Aged<Value>;
}

/** Beyond `limit` the entry that was set first is dropped. */
export function createAgedCache<Value>(options: {
  readonly keepMs: number;
  readonly limit: number;
  readonly now: () => number;
}): AgedCache<Value> {
  const { keepMs, limit, now } = options;
  const entries = new Map<string, Aged<Value>>();
  return {
    get(key) {
      const entry = entries.get(key);
      return entry !== undefined && now() - entry.readAtMs < keepMs ? entry : null;
    },
    set(key, value) {
      const entry = { value, readAtMs: now() };
      entries.delete(key);
      entries.set(key, entry);
      const oldest = entries.keys().next();
      if (entries.size > limit && !oldest.done) entries.delete(oldest.value);
      return entry;
    },
  };
}
