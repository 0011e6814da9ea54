/**
 * Which calls are to fail, and how: by sentinels in names (`faults.ts`), by rules that a test has set at the control
 * address, and by chance from a seed. What fails depends on resource, operation and the how-manieth call it is, never
 * on the time, so that the same calls fail again the same way.
 */
import { readFaults } from './faults.ts';
import { drawBetween } from './random.ts';

/** Rules held at once; a test has a handful. */
const MAX_RULES = 200;
/** Calls that are counted, together below 2 MB of the state file; those not counted for longest are forgotten first. */
const MAX_COUNTS = 5000;

/** The operation of a scoring call. */
const SCORE = 'score';

/** What refuses a call to ARM or loses it, in the order in which several in one name take effect. */
export const CALL_FAULTS = [
  'arm-401',
  'arm-403',
  'arm-404',
  'arm-409',
  'arm-429',
  'arm-500',
  'arm-503',
  'arm-504',
  'arm-reset',
  'arm-timeout',
  'arm-lost',
] as const;
export type CallFault = (typeof CALL_FAULTS)[number] | 'put-updating' | 'delete-busy';

/** What chance picks from; each is over at once and worth trying again. */
const CHAOS_ARM: readonly CallFault[] = ['arm-429', 'arm-500', 'arm-503', 'arm-reset'];
const CHAOS_SCORING = ['score-429', 'score-500', 'score-503', 'score-reset'] as const;

export interface Chaos {
  /** Of the calls, 0 to 100. */
  readonly percent: number;
  readonly seed: number;
}

/** One call of the control plane, as rules and sentinels see it. */
export interface Call {
  /** Verb and noun, as README.md lists them: `PUT endpoint`. */
  readonly operation: string;
  /** What it is about; the same for the same thing whichever way it is called. */
  readonly resource: string;
  /** The shorter names under which a rule may mean it: an endpoint's, `endpoint/deployment`. */
  readonly aliases: readonly string[];
  /** The names whose sentinels count: workspace, endpoint, deployments and their models. */
  readonly names: readonly string[];
  /** Whether the resource is there already. */
  readonly exists: boolean;
}

interface Verdict {
  readonly fault: CallFault | undefined;
  /** Sentinels that rules add to this call, to be read beside its names. */
  readonly asked: string;
}

interface Rule {
  readonly resource: string;
  readonly operation: string;
  /** Which of the calls that match, counted from 1: this one, or from this one on. */
  readonly from: number;
  readonly to: number;
  readonly fault: string;
  matched: number;
}

export class FaultPlan {
  readonly #chaos: Chaos;
  readonly #counts: Map<string, number>;
  #rules: Rule[] = [];

  /** Counts are those of an earlier plan, where it goes on. Throws where the share is no percentage. */
  constructor(chaos: Chaos | undefined, counts: Readonly<Record<string, number>>) {
    this.#chaos = chaos ?? { percent: 0, seed: 0 };
    const { percent } = this.#chaos;
    if (!(percent >= 0 && percent <= 100))
      throw new RangeError(`chaos.percent is ${percent}; it must be from 0 to 100.`);
    this.#counts = new Map(Object.entries(counts));
  }

