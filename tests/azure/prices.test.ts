import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createPriceBook } from '../../src/azure/prices.ts';

const SKU = 'Standard_NC24ads_A100_v4';
const REGION = 'eastus2';
const NOW = Date.parse('2026-11-15T12:00:00Z');

const normal = {
  armSkuName: SKU,
  armRegionName: REGION,
  currencyCode: 'USD',
  retailPrice: 3.67,
  unitOfMeasure: '1 Hour',
  type: 'Consumption',
  productName: 'Virtual Machines NCadsA100v4 Series',
  meterName: 'NC24ads A100 v4',
  skuName: 'NC24ads A100 v4',
  effectiveStartDate: '2026-03-01T00:00:00Z',
  tierMinimumUnits: 0,
};

/** Everything that stands beside the normal row, most of it cheaper. */
const others = [
  { ...normal, productName: `${normal.productName} Windows`, retailPrice: 0.1 },
  { ...normal, meterName: 'NC24ads A100 v4 Spot', skuName: 'NC24ads A100 v4 Spot', retailPrice: 0.2 },
  { ...normal, meterName: 'NC24ads A100 v4 Low Priority', retailPrice: 0.3 },
  { ...normal, skuName: 'NC24ads A100 v4 Low Priority', retailPrice: 0.4 },
  { ...normal, type: 'DevTestConsumption', retailPrice: 0.5 },
  { ...normal, type: 'Reservation', reservationTerm: '1 Year', retailPrice: 20_000 },
  { ...normal, reservationTerm: '1 Year', retailPrice: 0.6 },
  { ...normal, type: 'Reservation', reservationTerm: '3 Years', retailPrice: 43_800 },
  { ...normal, skuName: 'NC24ads A100 v4 LowPriority', retailPrice: 0.65 },
  { ...normal, tierMinimumUnits: 100, retailPrice: 0.7 },
  { ...normal, armRegionName: 'westeurope', retailPrice: 0.8 },
  { ...normal, unitOfMeasure: '1 Day', retailPrice: 0.9 },
  { ...normal, effectiveStartDate: '2026-12-01T00:00:00Z', retailPrice: 9.99 },
  { ...normal, effectiveStartDate: '2025-01-01T00:00:00Z', retailPrice: 4.2 },
  { ...normal, currencyCode: 'EUR', retailPrice: 1 },
  { ...normal, tierMinimumUnits: undefined, retailPrice: 1.1 },
  null,
  'nonsense',
];

let respond: (incoming: IncomingMessage, answer: ServerResponse, url: URL) => void;
let requests: URL[];
let origin: string;
let closeServer: () => Promise<void>;

