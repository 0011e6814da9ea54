/** Plays many scenarios side by side: most of their time is spent waiting for sockets and short timers. */
import { type Played, play } from './play.ts';
import { drawScenario, type Scenario } from './scenario.ts';

/** In real time. Alone a scenario takes some three seconds, a minute where its faults make clients wait; twenty at once on a busy machine take longer. */
const LONGEST_MS = 600_000;

/** Gives each seed's outcome as it comes. */
export async function playSeeds(
  seeds: readonly number[],
  atOnce: number,
  tell: (played: Played) => void,
): Promise<void> {
  const left = seeds.values();
  const work = async (): Promise<void> => {
    for (const seed of left) tell(await playBounded(drawScenario(seed)));
  };
  await Promise.all(Array.from({ length: atOnce }, work));
}

/** All outcomes, in the order of the scenarios. */
export async function playAll(scenarios: readonly Scenario[], atOnce: number): Promise<readonly Played[]> {
  const left = scenarios.entries();
  const played: Played[] = [];
  const work = async (): Promise<void> => {
    for (const [index, scenario] of left) played[index] = await playBounded(scenario);
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return played;
}

/** What breaks the simulation itself counts as a violation. */
async function playBounded(scenario: Scenario): Promise<Played> {
  let timer: NodeJS.Timeout | undefined;
  const tooLong = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`It took longer than ${LONGEST_MS / 1_000} s by the machine's clock.`)),
      LONGEST_MS,
    );
  });
  try {
    return await Promise.race([play(scenario), tooLong]);
  } catch (error) {
    const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return {
      seed: scenario.seed,
      violations: [message],
      outcome: 'broken',
      steps: [],
      commits: 0,
      cells: [],
      endpoints: 0,
      goneAfterPurgeMinutes: null,
      minutes: 0,
      log: [],
    };
  } finally {
    clearTimeout(timer);
  }
}
