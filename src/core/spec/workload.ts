/**
 * What is asked of a model: the lengths of prompts and answers, fixed or distributed, a scenario by name, or the
 * user's own requests. However it was written, a workload is stored as one object that parses to itself again.
 */
import { z } from 'zod';
import { REQUEST_SET_NAME, REQUEST_SET_NAME_RULE } from '../requests/request-set-name.ts';
import { isScenario, SCENARIO_NAMES, SCENARIOS } from './scenarios.ts';
import { SPEC_BOUNDS } from './spec-bounds.ts';

/** Lengths are in tokens of the model. */
export interface Workload {
  /** The length of each prompt, or the median where `promptTokensP95` is there. */
  readonly promptTokens: number;
  /** The same of answers. */
  readonly outputTokens: number;
  /** 95 % of the prompts are not longer: their lengths are log-normal through the median and this. */
  readonly promptTokensP95?: number;
  readonly outputTokensP95?: number;
  /** A scenario; its lengths stand beside it. */
  readonly name?: string;
  /** So many first tokens are the same in all requests, for a prefix cache to find. Absent, every prompt is new from its first word on. */
  readonly sharedPrefixTokens?: number;
  /**
   * A request set of the user's own, which is sent as it is. `outputTokens` is then what lines without their own ask
   * for, and `promptTokens` the set's estimated median.
   */
  readonly requests?: string;
  /** Which content of the set is meant; a set that was replaced since has another. */
  readonly requestsDigest?: string;
}

/** The part of a cell's name that tells its workload. Letters, digits and dashes: safe in keys, CSV and file names. */
export function workloadId(workload: Workload): string {
  const { requests, name, sharedPrefixTokens } = workload;
  const output = length('o', workload.outputTokens, workload.outputTokensP95);
  const prompt = length('p', workload.promptTokens, workload.promptTokensP95);
  const shape = requests !== undefined ? `requests-${requests}-${output}` : (name ?? `${prompt}-${output}`);
  return sharedPrefixTokens === undefined ? shape : `${shape}-s${sharedPrefixTokens}`;
}

/** Each of them once, in the order in which they come. */
export function distinctWorkloads(workloads: readonly Workload[]): Workload[] {
  return [...new Map(workloads.map((workload) => [workloadId(workload), workload])).values()];
}

export function sameWorkload(one: Workload, other: Workload): boolean {
  return workloadId(one) === workloadId(other);
}

/** `p512`, and `p512to2048` where 512 is the median and 2,048 the 95th percentile. */
function length(letter: string, tokens: number, p95: number | undefined): string {
  return p95 === undefined ? `${letter}${tokens}` : `${letter}${tokens}to${p95}`;
}

const DEFAULT: Workload = { promptTokens: 512, outputTokens: 128 };

/** What a list of workloads may look like, for a fault's sentence. */
const FORMS =
  'a list of {"promptTokens","outputTokens"}, of names of scenarios such as "chatbot" and of {"requests":"name"}, or {"promptTokens":[...],"outputTokens":[...]} for every combination';

export const workloads = z
  .unknown()
  .transform((input, context): Workload[] => {
    const faults: PathFault[] = [];
    const list = readWorkloads(input, faults);
    for (const { path, message } of faults)
      context.issues.push({ code: 'custom', message, path: [...path], input });
    return faults.length > 0 ? z.NEVER : list;
  })
  .default([DEFAULT]);

