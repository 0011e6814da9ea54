/** `GET /api/health`: 200 as soon as calls can be served; what does not work stands in the body. */
import type { Services } from '../services.ts';
import { type ApiAnswer, type ApiCall, answerJson } from './answer.ts';

const CHECK_MS = 3_000;

export async function getHealth({ services }: ApiCall): Promise<ApiAnswer> {
  const degraded = await tableTrouble(services);
  const { appVersion, simulatorGpuSpeed } = services.settings;
  return answerJson(200, {
    status: degraded.length === 0 ? 'ok' : 'degraded',
    version: appVersion,
    simulated: simulatorGpuSpeed !== null,
    simulatorGpuSpeed,
    degraded,
  });
}

async function tableTrouble(services: Services): Promise<string[]> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string[]>((resolve) => {
    timer = setTimeout(() => resolve([`The tables did not answer within ${CHECK_MS / 1_000} s.`]), CHECK_MS);
  });
  const checked = services.stores.leases.listOpen().then(
    () => [],
    () => ['The tables cannot be read; the log of the app says why.'],
  );
  return Promise.race([checked, late]).finally(() => clearTimeout(timer));
}
