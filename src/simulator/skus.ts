/**
 * The GPU sizes this simulator rents: names, GPUs, cores and quota families as Microsoft's list of sizes for
 * managed online endpoints has them (October 2025); bandwidth and arithmetic from the vendors' data sheets.
 * Prices are made up near public ones, in USD per hour of Linux in East US 2.
 */

/** What one whole GPU can do, and the two constants that make the latency model agree with measured figures. */
interface Accelerator {
  readonly name: string;
  readonly memoryGb: number;
  readonly bandwidthGbPerSecond: number;
  /** Dense BF16, or FP16 where the GPU has no BF16. */
  readonly teraflops: number;
  /** Milliseconds of a decode step that do not depend on the model's size (kernel launches, sampling). */
  readonly stepOverheadMs: number;
  /** Share of the data sheet's bandwidth that reading weights reaches. */
  readonly bandwidthShare: number;
}

// A100 and H100 NVL are fitted to Phi-4 on one and two GPUs (22 and 14 ms; 12.5 and 8.75 ms a token). The others
// have no measurement behind them and take plausible neighbours' constants.
const A100_PCIE: Accelerator = accelerator('A100 80 PCIe', 80, 1935, 312, 5, 0.894);
const A100_40_SXM: Accelerator = accelerator('A100 40 SXM', 40, 1555, 312, 5, 0.894);
const A100_80_SXM: Accelerator = accelerator('A100 80 SXM', 80, 2039, 312, 5, 0.894);
const H100_NVL: Accelerator = accelerator('H100 NVL 94', 94, 3938, 835, 4, 0.878);
const H100_SXM: Accelerator = accelerator('H100 80 SXM', 80, 3350, 989, 4, 0.878);
const V100_16: Accelerator = accelerator('V100 16', 16, 900, 125, 6, 0.85);
const V100_32: Accelerator = accelerator('V100 32', 32, 900, 125, 6, 0.85);
const T4: Accelerator = accelerator('T4', 16, 320, 65, 6, 0.85);
const A10: Accelerator = accelerator('A10', 24, 600, 125, 5.5, 0.85);

export interface Sku {
  readonly name: string;
  readonly accelerator: Accelerator;
  /** GPUs per instance; a fraction where the size holds a slice of one. */
  readonly gpus: number;
  readonly vcpus: number;
  readonly ramGb: number;
  readonly tempDiskGb: number;
  readonly quotaFamily: string;
  /** Whether the service asks for quota for a fifth more instances than were asked for. */
  readonly reservesFifth: boolean;
  readonly linuxUsdPerHour: number;
  /** Sizes whose VM series is gone keep their price rows but take no deployment. */
  readonly retired: boolean;
}

export const QUOTA_FAMILIES = {
  ncA100: 'standardNCADSA100v4Family',
  ncH100: 'standardNCADSH100v5Family',
  ndA100: 'standardNDASv4_A100Family',
  ndA100m: 'standardNDAMSv4_A100Family',
  ndH100: 'standardNDv5H100Family',
  ndV100: 'standardNDSv2Family',
  ncT4: 'standardNCASv3_T4Family',
  nvA10: 'standardNVADSA10v5Family',
  ncV100: 'standardNCSv3Family',
} as const;

/** Families whose name has blanks in Microsoft's list; elsewhere the same family is met without them. */
export const FAMILY_IN_LIST: Readonly<Record<string, string>> = {
  [QUOTA_FAMILIES.ndA100]: 'standard NDASv4_A100 Family',
  [QUOTA_FAMILIES.ndA100m]: 'standard NDAMSv4_A100Family',
  [QUOTA_FAMILIES.ncT4]: 'standard NCASv3_T4 Family',
};

const F = QUOTA_FAMILIES;

