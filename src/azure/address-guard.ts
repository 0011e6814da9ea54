/**
 * Which IP addresses a request of a user's may go to. A host name under an allowed suffix may point anywhere its owner
 * likes, so every address that it resolves to is looked at, and the one that was looked at is connected to: a name that
 * is asked twice may give another answer the second time.
 *
 * Only ordinary public addresses pass. Forms of IPv6 that carry an IPv4 address inside (mapped, compatible, 6to4,
 * Teredo, NAT64, ISATAP) are refused as a whole, since each is another spelling of an address that may be forbidden.
 */
import ipaddr from 'ipaddr.js';
import { ConfigError } from '../config.ts';

export interface AddressRule {
  /** Parsed by `parsePrivateRanges`; empty by default. */
  readonly privateRanges: readonly AddressRange[];
  readonly allowLoopback: boolean;
}

export type AddressRange = [ipaddr.IPv4 | ipaddr.IPv6, number];

/**
 * Addresses at which clouds tell secrets to whoever asks, wherever they lie: Azure's wire server is a public address,
 * and others lie in ranges that a setting may admit.
 */
const METADATA = [
  '168.63.129.16',
  '169.254.169.254',
  '100.100.100.200',
  '192.0.0.192',
  'fd00:ec2::254',
  'fd20:ce::254',
];

/** What a setting may admit parts of: private networks, shared space of carriers, unique local IPv6. */
const PRIVATE_SPACES = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', 'fc00::/7'].map(
  (cidr) => ipaddr.parseCIDR(cidr),
);

const LOOPBACK_KIND = 'loopback';

/** The clause that says what is wrong with an address, or null where it may be connected to. */
export function refuseIp(address: string, { privateRanges, allowLoopback }: AddressRule): string | null {
  if (!ipaddr.isValid(address)) return 'is no IP address';
  const ip = ipaddr.parse(address);
  const kind = kindOf(ip);
  if (kind === LOOPBACK_KIND) return allowLoopback ? null : 'is this machine itself';
  if (METADATA.some((one) => isSame(ip, ipaddr.parse(one)))) return 'is where a cloud tells its secrets';
  if (kind === 'unicast') return null;
  const admitted = isPrivate(ip) && privateRanges.some((range) => isWithin(ip, range));
  return admitted ? null : (REASONS[kind] ?? `is not a public address (${kind})`);
}

const REASONS: Readonly<Record<string, string>> = {
  private: 'is a private address, and ALLOWED_PRIVATE_RANGES does not name it',
  uniqueLocal: 'is a private address, and ALLOWED_PRIVATE_RANGES does not name it',
  carrierGradeNat: 'is a private address, and ALLOWED_PRIVATE_RANGES does not name it',
  linkLocal: 'is a link-local address, where clouds tell their secrets',
  unspecified: 'is the unspecified address, which is this machine itself',
  embedded: 'carries an IPv4 address inside an IPv6 one',
};

/** The setting's ranges, each within private space and without a metadata address. Throws a ConfigError with every fault. */
export function parsePrivateRanges(cidrs: readonly string[]): readonly AddressRange[] {
  const faults: string[] = [];
  const ranges = cidrs.flatMap((cidr): AddressRange[] => {
    const fault = (what: string) => {
      faults.push(`ALLOWED_PRIVATE_RANGES holds ${JSON.stringify(cidr.slice(0, 60))}, which ${what}.`);
      return [];
    };
    if (!ipaddr.isValidCIDR(cidr)) return fault('is no range such as 10.1.2.0/24');
    const range = ipaddr.parseCIDR(cidr);
    const space = PRIVATE_SPACES.find((one) => isWithin(range[0], one));
    if (space === undefined || range[1] < space[1])
      return fault(
        'lies outside of what is private (10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10, fc00::/7)',
      );
    return [range];
  });
  if (faults.length > 0) throw new ConfigError(faults);
  return ranges;
}

function kindOf(ip: ipaddr.IPv4 | ipaddr.IPv6): string {
  const range = ip.range();
  if (ip.kind() === 'ipv4') return range;
  const bytes = ip.toByteArray();
  // ISATAP: ...:0:5efe:a.b.c.d or ...:200:5efe:a.b.c.d.
  if ((bytes[8] === 0 || bytes[8] === 2) && bytes[9] === 0 && bytes[10] === 0x5e && bytes[11] === 0xfe)
    return 'embedded';
  return ['ipv4Mapped', 'rfc6145', 'rfc6052', '6to4', 'teredo'].includes(range) ? 'embedded' : range;
}

function isPrivate(ip: ipaddr.IPv4 | ipaddr.IPv6): boolean {
  return PRIVATE_SPACES.some((space) => isWithin(ip, space));
}

function isWithin(ip: ipaddr.IPv4 | ipaddr.IPv6, range: AddressRange): boolean {
  return ip.kind() === range[0].kind() && ip.match(range);
}

function isSame(one: ipaddr.IPv4 | ipaddr.IPv6, other: ipaddr.IPv4 | ipaddr.IPv6): boolean {
  return one.kind() === other.kind() && one.toNormalizedString() === other.toNormalizedString();
}
