/**
 * How busy a deployment's GPUs were, from Azure Monitor's metrics of it: one GET with ARM's audience. A metric has a
 * point a minute, told some minutes late. What cannot be had is a reason, never a throw.
 */
import type { TokenCredential } from '@azure/identity';
import type { Config } from '../config.ts';
import type { GpuMinute } from '../core/measuring/gpu-use.ts';
import type { GpuMetrics } from '../services.ts';
import { getJson, JsonFault, reasonOf } from './http-json.ts';

/** The newest version of the metrics operations that is no preview and known in every cloud. */
const API_VERSION = '2023-10-01';
const METRIC = 'GpuUtilizationPercentage';
/** A GPU is rented meanwhile. */
const CALL_MS = 10_000;
/** A day of minutes at 80 bytes each, and some. */
const ANSWER_BYTES = 1024 * 1024;
const MINUTE_MS = 60_000;

export function createGpuMetrics(
  config: Pick<Config, 'armEndpoint' | 'workspaces'>,
  credential: TokenCredential,
): GpuMetrics {
  return {
    async readUtilisation({ workspace, endpoint, deployment }, { fromMs, toMs }) {
      const address = Object.hasOwn(config.workspaces, workspace) ? config.workspaces[workspace] : undefined;
      if (address === undefined)
        return { minutes: [], reason: `The settings know no workspace "${workspace}".` };
      const { subscriptionId, resourceGroup, workspace: name } = address;
      const path = ['subscriptions', subscriptionId, 'resourceGroups', resourceGroup, 'providers']
        .concat('Microsoft.MachineLearningServices', 'workspaces', name, 'onlineEndpoints', endpoint)
        .concat('deployments', deployment, 'providers', 'Microsoft.Insights', 'metrics');
      const url = new URL(`${config.armEndpoint}/${path.map(encodeURIComponent).join('/')}`);
      url.search = new URLSearchParams({
        'api-version': API_VERSION,
        metricnames: METRIC,
        timespan: `${wholeMinute(fromMs)}/${wholeMinute(toMs + MINUTE_MS)}`,
        interval: 'PT1M',
        aggregation: 'Average',
      }).toString();
      const signal = AbortSignal.timeout(CALL_MS);
      try {
        const answer = await getJson(url, {
          who: 'Azure Monitor',
          signal,
          bytesLimit: ANSWER_BYTES,
          credential,
        });
        return { minutes: readMinutes(answer), reason: null };
      } catch (error) {
        return { minutes: [], reason: explain(error) };
      }
    },
  };
}

function explain(error: unknown): string {
  const isRefused = error instanceof JsonFault && error.status === 403;
  const remedy = isRefused ? '; give the identity the role Monitoring Reader on the workspace' : '';
  return `The GPU utilisation could not be read: ${reasonOf(error, 'Azure Monitor')}${remedy}.`;
}

/** The service's times are whole minutes, without fractions of a second. */
function wholeMinute(ms: number): string {
  return `${new Date(Math.floor(ms / MINUTE_MS) * MINUTE_MS).toISOString().slice(0, 19)}Z`;
}

/** A minute that is not known has its time alone. Several series, one an instance, are not asked for. */
function readMinutes(json: unknown): GpuMinute[] {
  const { value } = (json ?? {}) as { value?: unknown };
  if (!Array.isArray(value)) throw new JsonFault('the answer of Azure Monitor is not a list of metrics');
  const [metric] = value as readonly { timeseries?: unknown }[];
  const series = Array.isArray(metric?.timeseries) ? (metric.timeseries as readonly unknown[]) : [];
  return series.flatMap((one) => {
    const { data } = (one ?? {}) as { data?: unknown };
    return Array.isArray(data) ? data.flatMap(readMinute) : [];
  });
}

function readMinute(point: unknown): GpuMinute[] {
  const { timeStamp, average } = (point ?? {}) as Readonly<Record<string, unknown>>;
  const atMs = typeof timeStamp === 'string' ? Date.parse(timeStamp) : Number.NaN;
  if (typeof average !== 'number' || !Number.isFinite(atMs)) return [];
  return [{ atMs, utilisation: Math.min(1, Math.max(0, average / 100)) }];
}