  /** How often what was counted, to go on with after a restart. */
  get counts(): Record<string, number> {
    return Object.fromEntries(this.#counts);
  }

  get rules(): readonly Omit<Rule, 'from' | 'to'>[] {
    return this.#rules.map(({ from, to, ...rule }) => ({ ...rule, nth: viewNth(from, to) }));
  }

  /** Puts these rules in the place of those before. The answer is a sentence where they cannot be read. */
  replaceRules(body: unknown): string | undefined {
    if (!Array.isArray(body) || body.length > MAX_RULES) return `Send a list of at most ${MAX_RULES} rules.`;
    const rules = body.map(parseRule);
    const wrong = rules.indexOf(undefined);
    if (wrong >= 0) {
      return `Rule ${wrong + 1} cannot be read: it needs fault, and may have resource, operation (texts; * stands for any) and nth (a number from 1, or such as "2+").`;
    }
    this.#rules = rules.filter((rule) => rule !== undefined);
    return undefined;
  }

  /** Forgets all rules, and what was counted for sentinels and chance. */
  clear(): void {
    this.#rules = [];
    this.#counts.clear();
  }

  /** Counts this call and says what is to become of it: a rule's fault, else a sentinel's, else chance's. */
  judge(call: Call): Verdict {
    const ruled = this.#matchRules(call.operation, [call.resource, ...call.aliases]);
    const asked = ruled.map((fault) => `fault-${fault}`).join('-');
    const fault =
      ruled.find(isCallFault) ??
      this.#judgeSentinels(call) ??
      (this.#drawChaos(call, CHAOS_ARM) as CallFault);
    return { fault, asked };
  }

  /**
   * What is to become of a scoring call, for the data plane to ask once per call, or null: a rule's word, or by
   * chance `score-429`, `score-500`, `score-503` or `score-reset`.
   */
  judgeScoring(endpointName: string): string | null {
    const call = { operation: SCORE, resource: endpointName };
    const [ruled] = this.#matchRules(call.operation, [endpointName]);
    return ruled ?? this.#drawChaos(call, CHAOS_SCORING) ?? null;
  }

  /** Whether that fault strikes now, which it does the first `times` times that it is asked for this key. */
  strikes(word: string, key: string, times: number): boolean {
    const name = `${word} ${key.toLowerCase()}`;
    const count = this.#counts.get(name) ?? 0;
    if (count >= times) return false;
    this.#setCount(name, count + 1);
    return true;
  }

  #judgeSentinels(call: Call): CallFault | undefined {
    const faults = readFaults(...call.names);
    if (faults.size === 0) return undefined;
    const key = `${call.operation} ${call.resource}`;
    const struck = CALL_FAULTS.find((word) => this.#strikesBySentinel(faults, word, key));
    if (struck !== undefined) return struck;
    if (/^(PUT|PATCH) /.test(call.operation) && (call.exists || call.operation === 'PUT deployment')) {
      if (this.#strikesBySentinel(faults, 'put-updating', call.resource)) return 'put-updating';
    }
    if (/^DELETE /.test(call.operation) && call.exists) {
      if (this.#strikesBySentinel(faults, 'delete-busy', call.resource)) return 'delete-busy';
    }
    return undefined;
  }

  #strikesBySentinel(faults: ReadonlyMap<string, number | null>, word: string, key: string): boolean {
    return faults.has(word) && this.strikes(word, key, faults.get(word) ?? 1);
  }

  #matchRules(operation: string, resources: readonly string[]): string[] {
    const faults: string[] = [];
    for (const rule of this.#rules) {
      // Scoring has to be named: a rule for any call means those of the control plane.
      if (!matches(rule.operation, operation) || (operation === SCORE) !== (rule.operation === SCORE))
        continue;
      if (!resources.some((resource) => matches(rule.resource, resource))) continue;
      rule.matched += 1;
      if (rule.matched >= rule.from && rule.matched <= rule.to) faults.push(rule.fault);
    }
    return faults;
  }

  #drawChaos<Word extends string>(
    { operation, resource }: { operation: string; resource: string },
    words: readonly Word[],
  ): Word | undefined {
    const { percent, seed } = this.#chaos;
    if (percent === 0) return undefined;
    const name = `chaos ${operation} ${resource.toLowerCase()}`;
    const nth = (this.#counts.get(name) ?? 0) + 1;
    this.#setCount(name, nth);
    if (drawBetween(0, 100, seed, name, nth) >= percent) return undefined;
    return words[Math.floor(drawBetween(0, words.length, seed, 'which', name, nth))];
  }

  #setCount(name: string, count: number): void {
    this.#counts.delete(name);
    this.#counts.set(name, count);
    const [oldest] = this.#counts.keys();
    if (this.#counts.size > MAX_COUNTS && oldest !== undefined) this.#counts.delete(oldest);
  }
}

function isCallFault(fault: string): fault is CallFault {
  return CALL_FAULTS.some((word) => word === fault) || fault === 'put-updating' || fault === 'delete-busy';
}

function parseRule(value: unknown): Rule | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { resource = '*', operation = '*', nth, fault } = value as Readonly<Record<string, unknown>>;
  if (typeof resource !== 'string' || typeof operation !== 'string') return undefined;
  if (typeof fault !== 'string' || !/^[a-z0-9]+(-[a-z0-9]+)*(\.\d{1,4})?$/.test(fault)) return undefined;
  const range = parseNth(nth);
  return range && { resource, operation, ...range, fault, matched: 0 };
}

function parseNth(nth: unknown): { from: number; to: number } | undefined {
  if (nth === undefined) return { from: 1, to: Number.POSITIVE_INFINITY };
  const [, from, open] = /^([1-9]\d{0,5})(\+?)$/.exec(String(nth)) ?? [];
  if (from === undefined) return undefined;
  return { from: Number(from), to: open === '+' ? Number.POSITIVE_INFINITY : Number(from) };
}

function viewNth(from: number, to: number): number | string | undefined {
  if (from === to) return from;
  return from === 1 ? undefined : `${from}+`;
}

/** Capitals do not matter, and an asterisk at the end stands for any rest. */
function matches(pattern: string, text: string): boolean {
  const [wanted, given] = [pattern.toLowerCase(), text.toLowerCase()];
  return wanted.endsWith('*') ? given.startsWith(wanted.slice(0, -1)) : given === wanted;
}