export const SKUS: readonly Sku[] = [
  sku('Standard_NC24ads_A100_v4', A100_PCIE, 1, 24, 220, 64, F.ncA100, 3.673),
  sku('Standard_NC48ads_A100_v4', A100_PCIE, 2, 48, 440, 128, F.ncA100, 7.346),
  sku('Standard_NC96ads_A100_v4', A100_PCIE, 4, 96, 880, 256, F.ncA100, 14.692),
  sku('Standard_NC40ads_H100_v5', H100_NVL, 1, 40, 320, 3576, F.ncH100, 6.98),
  sku('Standard_NC80adis_H100_v5', H100_NVL, 2, 80, 640, 7152, F.ncH100, 13.96),
  sku('Standard_ND96asr_v4', A100_40_SXM, 8, 96, 900, 6000, F.ndA100, 27.197),
  sku('Standard_ND96amsr_A100_v4', A100_80_SXM, 8, 96, 1900, 6400, F.ndA100m, 32.77),
  sku('Standard_ND96is_H100_v5', H100_SXM, 8, 96, 1900, 28000, F.ndH100, 88.49),
  sku('Standard_ND96isr_H100_v5', H100_SXM, 8, 96, 1900, 28000, F.ndH100, 98.32),
  sku('Standard_ND40rs_v2', V100_32, 8, 40, 672, 2948, F.ndV100, 22.032),
  sku('Standard_NC4as_T4_v3', T4, 1, 4, 28, 180, F.ncT4, 0.526, 'reserves a fifth'),
  sku('Standard_NC8as_T4_v3', T4, 1, 8, 56, 360, F.ncT4, 0.752, 'reserves a fifth'),
  sku('Standard_NC16as_T4_v3', T4, 1, 16, 110, 360, F.ncT4, 1.204, 'reserves a fifth'),
  sku('Standard_NC64as_T4_v3', T4, 4, 64, 440, 2880, F.ncT4, 4.352, 'reserves a fifth'),
  sku('Standard_NV6ads_A10_v5', A10, 1 / 6, 6, 55, 180, F.nvA10, 0.454, 'reserves a fifth'),
  sku('Standard_NV12ads_A10_v5', A10, 1 / 3, 12, 110, 360, F.nvA10, 0.908, 'reserves a fifth'),
  sku('Standard_NV18ads_A10_v5', A10, 1 / 2, 18, 220, 720, F.nvA10, 1.6, 'reserves a fifth'),
  sku('Standard_NV36ads_A10_v5', A10, 1, 36, 440, 1440, F.nvA10, 3.2, 'reserves a fifth'),
  sku('Standard_NV36adms_A10_v5', A10, 1, 36, 880, 1440, F.nvA10, 4.52, 'reserves a fifth'),
  sku('Standard_NV72ads_A10_v5', A10, 2, 72, 880, 2880, F.nvA10, 6.52, 'reserves a fifth'),
  sku('Standard_NC6s_v3', V100_16, 1, 6, 112, 736, F.ncV100, 3.06, 'retired'),
  sku('Standard_NC12s_v3', V100_16, 2, 12, 224, 1474, F.ncV100, 6.12, 'retired'),
  sku('Standard_NC24s_v3', V100_16, 4, 24, 448, 2948, F.ncV100, 12.24, 'retired'),
];

const byLowerCaseName = new Map(SKUS.map((entry) => [entry.name.toLowerCase(), entry]));

/** The size of that name in any capitals, as the service reads it, or undefined. */
export function findSku(name: string): Sku | undefined {
  return byLowerCaseName.get(name.toLowerCase());
}

function accelerator(
  name: string,
  memoryGb: number,
  bandwidthGbPerSecond: number,
  teraflops: number,
  stepOverheadMs: number,
  bandwidthShare: number,
): Accelerator {
  return { name, memoryGb, bandwidthGbPerSecond, teraflops, stepOverheadMs, bandwidthShare };
}

function sku(
  name: string,
  gpu: Accelerator,
  gpus: number,
  vcpus: number,
  ramGb: number,
  tempDiskGb: number,
  quotaFamily: string,
  linuxUsdPerHour: number,
  mark?: 'reserves a fifth' | 'retired',
): Sku {
  return {
    name,
    accelerator: gpu,
    gpus,
    vcpus,
    ramGb,
    tempDiskGb,
    quotaFamily,
    linuxUsdPerHour,
    reservesFifth: mark !== undefined,
    retired: mark === 'retired',
  };
}
