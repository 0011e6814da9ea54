/** Everything that Azure gives us, made from the settings. Nothing is connected to before it is used. */
import type { Config } from '../config.ts';
import type { Services } from '../services.ts';
import { createArmLocations } from './arm-locations.ts';
import { createCatalog } from './catalog.ts';
import { createControlPlane } from './control-plane.ts';
import { createCredential } from './credential.ts';
import { createGpuMetrics } from './metrics.ts';
import { createPriceBook } from './prices.ts';
import { createQuotaBook } from './quota.ts';
import { createScoringAddresses } from './scoring-addresses.ts';
import { createLedgerStore } from './tables/ledger-store.ts';
import { createStores } from './tables/stores.ts';
import { createWebhooks } from './webhooks.ts';

/** What else there is of the services is of this process. */
export type AzureServices = Omit<Services, 'now' | 'settings' | 'loadEngine' | 'connections'>;

export function createAzureServices(config: Config): AzureServices {
  const credential = createCredential(config);
  const locations = createArmLocations(config, credential);
  return {
    stores: createStores(config.tables, credential),
    ledger: createLedgerStore(config.tables, credential),
    controlPlane: createControlPlane(config, credential),
    prices: createPriceBook(config, locations),
    quota: createQuotaBook(config, locations),
    catalog: createCatalog(config, credential),
    gpuMetrics: createGpuMetrics(config, credential),
    scoringAddresses: createScoringAddresses(config, credential),
    webhooks: createWebhooks(config),
  };
}
