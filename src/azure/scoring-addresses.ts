/** The addresses of the user's own that a run may call, by the gate of every such address, and the credential that goes there. */
import type { TokenCredential } from '@azure/identity';
import type { Config } from '../config.ts';
import type { ScoringAddresses } from '../services.ts';
import { createAddressGate, type Resolve, resolveHost } from './address-gate.ts';
import { COGNITIVE_SCOPE, SCORING_SCOPE } from './credential.ts';

/** How long a token may take to come. */
const TOKEN_MS = 30_000;

/**
 * The audience of an Entra token by the host that takes it. Nobody else is ever sent one: whoever holds the token can
 * do with it what this app may do.
 */
const AUDIENCES: readonly { readonly suffix: string; readonly scope: string }[] = [
  { suffix: '.inference.ml.azure.com', scope: SCORING_SCOPE },
  { suffix: '.inference.ai.azure.com', scope: SCORING_SCOPE },
  { suffix: '.models.ai.azure.com', scope: SCORING_SCOPE },
  { suffix: '.services.ai.azure.com', scope: COGNITIVE_SCOPE },
  { suffix: '.openai.azure.com', scope: COGNITIVE_SCOPE },
];

export function createScoringAddresses(
  config: Pick<Config, 'scoringHosts' | 'allowLoopbackScoring' | 'allowedPrivateRanges' | 'readSecret'>,
  credential: TokenCredential,
  resolve: Resolve = resolveHost,
): ScoringAddresses {
  return {
    ...createAddressGate(
      {
        setting: 'SCORING_HOSTS',
        hosts: config.scoringHosts,
        allowLoopback: config.allowLoopbackScoring,
        privateRanges: config.allowedPrivateRanges,
      },
      resolve,
    ),
    refuseAuth: (auth, scoringUri) =>
      auth.kind === 'entra' && audienceOf(scoringUri) === null ? NO_AUDIENCE : null,
    async authorization(auth, scoringUri) {
      switch (auth.kind) {
        case 'none':
          return null;
        case 'setting':
          return `Bearer ${config.readSecret(auth.name)}`;
        case 'entra': {
          const scope = audienceOf(scoringUri ?? '');
          if (scope === null) throw new Error(NO_AUDIENCE);
          return `Bearer ${await fetchToken(credential, scope)}`;
        }
      }
    },
  };
}

const NO_AUDIENCE = `An Entra token is only sent to Azure's own inference hosts (${AUDIENCES.map(({ suffix }) => `*${suffix}`).join(', ')}), since whoever gets it can use it elsewhere; give the key in a setting instead.`;

function audienceOf(scoringUri: string): string | null {
  if (!URL.canParse(scoringUri)) return null;
  const { protocol, hostname } = new URL(scoringUri);
  if (protocol !== 'https:') return null;
  return AUDIENCES.find(({ suffix }) => hostname.endsWith(suffix))?.scope ?? null;
}

async function fetchToken(credential: TokenCredential, scope: string): Promise<string> {
  try {
    const token = await credential.getToken(scope, { abortSignal: AbortSignal.timeout(TOKEN_MS) });
    if (token !== null) return token.token;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.name : 'an unknown error';
    throw new Error(
      `No Entra token for ${scope} could be had (${reason}); give the app a managed identity, or sign in with \`az login\` on a laptop.`,
    );
  }
  throw new Error(`No Entra token for ${scope} could be had; the credential gave none.`);
}
