/**
 * Which addresses of the user's own may be called. Guards that compare text are passed by other spellings of the
 * same host, so an address must be spelled plainly: https, a host name of letters, digits, dashes and dots that the
 * settings allow, and no port of its own. Every spelling of an IP address is refused, whatever the settings allow.
 * Then all that the name resolves to is checked (address-guard.ts), and what was checked is what is connected to.
 */
import { lookup } from 'node:dns/promises';
import ipaddr from 'ipaddr.js';
import type { AddressGate, ResolvedAddress } from '../services.ts';
import { type AddressRule, parsePrivateRanges, refuseIp } from './address-guard.ts';

/** Longer than any scoring URI of Azure's; as the spec has it. */
const ADDRESS_CHARACTERS = 2_048;
/** A name that takes longer to resolve than this will not be resolved for the requests either. */
const RESOLVE_MS = 10_000;

/** `https://host`, perhaps with `:443`, and whatever follows: nothing that a parser would have to repair. */
const PLAIN_HTTPS = /^https:\/\/([a-z0-9.-]+)(?::443)?(?:[/?#]|$)/i;
const PLAIN_LOOPBACK = /^http:\/\/(?:127\.0\.0\.1|localhost|\[::1\])(?::\d{1,5})?(?:[/?#]|$)/i;

/** Which addresses a setting lets through, as they are spelled and as they resolve. */
export function createAddressGate(
  allowed: {
    /** Its name, for sentences. */
    readonly setting: string;
    readonly hosts: readonly string[];
    readonly allowLoopback: boolean;
    readonly privateRanges: readonly string[];
  },
  resolve: Resolve,
): AddressGate {
  const { setting, hosts, allowLoopback } = allowed;
  const rule: AddressRule = { privateRanges: parsePrivateRanges(allowed.privateRanges), allowLoopback };
  const refuse = (address: string) => refuseAddress(address, hosts, allowLoopback, setting);
  return {
    refuse,
    resolve: async (address) => {
      const reason = refuse(address);
      return reason === null
        ? resolveAddress(new URL(address).hostname, rule, resolve)
        : { kind: 'refused', reason };
    },
  };
}

/** All addresses of a host, in the order in which they should be tried. Throws as `dns.lookup` does. */
export type Resolve = (hostname: string) => Promise<readonly string[]>;

export async function resolveHost(hostname: string): Promise<readonly string[]> {
  // As connecting would: the machine's own resolver, its hosts file among it.
  const found = await Promise.race([
    lookup(hostname, { all: true }),
    new Promise<never>((_resolve, reject) =>
      setTimeout(
        () => reject(new Error(`no answer within ${RESOLVE_MS / 1000} seconds`)),
        RESOLVE_MS,
      ).unref(),
    ),
  ]);
  return found.map(({ address }) => address);
}

/** One forbidden address among them refuses the name: which of them is used is not ours to hope for. */
async function resolveAddress(
  urlHost: string,
  rule: AddressRule,
  resolve: Resolve,
): Promise<ResolvedAddress> {
  const host = urlHost.replace(/^\[|\]$/g, '');
  let addresses: readonly string[];
  try {
    addresses = ipaddr.isValid(host) ? [host] : await resolve(host);
  } catch (error) {
    const code = (error as { code?: unknown }).code;
    const why = typeof code === 'string' ? code : error instanceof Error ? error.message : 'an unknown error';
    return {
      kind: 'unresolved',
      reason: `The host ${host} could not be resolved (${why}); check its name, and whether the endpoint exists.`,
    };
  }
  for (const address of addresses) {
    const fault = refuseIp(address, rule);
    if (fault !== null) {
      return { kind: 'refused', reason: `The host ${host} resolves to ${address}, which ${fault}.` };
    }
  }
  const [first] = addresses;
  if (first === undefined)
    return { kind: 'unresolved', reason: `The host ${host} has no address; check its name.` };
  return { kind: 'resolved', address: first };
}

/** The sentence that refuses the address, or null. Never repeats the address: it may hold a password. */
export function refuseAddress(
  scoringUri: string,
  allowedHosts: readonly string[],
  allowLoopback: boolean,
  setting = 'SCORING_HOSTS',
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
    return `The host ${host} is not one that the setting ${setting} allows (${allowedHosts.join(', ') || 'none'}); add it there if it is yours.`;
  }
  return null;
}

/** The parser has brought every old spelling of an IPv4 address (octal, hex, one number) to four numbers by now. */
function isIpAddress(hostname: string): boolean {
  return hostname.startsWith('[') || ipaddr.isValid(hostname);
}
