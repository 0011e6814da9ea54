/**
 * The process of one client: runs it as it is ordered (JSON in the first argument), twice where there is a warm-up,
 * and tells the parent what it measured. Only one client is loaded, so that none pays for another's modules.
 */
import type { ClientOrder, ClientResult } from './client-order.ts';
import { MEASURED_ID_PREFIX, WARM_UP_ID_PREFIX } from './client-order.ts';

/** What one run of a client gives; the process adds time and CPU. */
export interface ClientRun {
  readonly succeeded: number;
  readonly failed: number;
  readonly events: number;
  readonly stamps: ClientResult['stamps'];
  readonly memory?: ClientResult['memory'];
}

/** A client: sends `requests` requests whose ids begin with `idPrefix`, and ends when all are answered. */
export type Client = (order: ClientOrder, requests: number, idPrefix: string) => Promise<ClientRun>;

const LOADERS: Readonly<Record<ClientOrder['client'], () => Promise<{ readonly run: Client }>>> = {
  ours: () => import('./clients/ours.ts'),
  undici: () => import('./clients/undici.ts'),
  fetch: () => import('./clients/fetch.ts'),
  autocannon: () => import('./clients/autocannon.ts'),
  origin: () => import('./clients/origin.ts'),
};

/** The busy host works in slices of this length: a table write or a page of history. */
const HOST_SLICE_MS = 10;

/** Keeps the main thread busy for a share of the time; gives the function that ends it. */
function simulateHost(share: number): () => void {
  if (share === 0) return () => {};
  const timer = setInterval(() => {
    const endMs = performance.now() + HOST_SLICE_MS * share;
    while (performance.now() < endMs) JSON.parse('{"history":[1,2,3]}');
  }, HOST_SLICE_MS);
  return () => clearInterval(timer);
}

async function measureClient(order: ClientOrder): Promise<ClientResult> {
  const { run } = await LOADERS[order.client]();
  const endHost = simulateHost(order.hostBusyShare);
  if (order.warmUpRequests > 0)
    await run(
      { ...order, stamps: false, burst: false, memoryOf: [] },
      order.warmUpRequests,
      WARM_UP_ID_PREFIX,
    );
  const cpu = process.cpuUsage();
  const beganMs = performance.now();
  const measured = await run(order, order.requests, MEASURED_ID_PREFIX);
  const wallMs = performance.now() - beganMs;
  const { user, system } = process.cpuUsage(cpu);
  endHost();
  return {
    memory: [],
    ...measured,
    wallMs,
    cpuMs: (user + system) / 1000,
    peakRssBytes: process.resourceUsage().maxRSS * 1024,
  };
}

process.on('disconnect', () => process.exit(1));
const result = await measureClient(JSON.parse(process.argv[2] ?? '') as ClientOrder);
process.send?.(result, undefined, undefined, () => process.exit(0));
