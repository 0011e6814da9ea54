/** Which addresses may be connected to, in every spelling that a resolver may answer with. */
import { describe, expect, it } from 'vitest';
import { parsePrivateRanges, refuseIp } from '../../src/azure/address-guard.ts';

const check = (address: string, ranges: string[] = [], allowLoopback = false) =>
  refuseIp(address, { privateRanges: parsePrivateRanges(ranges), allowLoopback });
/** As wide as the setting can be set. */
const WIDEST = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', 'fc00::/7'];

describe('an address that may be connected to', () => {
  it.each(['8.8.8.8', '20.42.0.1', '2603:1030:20e:3::23c', '2a00:1450:4001:800::200e'])('%s', (address) => {
    expect(check(address)).toBeNull();
  });

  it.each([
    ['10.1.2.3', '10.1.2.0/24'],
    ['192.168.0.9', '192.168.0.9/32'],
    ['172.31.255.1', '172.16.0.0/12'],
    ['fd12:3456::1', 'fd12:3456::/32'],
  ])('%s where %s is named, and not otherwise', (address, range) => {
    expect(check(address, [range])).toBeNull();
    expect(check(address)).toContain('ALLOWED_PRIVATE_RANGES');
    expect(check(address, ['10.200.0.0/16'])).not.toBeNull();
  });

  it.each(['127.0.0.1', '127.8.8.8', '::1'])(
    '%s where loopback is allowed, and nothing else with it',
    (address) => {
      expect(check(address, [], true)).toBeNull();
      expect(check(address)).toBe('is this machine itself');
      expect(check('10.0.0.1', [], true)).not.toBeNull();
    },
  );
});

describe('an address that is refused, however wide the settings are', () => {
  it.each([
    '169.254.169.254',
    '169.254.0.1',
    '168.63.129.16',
    '100.100.100.200',
    '192.0.0.192',
    'fd00:ec2::254',
    'fd20:ce::254',
    'fe80::1',
    'fe80::a9fe:a9fe',
    '0.0.0.0',
    '0.1.2.3',
    '::',
    '255.255.255.255',
    '224.0.0.1',
    'ff02::1',
    '240.0.0.1',
    '::ffff:127.0.0.1',
    '::ffff:7f00:1',
    '::ffff:10.0.0.1',
    '::ffff:8.8.8.8',
    '::127.0.0.1',
    '::8.8.8.8',
    '64:ff9b::7f00:1',
    '64:ff9b::808:808',
    '64:ff9b:1::a00:1',
    '2002:7f00:1::',
    '2002:808:808::1',
    '2001:0:808:808::1',
    '2603:1030::5efe:a00:1',
    '2603:1030::200:5efe:a9fe:a9fe',
    '192.0.2.1',
    '198.18.0.1',
    '2001:db8::1',
    'example.com',
    '',
  ])('%s', (address) => {
    for (const allowLoopback of [false, true]) expect(check(address, WIDEST, allowLoopback)).not.toBeNull();
  });
});

describe('the setting', () => {
  it.each([
    '169.254.0.0/16',
    '0.0.0.0/0',
    '8.8.8.0/24',
    '127.0.0.0/8',
    '10.0.0.0/7',
    '::/0',
    'fe80::/10',
    '::1/128',
    '10.0.0.0',
    'x',
  ])('does not take %s, and says so', (range) => {
    expect(() => parsePrivateRanges(['10.0.0.0/8', range])).toThrow(JSON.stringify(range));
  });

  it('names every fault at once', () => {
    expect(() => parsePrivateRanges(['a', 'b'])).toThrow(/2 faults.*"a".*"b"/);
  });
});
