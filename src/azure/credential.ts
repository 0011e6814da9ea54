/**
 * Who we are to Azure: the app's managed identity, or `az login` on a laptop. Where ARM is the simulator, a token
 * that means nothing anywhere, so that no real credential is ever asked for or sent.
 */
import type { AccessToken, TokenCredential } from '@azure/identity';
import { type Config, isLoopbackHttp } from '../config.ts';

/** The audience of an Azure ML scoring URI with Entra authentication. */
export const SCORING_SCOPE = 'https://ml.azure.com/.default';

/** The audience of Azure OpenAI, of Foundry's own models and of the other Cognitive Services. */
export const COGNITIVE_SCOPE = 'https://cognitiveservices.azure.com/.default';

/** How long a local token says it is valid: an hour, as a real one. */
const LOCAL_TOKEN_MS = 3_600_000;

/** The credential, made at its first use: @azure/identity takes half a second to load and is not needed locally. */
export function createCredential(config: Pick<Config, 'armEndpoint' | 'identityClientId'>): TokenCredential {
  if (isLoopbackHttp(config.armEndpoint)) return { getToken: async () => localToken() };
  let credential: Promise<TokenCredential> | null = null;
  return {
    getToken: async (scopes, options) => {
      credential ??= createAzureCredential(config.identityClientId);
      return (await credential).getToken(scopes, options);
    },
  };
}

function localToken(): AccessToken {
  return { token: 'local-simulator-token', expiresOnTimestamp: Date.now() + LOCAL_TOKEN_MS };
}

async function createAzureCredential(clientId: string | null): Promise<TokenCredential> {
  const { DefaultAzureCredential } = await import('@azure/identity');
  return new DefaultAzureCredential(clientId === null ? {} : { managedIdentityClientId: clientId });
}
