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

/** Faults that are named, and characters of each. Whoever makes more of them has made one mistake many times. */
const MOST_FAULTS = 100;
const MOST_PATH_CHARACTERS = 200;
const MOST_MESSAGE_CHARACTERS = 2_000;

/** 400 with all faults; the detail is the one fault, or says how many there are. */
export function invalidInput(all: readonly Fault[]): Problem {
  const [first, ...others] = all.slice(0, MOST_FAULTS).map(cutFault);
  if (first === undefined) throw new Error('Invalid input without a fault.');
  const untold = all.length - MOST_FAULTS;
  const rest = { path: '(body)', message: `has ${untold} more faults; the first ${MOST_FAULTS} are named` };
  const faults = [first, ...others, ...(untold > 0 ? [rest] : [])];
  const detail =
    all.length === 1
      ? `${first.path} ${first.message}`
      : `There are ${all.length} faults; "faults" lists each with its path.`;
  return new Problem(400, 'Invalid input', detail, faults);
}

/** A path holds names that the caller has chosen, and so does many a message. */
function cutFault({ path, message }: Fault): Fault {
  return { path: cut(path, MOST_PATH_CHARACTERS), message: cut(message, MOST_MESSAGE_CHARACTERS) };
}

function cut(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most)}...`;
}

export function notFound(what: string): Problem {
  return new Problem(404, 'Not found', `${what} does not exist.`);
}
