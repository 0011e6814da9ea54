/**
 * What one GPU can do at the most, from the vendors' data sheets (none measured here): memory, its bandwidth, and
 * dense arithmetic in BF16, or FP16 where the GPU has no BF16. Named as in sku.ts.
 */
export interface GpuLimits {
  readonly memoryGb: number;
  /** 10^9 bytes per second. */
  readonly bandwidthGbPerSecond: number;
  /** Without sparsity, 10^12 operations per second. */
  readonly denseTeraflops: number;
}

const GPUS: Readonly<Record<string, GpuLimits>> = {
  'A100 80 PCIe': { memoryGb: 80, bandwidthGbPerSecond: 1_935, denseTeraflops: 312 },
  'A100 40 SXM': { memoryGb: 40, bandwidthGbPerSecond: 1_555, denseTeraflops: 312 },
  'A100 80 SXM': { memoryGb: 80, bandwidthGbPerSecond: 2_039, denseTeraflops: 312 },
  'H100 NVL 94': { memoryGb: 94, bandwidthGbPerSecond: 3_938, denseTeraflops: 835 },
  'H100 80 SXM': { memoryGb: 80, bandwidthGbPerSecond: 3_350, denseTeraflops: 989 },
  'V100 32': { memoryGb: 32, bandwidthGbPerSecond: 900, denseTeraflops: 125 },
  T4: { memoryGb: 16, bandwidthGbPerSecond: 320, denseTeraflops: 65 },
  A10: { memoryGb: 24, bandwidthGbPerSecond: 600, denseTeraflops: 125 },
};

/** Null for a GPU that the table does not have. */
export function gpuLimits(gpu: string): GpuLimits | null {
  return GPUS[gpu] ?? null;
}
