/** Everything that Azure gives us, made from the settings. Nothing is connected to before it is used. */
import type { Config } from '../config.ts';
import type { ControlPlane, PriceBook, ScoringAddresses, Stores } from '../services.ts';
import { createControlPlane } from './control-plane.ts';
import { createCredential } from './credential.ts';
import { createPriceBook } from './prices.ts';
import { createScoringAddresses } from './scoring-addresses.ts';
import { createStores } from './tables/stores.ts';

export interface AzureServices {
  readonly stores: Stores;
  readonly controlPlane: ControlPlane;
  readonly prices: PriceBook;
  readonly scoringAddresses: ScoringAddresses;
}

export function createAzureServices(config: Config): AzureServices {
  const credential = createCredential(config);
  return {
    stores: createStores(config.tables, credential),
    controlPlane: createControlPlane(config, credential),
    prices: createPriceBook(config),
    scoringAddresses: createScoringAddresses(config, credential),
  };
}
