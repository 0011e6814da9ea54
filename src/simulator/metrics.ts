/** Azure Monitor's metrics of a deployment, as far as they are simulated: how busy its GPUs were, by the minute. */
import { ArmError } from './arm-error.ts';
import { type GpuMeter, MINUTE_MS } from './gpu-meter.ts';

const NAMESPACE = 'Microsoft.MachineLearningServices/workspaces/onlineEndpoints/deployments';
const METRIC = 'GpuUtilizationPercentage';
/** A minute is told so long after its end. */
const LAG_MS = 60_000;
/** More points than the service gives in one answer. */
const MOST_MINUTES = 1_440 * 31;

interface Metered {
  readonly id: string;
  readonly region: string;
  readonly createdAtMs: number;
  readonly instances: number;
  readonly meter: GpuMeter | undefined;
}

/** The answer to `GET {deployment}/providers/Microsoft.Insights/metrics`. Refuses what it does not simulate. */
export function answerMetrics({ searchParams }: URL, metered: Metered, nowMs: number) {
  const names = (searchParams.get('metricnames') ?? '').split(',').filter(Boolean);
  const unknown = names.find((name) => name.toLowerCase() !== METRIC.toLowerCase());
  if (unknown !== undefined || names.length === 0)
    throw badRequest(
      `Failed to find metric configuration for metric: ${unknown ?? '(none)'}. Valid metrics: ${METRIC}`,
    );
  const interval = searchParams.get('interval') ?? 'PT1M';
  if (interval.toUpperCase() !== 'PT1M')
    throw badRequest(`The time grain ${interval} is not simulated; use PT1M.`);
  if (!/^average$/i.test(searchParams.get('aggregation') ?? 'average'))
    throw badRequest('Only the aggregation Average is simulated.');
  const { fromMs, toMs } = readTimespan(searchParams.get('timespan'), nowMs);
  const data = [];
  for (let minute = Math.floor(fromMs / MINUTE_MS); minute * MINUTE_MS < toMs; minute += 1)
    data.push(tellMinute(minute, metered, nowMs));
  return {
    cost: 0,
    timespan: `${isoOf(fromMs)}/${isoOf(toMs)}`,
    interval: 'PT1M',
    value: [
      {
        id: `${metered.id}/providers/Microsoft.Insights/metrics/${METRIC}`,
        type: 'Microsoft.Insights/metrics',
        name: { value: METRIC, localizedValue: 'GPU Utilization Percentage' },
        displayDescription: 'Percentage of GPU utilization on an instance.',
        unit: 'Percent',
        timeseries: [{ metadatavalues: [], data }],
        errorCode: 'Success',
      },
    ],
    namespace: NAMESPACE,
    resourceregion: metered.region,
  };
}

/** A minute that is not known (yet) has its time alone. */
function tellMinute(minute: number, { createdAtMs, meter, instances }: Metered, nowMs: number) {
  const timeStamp = isoOf(minute * MINUTE_MS);
  const endMs = (minute + 1) * MINUTE_MS;
  const isKnown = endMs > createdAtMs && endMs + LAG_MS <= nowMs;
  return isKnown ? { timeStamp, average: meter?.percentIn(minute, instances) ?? 0 } : { timeStamp };
}

/** `from/to` in ISO 8601; the last hour where none is asked for. */
function readTimespan(timespan: string | null, nowMs: number): { fromMs: number; toMs: number } {
  if (timespan === null) return { fromMs: nowMs - 60 * MINUTE_MS, toMs: nowMs };
  const [from = '', to = ''] = timespan.split('/');
  const [fromMs, toMs] = [Date.parse(from), Date.parse(to)];
  if (
    Number.isNaN(fromMs) ||
    Number.isNaN(toMs) ||
    fromMs >= toMs ||
    (toMs - fromMs) / MINUTE_MS > MOST_MINUTES
  )
    throw badRequest(
      `The timespan '${timespan}' is not two times in ISO 8601, the earlier first, a month apart at most.`,
    );
  return { fromMs, toMs };
}

function badRequest(message: string): ArmError {
  return new ArmError(400, 'BadRequest', message);
}

/** Without fractions of a second, as the service writes it. */
function isoOf(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
