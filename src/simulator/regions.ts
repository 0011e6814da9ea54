/** The regions that the simulator has prices for. */

interface Region {
  readonly name: string;
  /** As the price list spells it. */
  readonly location: string;
  /** Times the price in East US 2. */
  readonly factor: number;
}

export const REGIONS: readonly Region[] = [
  { name: 'eastus2', location: 'US East 2', factor: 1 },
  { name: 'eastus', location: 'US East', factor: 1 },
  { name: 'westus3', location: 'US West 3', factor: 1 },
  { name: 'southcentralus', location: 'US South Central', factor: 1.2 },
  { name: 'westeurope', location: 'EU West', factor: 1.3 },
  { name: 'northeurope', location: 'EU North', factor: 1.2 },
  { name: 'swedencentral', location: 'SE Central', factor: 1.25 },
  { name: 'uksouth', location: 'UK South', factor: 1.28 },
  { name: 'japaneast', location: 'JA East', factor: 1.35 },
];
