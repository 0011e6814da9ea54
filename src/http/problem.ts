/**
 * What went wrong with a call, as RFC 9457 problem details with every fault at once. Handlers throw a `Problem`;
 * `answer.ts` turns it into a response in one place.
 */
import type { Fault } from '../core/failure.ts';

export class Problem extends Error {
  readonly status: number;
  readonly title: string;
  readonly faults: readonly Fault[];
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    title: string,
    detail: string,
    faults: readonly Fault[] = [],
    headers: Record<string, string> = {},
  ) {
    super(detail);
    this.name = 'Problem';
    this.status = status;
    this.title = title;
    this.faults = faults;
    this.headers = headers;
  }
}

/** 400 with all faults; the detail is the one fault, or says how many there are. */
export function invalidInput(faults: readonly Fault[]): Problem {
  const [first] = faults;
  if (first === undefined) throw new Error('Invalid input without a fault.');
  const detail =
    faults.length === 1
      ? `${first.path} ${first.message}`
      : `There are ${faults.length} faults; "faults" lists each with its path.`;
  return new Problem(400, 'Invalid input', detail, faults);
}

export function notFound(what: string): Problem {
  return new Problem(404, 'Not found', `${what} does not exist.`);
}
