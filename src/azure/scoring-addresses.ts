/**
 * Which addresses of the user's own a run may call. Guards that compare text are passed by other spellings of the
 * same host, so an address must be spelled plainly: https, a host name of letters, digits, dashes and dots that the
 * settings allow, and no port of its own. Every spelling of an IP address is refused, whatever the settings allow.
 *
 * What is checked is the name, not the address that it resolves to: a host under an allowed suffix may point anywhere
 * its owner likes. The suffixes of the default belong to Azure.
 */
import type { TokenCredential } from '@azure/identity';
import ipaddr from 'ipaddr.js';
import type { Config } from '../config.ts';
import type { ScoringAddresses } from '../services.ts';
import { SCORING_SCOPE } from './credential.ts';

/** Longer than any scoring URI of Azure's; as the spec has it. */
const ADDRESS_CHARACTERS = 2_048;
/** How long a token may take to come. */
const TOKEN_MS = 30_000;

/** `https://host`, perhaps with `:443`, and whatever follows: nothing that a parser would have to repair. */
const PLAIN_HTTPS = /^https:\/\/([a-z0-9.-]+)(?::443)?(?:[/?#]|$)/i;
const PLAIN_LOOPBACK = /^http:\/\/(?:127\.0\.0\.1|localhost|\[::1\])(?::\d{1,5})?(?:[/?#]|$)/i;

export function createScoringAddresses(
  config: Pick<Config, 'scoringHosts' | 'allowLoopbackScoring' | 'readSecret'>,
  credential: TokenCredential,
): ScoringAddresses {
  return {
    refuse: (scoringUri) => refuseAddress(scoringUri, config.scoringHosts, config.allowLoopbackScoring),
    async authorization(auth) {
      switch (auth.kind) {
        case 'none':
          return null;
        case 'setting':
          return `Bearer ${config.readSecret(auth.name)}`;
        case 'entra':
          return `Bearer ${await fetchToken(credential)}`;
      }
    },
  };
}

/** The sentence that refuses the address, or null. Never repeats the address: it may hold a password. */
export function refuseAddress(
  scoringUri: string,
  allowedHosts: readonly string[],
  allowLoopback: boolean,
): string | null {
  if (scoringUri.length > ADDRESS_CHARACTERS)
    return `The address is longer than ${ADDRESS_CHARACTERS} characters.`;
  if (/[\s\\\u0000-\u001f\u007f]/.test(scoringUri)) {
    return 'The address holds a space, a backslash or a control character; write it plainly.';
  }
  if (!URL.canParse(scoringUri)) return 'The address is not a URL; write it like https://host/path.';
  const url = new URL(scoringUri);
  if (allowLoopback && PLAIN_LOOPBACK.test(scoringUri)) return null;
  if (url.username !== '' || url.password !== '' || /^[a-z]+:\/*[^/?#]*@/i.test(scoringUri)) {
    return 'The address holds a user or a password before an @; leave them out.';
  }
  if (url.protocol !== 'https:') return 'The address must begin with https://.';
  if (isIpAddress(url.hostname))
    return 'The host is an IP address; use the host name that the certificate is for.';
  if (url.port !== '') return 'The address names a port; only 443, the port of https, may be called.';
  const host = PLAIN_HTTPS.exec(scoringUri)?.[1]?.toLowerCase();
  // The parser's host must be what was written: it repairs full-width letters, escapes and old forms of addresses.
  if (host === undefined || host !== url.hostname) {
    return 'The host is not spelled plainly; use letters, digits, dashes and dots only.';
  }
  if (host.endsWith('.')) return 'The host ends with a dot; leave it out.';
  if (
    !allowedHosts.some((allowed) => (allowed.startsWith('.') ? host.endsWith(allowed) : host === allowed))
  ) {
    return `The host ${host} is not one that the setting SCORING_HOSTS allows (${allowedHosts.join(', ')}); add it there if it is yours.`;
  }
  return null;
}

/** The parser has brought every old spelling of an IPv4 address (octal, hex, one number) to four numbers by now. */
function isIpAddress(hostname: string): boolean {
  return hostname.startsWith('[') || ipaddr.isValid(hostname);
}

async function fetchToken(credential: TokenCredential): Promise<string> {
  try {
    const token = await credential.getToken(SCORING_SCOPE, { abortSignal: AbortSignal.timeout(TOKEN_MS) });
    if (token !== null) return token.token;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.name : 'an unknown error';
    throw new Error(
      `No Entra token for ${SCORING_SCOPE} could be had (${reason}); give the app a managed identity, or sign in with \`az login\` on a laptop.`,
    );
  }
  throw new Error(`No Entra token for ${SCORING_SCOPE} could be had; the credential gave none.`);
}