interface PathFault {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

function readWorkloads(input: unknown, faults: PathFault[]): Workload[] {
  const list = Array.isArray(input)
    ? readList(input, faults)
    : isObject(input)
      ? readProduct(input, faults)
      : null;
  if (list === null) faults.push({ path: [], message: `must be ${FORMS}` });
  else if (faults.length === 0) checkTogether(list, faults);
  return list ?? [];
}

function checkTogether(list: readonly Workload[], faults: PathFault[]): void {
  const refuse = (message: string) => faults.push({ path: [], message });
  if (list.length === 0) refuse('must name at least one workload');
  if (list.length > SPEC_BOUNDS.workloads)
    refuse(`must have at most ${SPEC_BOUNDS.workloads} workloads, combinations counted`);
  const ids = list.map(workloadId);
  const twice = ids.find((id, index) => ids.indexOf(id) < index);
  if (twice !== undefined) refuse(`must not name the same workload twice (${twice})`);
}

function readList(input: readonly unknown[], faults: PathFault[]): Workload[] {
  // One more than are allowed, for the fault that says so.
  return input.slice(0, SPEC_BOUNDS.workloads + 1).map((item, index) => {
    if (typeof item !== 'string') return readWorkload(item, [index], faults);
    if (isScenario(item)) return { ...SCENARIOS[item], name: item };
    faults.push({
      path: [index],
      message: `is not a scenario; they are ${SCENARIO_NAMES}. Any other workload is an object such as {"promptTokens":512,"outputTokens":128}`,
    });
    return DEFAULT;
  });
}

const FIELDS = [
  'promptTokens',
  'outputTokens',
  'promptTokensP95',
  'outputTokensP95',
  'name',
  'sharedPrefixTokens',
  'requests',
  'requestsDigest',
];

function readWorkload(input: unknown, at: readonly (string | number)[], faults: PathFault[]): Workload {
  if (!isObject(input)) {
    const message =
      'must be an object such as {"promptTokens":512,"outputTokens":128} or {"requests":"name"}, or the name of a scenario';
    faults.push({ path: at, message });
    return DEFAULT;
  }
  refuseUnknown(input, FIELDS, at, faults);
  const known = knownLengths(input, at, faults);
  const prompt = readLength(input, 'promptTokens', known, at, faults);
  const output = readLength(input, 'outputTokens', known, at, faults);
  const workload: Workload = {
    promptTokens: prompt.p50,
    outputTokens: output.p50,
    ...(prompt.p95 !== undefined && { promptTokensP95: prompt.p95 }),
    ...(output.p95 !== undefined && { outputTokensP95: output.p95 }),
    ...(isScenario(input.name) && { name: input.name }),
    ...readSharedPrefix(input, prompt.p50, at, faults),
    ...(typeof input.requests === 'string' && { requests: input.requests }),
    ...(typeof input.requestsDigest === 'string' && { requestsDigest: input.requestsDigest }),
  };
  checkRequests(workload, input, at, faults);
  checkScenario(workload, at, faults);
  return workload;
}

/** Lengths that are known without being told: those of a scenario, and what a request set does not tell. */
function knownLengths(
  input: Readonly<Record<string, unknown>>,
  at: readonly (string | number)[],
  faults: PathFault[],
): Pick<Workload, 'promptTokens' | 'outputTokens'> | null {
  const { name, requests } = input;
  if (isScenario(name)) return SCENARIOS[name];
  if (name !== undefined) {
    faults.push({
      path: [...at, 'name'],
      message: `must be the name of a scenario: ${SCENARIO_NAMES}; leave it out for lengths of your own`,
    });
    return DEFAULT;
  }
  return requests === undefined ? null : DEFAULT;
}

function checkScenario(
  { name, ...lengths }: Workload,
  at: readonly (string | number)[],
  faults: PathFault[],
) {
  if (!isScenario(name)) return;
  const { promptTokens, outputTokens } = SCENARIOS[name];
  const isOwn =
    lengths.promptTokens === promptTokens &&
    lengths.outputTokens === outputTokens &&
    lengths.promptTokensP95 === undefined &&
    lengths.outputTokensP95 === undefined;
  if (!isOwn) {
    faults.push({
      path: [...at, 'name'],
      message: `"${name}" has ${promptTokens} prompt and ${outputTokens} output tokens; leave the name out for other lengths`,
    });
  }
}

function checkRequests(
  workload: Workload,
  input: Readonly<Record<string, unknown>>,
  at: readonly (string | number)[],
  faults: PathFault[],
): void {
  const { requests, requestsDigest } = input;
  if (requests === undefined) {
    if (requestsDigest !== undefined)
      faults.push({ path: [...at, 'requestsDigest'], message: 'goes with "requests" only; remove it' });
    return;
  }
  if (typeof requests !== 'string' || !REQUEST_SET_NAME.test(requests))
    faults.push({ path: [...at, 'requests'], message: REQUEST_SET_NAME_RULE });
  if (
    requestsDigest !== undefined &&
    (typeof requestsDigest !== 'string' || !/^[0-9a-f]{16}$/.test(requestsDigest))
  ) {
    faults.push({
      path: [...at, 'requestsDigest'],
      message: 'must be the digest that GET /api/request-sets tells, 16 hexadecimal digits',
    });
  }
  for (const field of ['name', 'sharedPrefixTokens', 'promptTokensP95', 'outputTokensP95'] as const) {
    if (workload[field] !== undefined)
      faults.push({
        path: [...at, field],
        message: 'does not go with "requests", which are sent as they are; remove it',
      });
  }
}

function readSharedPrefix(
  input: Readonly<Record<string, unknown>>,
  promptTokens: number,
  at: readonly (string | number)[],
  faults: PathFault[],
): Pick<Workload, 'sharedPrefixTokens'> {
  const { sharedPrefixTokens } = input;
  // 0 is what is meant by leaving it out, and is stored as that.
  if (sharedPrefixTokens === undefined || sharedPrefixTokens === 0) return {};
  const path = [...at, 'sharedPrefixTokens'];
  if (!isWhole(sharedPrefixTokens, SPEC_BOUNDS.promptTokens)) {
    faults.push({ path, message: `must be a whole number from 0 to ${SPEC_BOUNDS.promptTokens}` });
    return {};
  }
  if (sharedPrefixTokens >= promptTokens) {
    faults.push({
      path,
      message: `must be below the prompt's ${promptTokens} tokens, or all prompts would be one`,
    });
  }
  return { sharedPrefixTokens };
}

interface Length {
  readonly p50: number;
  readonly p95?: number;
}

/** A length as a number, as {"p50","p95"}, or as a number with its `...P95` beside it, which is how it is stored. */
function readLength(
  input: Readonly<Record<string, unknown>>,
  field: 'promptTokens' | 'outputTokens',
  known: Pick<Workload, 'promptTokens' | 'outputTokens'> | null,
  at: readonly (string | number)[],
  faults: PathFault[],
): Length {
  const p95 = input[`${field}P95`];
  const given = input[field] ?? known?.[field];
  if (given === undefined) {
    faults.push({ path: [...at, field], message: `is missing; it ${sizeRule(SPEC_BOUNDS[field])}` });
    return { p50: 1 };
  }
  if (p95 === undefined) return readSize(given, SPEC_BOUNDS[field], [...at, field], faults);
  if (isObject(given)) {
    faults.push({
      path: [...at, `${field}P95`],
      message: `is said twice; leave it to the "p95" of ${field}`,
    });
    return { p50: 1 };
  }
  return readSize({ p50: given, p95 }, SPEC_BOUNDS[field], [...at, field], faults, `${field}P95`);
}

/** `p95At` names the field beside it that holds the 95th percentile; without, it stands inside. */
function readSize(
  size: unknown,
  most: number,
  at: readonly (string | number)[],
  faults: PathFault[],
  p95At?: string,
): Length {
  if (!isObject(size)) {
    if (isWhole(size, most)) return { p50: size };
    faults.push({ path: at, message: sizeRule(most) });
    return { p50: 1 };
  }
  const p50Path = p95At === undefined ? [...at, 'p50'] : at;
  const p95Path = p95At === undefined ? [...at, 'p95'] : [...at.slice(0, -1), p95At];
  if (p95At === undefined) refuseUnknown(size, ['p50', 'p95'], at, faults);
  const { p50, p95 } = size;
  if (!isWhole(p50, most)) faults.push({ path: p50Path, message: wholeRule(most) });
  if (!isWhole(p95, most)) faults.push({ path: p95Path, message: wholeRule(most) });
  if (!isWhole(p50, most) || !isWhole(p95, most)) return { p50: 1 };
  if (p95 < p50) faults.push({ path: p95Path, message: `must not be below the median of ${p50}` });
  // A distribution of one length is that length.
  return p95 === p50 ? { p50 } : { p50, p95 };
}

function readProduct(input: Readonly<Record<string, unknown>>, faults: PathFault[]): Workload[] {
  refuseUnknown(input, ['promptTokens', 'outputTokens', 'sharedPrefixTokens'], [], faults);
  const prompts = readSizes(input, 'promptTokens', faults);
  const outputs = readSizes(input, 'outputTokens', faults);
  const shortest = Math.min(...prompts.map((size) => size.p50));
  const shared = readSharedPrefix(input, shortest, [], faults);
  if (faults.length > 0) return [];
  return prompts.flatMap((prompt) =>
    outputs.map((output) => ({
      promptTokens: prompt.p50,
      outputTokens: output.p50,
      ...(prompt.p95 !== undefined && { promptTokensP95: prompt.p95 }),
      ...(output.p95 !== undefined && { outputTokensP95: output.p95 }),
      ...shared,
    })),
  );
}

function readSizes(
  input: Readonly<Record<string, unknown>>,
  field: 'promptTokens' | 'outputTokens',
  faults: PathFault[],
): Length[] {
  const sizes = input[field];
  const refuse = (message: string): Length[] => {
    faults.push({ path: [field], message });
    return [];
  };
  if (sizes === undefined) return refuse('is missing; it must be a list of sizes such as [64,128]');
  if (!Array.isArray(sizes))
    return refuse(`must be a list of sizes such as [64,128]; a single workload stands in a list: ${FORMS}`);
  if (sizes.length === 0) return refuse('must name at least one size');
  if (sizes.length > SPEC_BOUNDS.workloads) return refuse(`must have at most ${SPEC_BOUNDS.workloads} sizes`);
  return sizes.map((size, index) => readSize(size, SPEC_BOUNDS[field], [field, index], faults));
}

function refuseUnknown(
  input: Readonly<Record<string, unknown>>,
  fields: readonly string[],
  at: readonly (string | number)[],
  faults: PathFault[],
): void {
  for (const field of Object.keys(input)) {
    if (!fields.includes(field))
      faults.push({ path: [...at, field], message: 'is not a field of a spec; remove it' });
  }
}

function wholeRule(most: number): string {
  return `must be a whole number from 1 to ${most}`;
}

function sizeRule(most: number): string {
  return `${wholeRule(most)}, or a distribution such as {"p50":512,"p95":2048}`;
}

function isWhole(value: unknown, most: number): value is number {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= most;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
