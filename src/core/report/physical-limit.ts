/**
 * A row beside what its hardware allows, by first-order limits of one instance (tensor parallel over its GPUs):
 * - each step of decoding reads every active weight once, and the KV cache of each running sequence:
 *   `TPOT >= (active weight bytes + sequences x context x KV bytes per token) / (GPUs x memory bandwidth)`;
 * - each token, read or written, takes two operations per active parameter:
 *   `TTFT >= 2 x active parameters x prompt tokens / (GPUs x dense FLOP/s)`, and
 *   `tokens/s <= GPUs x dense FLOP/s / (2 x active parameters)`.
 * A share near 1 means that no setting can make it faster on this SKU. Without the model's size nothing is said.
 */
import { gpuLimits } from '../renting/gpu.ts';
import { findSku } from '../renting/sku.ts';
import type { ReportRow } from './report.ts';

/** From the catalog or the spec; null where neither tells. */
export interface ModelSize {
  readonly parameters: number | null;
  /** Of a mixture of experts, those that a token uses; null where all are. */
  readonly activeParameters: number | null;
  readonly weightBytes: number | null;
  readonly kvBytesPerToken: number | null;
}

export interface PhysicalLimit {
  /** Time per output token that memory bandwidth allows at the row's load, and the share of the measured one that it is. */
  readonly tpotFloorMs: number | null;
  readonly decodeBandwidthShare: number | null;
  /** Time to first token that arithmetic allows for one prompt, and its share of the measured median. */
  readonly ttftFloorMs: number | null;
  readonly prefillComputeShare: number | null;
  /** Arithmetic of all tokens, read and written, as a share of what the GPUs have. */
  readonly computeShare: number | null;
  /** The figures that went in, as a sentence; null where nothing could be computed. */
  readonly basis: string | null;
}

const NOTHING: PhysicalLimit = {
  tpotFloorMs: null,
  decodeBandwidthShare: null,
  ttftFloorMs: null,
  prefillComputeShare: null,
  computeShare: null,
  basis: null,
};

/**
 * The limits of a row. `decodeMsPerToken` is the fitted time per output token at concurrency 1 of a route that does not
 * stream; it stands in for the TPOT that such a row lacks.
 */
export function physicalLimitOf(
  row: Pick<
    ReportRow,
    | 'level'
    | 'loop'
    | 'meanInFlight'
    | 'outputTokensPerSecond'
    | 'requestsPerSecond'
    | 'promptTokensMean'
    | 'outputTokensMean'
    | 'cachedPromptShare'
    | 'tpotMs'
    | 'mayBeBuffered'
    | 'ttftMs'
    | 'provenance'
  >,
  size: ModelSize | null,
  decodeMsPerToken: number | null,
): PhysicalLimit {
  const sku = findSku(row.provenance.sku ?? '');
  const gpu = sku === undefined ? null : gpuLimits(sku.gpu);
  const instances = row.provenance.instances;
  if (sku === undefined || gpu === null || instances === null || size === null) return NOTHING;
  const active = size.activeParameters ?? size.parameters;
  const activeShare =
    size.activeParameters === null || size.parameters === null ? 1 : size.activeParameters / size.parameters;
  const bytesPerMs = sku.gpus * gpu.bandwidthGbPerSecond * 1e6;
  const flopsPerMs = sku.gpus * gpu.denseTeraflops * 1e9;

  const sequences = (row.meanInFlight ?? 0) / instances;
  // While it is decoded, an answer is half written on the average.
  const context = (row.promptTokensMean ?? 0) + (row.outputTokensMean ?? 0) / 2;
  const tpotFloorMs =
    size.weightBytes === null
      ? null
      : (size.weightBytes * activeShare + sequences * context * (size.kvBytesPerToken ?? 0)) / bytesPerMs;
  const alone = row.loop === 'closed' && row.level === 1;
  // A stream that was held back has a TPOT that no hardware reaches.
  const tpotMs = (row.mayBeBuffered ? null : row.tpotMs.mean) ?? (alone ? decodeMsPerToken : null);

  const uncached = 1 - (row.cachedPromptShare ?? 0);
  const promptTokens = row.promptTokensMean === null ? null : row.promptTokensMean * uncached;
  const ttftFloorMs =
    active === null || promptTokens === null ? null : (2 * active * promptTokens) / flopsPerMs;
  const tokensPerMs =
    row.outputTokensPerSecond === null
      ? null
      : (row.outputTokensPerSecond + (promptTokens ?? 0) * (row.requestsPerSecond ?? 0)) / 1_000;
  const computeShare =
    active === null || tokensPerMs === null ? null : (2 * active * tokensPerMs) / (flopsPerMs * instances);
  return {
    tpotFloorMs,
    decodeBandwidthShare: shareOf(tpotFloorMs, tpotMs),
    ttftFloorMs,
    prefillComputeShare: shareOf(ttftFloorMs, row.ttftMs.p50),
    computeShare,
    basis: `${sku.gpus} x ${sku.gpu}: ${gpu.bandwidthGbPerSecond} GB/s and ${gpu.denseTeraflops} TFLOP/s each (data sheet)${size.weightBytes === null ? '' : `, ${(size.weightBytes / 1e9).toFixed(1)} GB of weights`}`,
  };
}

function shareOf(floorMs: number | null, measuredMs: number | null): number | null {
  return floorMs === null || measuredMs === null || measuredMs <= 0 ? null : floorMs / measuredMs;
}
