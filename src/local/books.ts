/** What the simulator says of itself: which endpoints were created and which are still alive. */

export interface SimulatorBooks {
  readonly created: number;
  /** Names of the endpoints that were not deleted. */
  readonly alive: readonly string[];
}

/** Loopback; an answer takes milliseconds. */
const ANSWER_LIMIT_MS = 5_000;

/** Asks the simulator at `simulatorUrl`. Throws a sentence where it does not answer as it should. */
export async function askBooks(simulatorUrl: string): Promise<SimulatorBooks> {
  const address = `${simulatorUrl}/simulator/books`;
  try {
    const answer = await fetch(address, { signal: AbortSignal.timeout(ANSWER_LIMIT_MS) });
    return readBooks(await answer.json());
  } catch (cause) {
    throw new Error(`The simulator's books at ${address} cannot be read, so what is left is not known.`, {
      cause,
    });
  }
}

/** An endpoint counts as deleted from the moment at which the simulator answers 404 for it. */
export function readBooks(input: unknown): SimulatorBooks {
  const { endpoints } = (input ?? {}) as { endpoints?: unknown };
  if (!Array.isArray(endpoints)) throw new Error('The books hold no list of endpoints.');
  const entries = endpoints as readonly { readonly name: unknown; readonly deletedAt: unknown }[];
  return {
    created: entries.length,
    alive: entries.filter(({ deletedAt }) => typeof deletedAt !== 'string').map(({ name }) => String(name)),
  };
}

/** The line that says what is left, and who was asked. */
export function describeLeft({ created, alive }: SimulatorBooks): string {
  const asked = `(asked the simulator's books: ${created} created, ${created - alive.length} deleted)`;
  return `Endpoints left: ${alive.length === 0 ? 'none' : alive.join(', ')} ${asked}.`;
}
