/** The kill matrix: one calm run for each commit of its history at which a host dies, before it and after it. */
import { calmScenario, crashAt } from './calm-scenario.ts';
import type { Crash, Scenario } from './scenario.ts';
import { playAll } from './seeds.ts';

/** Each `every`-th commit, with both sides of it in turn where some are left out, on one machine and as on Azure. */
export async function matrixOf(every: number, changes: Partial<Crash> = {}): Promise<readonly Scenario[]> {
  const [whole] = await playAll([calmScenario()], 1);
  if (whole === undefined || whole.outcome !== 'completed' || whole.violations.length > 0)
    throw new Error(`A calm run ends as ${whole?.outcome}: ${whole?.violations.join(' ')}`);
  const both = Array.from({ length: whole.commits }, (_, index) => index + 1).flatMap((commit) =>
    (['before', 'after'] as const).map((when) => crashAt(commit, { when, ...changes })),
  );
  return both
    .filter((_, index) => index % every === 0)
    .map((crash, index) => calmScenario({ crashes: [crash], scalesOut: index % 4 > 1 }));
}