beforeEach(async () => {
  requests = [];
  const server = createServer((incoming, answer) => {
    const url = new URL(incoming.url ?? '/', origin);
    requests.push(url);
    expect(incoming.headers.authorization).toBeUndefined();
    respond(incoming, answer, url);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  closeServer = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
});
afterEach(() => closeServer());

const quote = () => createPriceBook({ pricesEndpoint: origin }, null, () => NOW).quote(SKU, REGION);

describe('the price of a SKU', () => {
  it('is the normal row in every order and over every split into pages', async () => {
    for (let order = 0; order < 10; order += 1) {
      const items = [normal, ...others].sort(() => Math.random() - 0.5);
      const pages = order % 2 === 0 ? [items] : [items.slice(0, 5), [], items.slice(5, 9), items.slice(9)];
      respond = (_incoming, answer, url) => {
        const page = Number(url.searchParams.get('$skip') ?? 0);
        const link = page + 1 < pages.length ? `${origin}/api/retail/prices?$skip=${page + 1}` : null;
        answer.end(JSON.stringify({ Items: pages[page], NextPageLink: link }));
      };
      expect(await quote()).toEqual({
        price: {
          perHourUsd: 3.67,
          region: REGION,
          since: '2026-03-01T00:00:00Z',
          source: 'retail',
          askedAt: '2026-11-15T12:00:00.000Z',
          reserved: { oneYearPerHourUsd: 20_000 / 8_760, threeYearsPerHourUsd: 43_800 / 26_280 },
        },
        reason: null,
      });
    }
  });

  it('is asked for in dollars, by SKU and region, with quotes escaped', async () => {
    respond = (_incoming, answer) => answer.end(JSON.stringify({ Items: [], NextPageLink: null }));
    const { price, reason } = await createPriceBook({ pricesEndpoint: origin }).quote("x' or 1 eq 1", REGION);
    expect(price).toBeNull();
    expect(reason).toContain("no Linux pay-as-you-go price of x' or 1 eq 1");
    const query = requests[0]?.searchParams;
    expect(requests[0]?.pathname).toBe('/api/retail/prices');
    expect(query?.get('currencyCode')).toBe("'USD'");
    expect(query?.get('$filter')).toBe(
      "serviceName eq 'Virtual Machines' and armRegionName eq 'eastus2' and armSkuName eq 'x'' or 1 eq 1'",
    );
  });

  it('is kept for twelve hours and asked again after that; a failure is asked again at once', async () => {
    let now = NOW;
    const book = createPriceBook({ pricesEndpoint: origin }, null, () => now);
    respond = (_incoming, answer) => answer.writeHead(500).end();
    expect((await book.quote(SKU, REGION)).reason).toContain('answered 500');
    respond = (_incoming, answer) => answer.end(JSON.stringify({ Items: [normal] }));
    for (let n = 0; n < 3; n += 1) expect((await book.quote(SKU, REGION)).price?.perHourUsd).toBe(3.67);
    expect(requests).toHaveLength(2);
    now += 12 * 3_600_000;
    await book.quote(SKU, REGION);
    expect(requests).toHaveLength(3);
  });
});

describe('a price list that cannot be believed gives no price, and says why', () => {
  it('a next page at another address, which is never asked', async () => {
    let asked = 0;
    const stranger = createServer((_incoming, answer) => {
      asked += 1;
      answer.end('{}');
    });
    await new Promise<void>((resolve) => stranger.listen(0, '127.0.0.1', resolve));
    const link = `http://127.0.0.1:${(stranger.address() as AddressInfo).port}/api/retail/prices`;
    respond = (_incoming, answer) => answer.end(JSON.stringify({ Items: [normal], NextPageLink: link }));
    expect(await quote()).toEqual({
      price: null,
      reason: expect.stringContaining('goes on at another address'),
    });
    expect(asked).toBe(0);
    await new Promise((resolve) => stranger.close(resolve));
  });

  it('a list that never ends, after twenty pages', async () => {
    respond = (_incoming, answer, url) => {
      const skip = Number(url.searchParams.get('$skip') ?? 0) + 1;
      answer.end(
        JSON.stringify({ Items: [normal], NextPageLink: `${origin}/api/retail/prices?$skip=${skip}` }),
      );
    };
    expect(await quote()).toEqual({ price: null, reason: expect.stringContaining('goes on after 20 pages') });
    expect(requests).toHaveLength(20);
  });

  it('a list that goes in a circle, at its second turn', async () => {
    respond = (_incoming, answer, url) => {
      const skip = Number(url.searchParams.get('$skip') ?? 0) === 1 ? 2 : 1;
      answer.end(
        JSON.stringify({ Items: [normal], NextPageLink: `${origin}/api/retail/prices?$skip=${skip}` }),
      );
    };
    expect(await quote()).toEqual({ price: null, reason: expect.stringContaining('goes in a circle') });
    expect(requests).toHaveLength(3);
  });

  it('a list that breaks off in its second page', async () => {
    respond = (_incoming, answer, url) => {
      if (url.searchParams.has('$skip')) answer.writeHead(500).end();
      else
        answer.end(JSON.stringify({ Items: [normal], NextPageLink: `${origin}/api/retail/prices?$skip=1` }));
    };
    expect(await quote()).toEqual({ price: null, reason: expect.stringContaining('answered 500') });
  });

  it.each<[string, (answer: ServerResponse) => void, string]>([
    ['a status', (answer) => answer.writeHead(429).end('slow down'), 'answered 429'],
    [
      'a redirect',
      (answer) => answer.writeHead(302, { location: 'http://example.com/' }).end(),
      'answered 302',
    ],
    ['no JSON', (answer) => answer.end('<html>'), 'is not JSON'],
    ['other JSON', (answer) => answer.end('{"value":[]}'), 'not a page of the price list'],
    [
      'a cut answer',
      (answer) => answer.writeHead(200, { 'content-length': 99 }).write('{"It', () => answer.destroy()),
      'could not be read',
    ],
    ['an endless answer', (answer) => answer.end(' '.repeat(5 * 1024 * 1024)), 'longer than 4 MiB'],
    [
      'a foreign currency only',
      (answer) => answer.end(JSON.stringify({ Items: [{ ...normal, currencyCode: 'EUR' }] })),
      'no Linux pay-as-you-go price',
    ],
  ])('%s', async (_name, answerWith, reason) => {
    respond = (_incoming, answer) => answerWith(answer);
    expect(await quote()).toEqual({ price: null, reason: expect.stringContaining(reason) });
  });

  it('nobody there', async () => {
    await closeServer();
    expect(await quote()).toEqual({ price: null, reason: expect.stringContaining('ECONNREFUSED') });
    closeServer = async () => {};
  });
});

describe('where the price list cannot be had, Azure ML’s own estimate stands in', () => {
  const sizes = [
    {
      name: SKU,
      currency: 'USD',
      unit: 'OneHour',
      prices: [{ perUnit: 3.9, os: 'Linux', tier: 'Standard' }],
    },
  ];
  const book = (listSizePrices = async () => sizes) =>
    createPriceBook({ pricesEndpoint: origin }, { listSizePrices }, () => NOW);

  it('for a list that is down or has no such row, and the list is asked again at the next question', async () => {
    const prices = book();
    respond = (_incoming, answer) => answer.writeHead(503).end();
    expect((await prices.quote(SKU, REGION)).price).toMatchObject({ perHourUsd: 3.9, source: 'arm' });
    respond = (_incoming, answer) => answer.end(JSON.stringify({ Items: others }));
    expect((await prices.quote(SKU, REGION)).price?.perHourUsd).toBe(4.2);
    respond = (_incoming, answer) => answer.end(JSON.stringify({ Items: [] }));
    expect((await book().quote(SKU, REGION)).price?.source).toBe('arm');
  });

  it('not for a list that leads elsewhere or has no end: the setting is wrong, and that must be seen', async () => {
    respond = (_incoming, answer) =>
      answer.end(JSON.stringify({ Items: [normal], NextPageLink: 'https://prices.example.com/x' }));
    expect(await book().quote(SKU, REGION)).toEqual({
      price: null,
      reason: expect.stringContaining('goes on at another address'),
    });
  });

  it('and where ARM knows none either, both reasons are told', async () => {
    respond = (_incoming, answer) => answer.writeHead(503).end();
    const nothing = await book(async () => []).quote(SKU, REGION);
    expect(nothing.reason).toMatch(/answered 503\. Azure ML estimates no Linux price/);
    const failing = await book(async () => {
      throw new Error('x');
    }).quote(SKU, REGION);
    expect(failing.reason).toContain(
      "Azure ML's own estimate could not be had either: ARM could not be read.",
    );
  });
});
