/**
 * The GPU VM sizes that managed online endpoints accept, as Microsoft's list of October 2025 has them
 * (learn.microsoft.com, "Managed online endpoints SKU list", which also says which sizes skip the reservation of a
 * fifth; memory and disks from the size pages). A size becomes ARM's `instanceType` in `azure/control-plane.ts`;
 * nowhere else.
 */

export interface Sku {
  readonly name: string;
  readonly gpu: string;
  /** GPUs per instance; a fraction where a size holds a slice of one. */
  readonly gpus: number;
  /** Memory of all the GPUs of an instance together. */
  readonly gpuMemoryGb: number;
  readonly vcpus: number;
  readonly ramGb: number;
  /** The temporary disk, where a model is downloaded to; null where the size's page was not read. */
  readonly diskGb: number | null;
  /** The family under which Azure ML counts the quota. */
  readonly quotaFamily: string;
  /** Whether Azure ML wants quota for a fifth more instances than are asked for, see core/renting/quota.ts. */
  readonly reservesFifth: boolean;
}

const sku = (
  name: string,
  [gpu, gpus, gpuMemoryGb]: readonly [string, number, number],
  [vcpus, ramGb, diskGb]: readonly [number, number, number | null],
  quotaFamily: string,
  reservation: 'no reservation' | 'reserves a fifth' = 'no reservation',
): Sku => ({
  name,
  gpu,
  gpus,
  gpuMemoryGb,
  vcpus,
  ramGb,
  diskGb,
  quotaFamily,
  reservesFifth: reservation === 'reserves a fifth',
});

const NC_A100 = 'standardNCADSA100v4Family';
const NC_H100 = 'standardNCADSH100v5Family';
const ND_H100 = 'standardNDv5H100Family';
const NC_T4 = 'standardNCASv3_T4Family';
const NV_A10 = 'standardNVADSA10v5Family';

export const SKUS: readonly Sku[] = [
  sku('Standard_NC24ads_A100_v4', ['A100 80 PCIe', 1, 80], [24, 220, 64], NC_A100),
  sku('Standard_NC48ads_A100_v4', ['A100 80 PCIe', 2, 160], [48, 440, 128], NC_A100),
  sku('Standard_NC96ads_A100_v4', ['A100 80 PCIe', 4, 320], [96, 880, 256], NC_A100),
  sku('Standard_NC40ads_H100_v5', ['H100 NVL 94', 1, 94], [40, 320, 3576], NC_H100),
  sku('Standard_NC80adis_H100_v5', ['H100 NVL 94', 2, 188], [80, 640, 7152], NC_H100),
  sku('Standard_ND96asr_v4', ['A100 40 SXM', 8, 320], [96, 900, null], 'standardNDASv4_A100Family'),
  sku('Standard_ND96amsr_A100_v4', ['A100 80 SXM', 8, 640], [96, 1900, null], 'standardNDAMSv4_A100Family'),
  sku('Standard_ND96is_H100_v5', ['H100 80 SXM', 8, 640], [96, 1900, null], ND_H100),
  sku('Standard_ND96isr_H100_v5', ['H100 80 SXM', 8, 640], [96, 1900, null], ND_H100),
  sku('Standard_ND40rs_v2', ['V100 32', 8, 256], [40, 672, null], 'standardNDSv2Family'),
  sku('Standard_NC4as_T4_v3', ['T4', 1, 16], [4, 28, null], NC_T4, 'reserves a fifth'),
  sku('Standard_NC8as_T4_v3', ['T4', 1, 16], [8, 56, null], NC_T4, 'reserves a fifth'),
  sku('Standard_NC16as_T4_v3', ['T4', 1, 16], [16, 110, null], NC_T4, 'reserves a fifth'),
  sku('Standard_NC64as_T4_v3', ['T4', 4, 64], [64, 440, null], NC_T4, 'reserves a fifth'),
  sku('Standard_NV6ads_A10_v5', ['A10', 1 / 6, 4], [6, 55, null], NV_A10, 'reserves a fifth'),
  sku('Standard_NV12ads_A10_v5', ['A10', 1 / 3, 8], [12, 110, null], NV_A10, 'reserves a fifth'),
  sku('Standard_NV18ads_A10_v5', ['A10', 1 / 2, 12], [18, 220, null], NV_A10, 'reserves a fifth'),
  sku('Standard_NV36ads_A10_v5', ['A10', 1, 24], [36, 440, 1440], NV_A10, 'reserves a fifth'),
  sku('Standard_NV36adms_A10_v5', ['A10', 1, 24], [36, 880, null], NV_A10, 'reserves a fifth'),
  sku('Standard_NV72ads_A10_v5', ['A10', 2, 48], [72, 880, null], NV_A10, 'reserves a fifth'),
];

/** Names that people use and Azure does not know, with the size they mean. */
const MISTAKEN_NAMES: Readonly<Record<string, string>> = {
  standard_nc80ads_h100_v5: 'Standard_NC80adis_H100_v5',
};

/** Sizes that endpoints once accepted: the machines of NCsv3 are gone since 2025-09-30. */
const RETIRED_NAMES = /^standard_nc(6|12|24r?)s_v3$/i;

const byLowerCaseName = new Map(SKUS.map((entry) => [entry.name.toLowerCase(), entry]));

/** The SKU of that name (in any capitals), or undefined where the list has none. */
export function findSku(name: string): Sku | undefined {
  return byLowerCaseName.get(name.toLowerCase());
}

/** The sentence for a name that is not in the list: the size that was probably meant, or the whole list. */
export function explainUnknownSku(name: string): string {
  const meant = MISTAKEN_NAMES[name.toLowerCase()];
  if (meant !== undefined) return `${name} does not exist on Azure; the size is called ${meant}.`;
  const accepted = SKUS.map((entry) => entry.name).join(', ');
  if (RETIRED_NAMES.test(name)) return `Azure retired ${name} on 2025-09-30; use one of ${accepted}.`;
  return `${name} is not a GPU size that managed online endpoints accept; use one of ${accepted}.`;
}
