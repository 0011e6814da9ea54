import { request } from 'undici';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { SKUS } from '../../src/simulator/skus.ts';

let simulator: Simulator;
beforeAll(async () => {
  simulator = await startSimulator({ port: 0 });
});
afterAll(() => simulator.stop());

const NC24 =
  "serviceName eq 'Virtual Machines' and armRegionName eq 'eastus2' and armSkuName eq 'Standard_NC24ads_A100_v4'";

test('exactly one row of a size is a Linux VM by the hour, at about 3.67 USD for NC24ads A100 v4', async () => {
  const { Items: items, NextPageLink } = (await prices(NC24)).body;
  expect(items.length).toBeGreaterThan(6);
  expect(NextPageLink).toBeNull();
  const linux = items.filter(isLinuxByTheHour);
  expect(linux).toHaveLength(1);
  expect(linux[0].retailPrice).toBeCloseTo(3.67, 1);
  expect(new Set(items.map((item: { type: string }) => item.type))).toEqual(
    new Set(['Consumption', 'DevTestConsumption', 'Reservation']),
  );
  for (const word of ['Windows', 'Spot', 'Low Priority']) {
    expect(items.some((item: Row) => `${item.productName} ${item.meterName}`.includes(word))).toBe(true);
  }
});

test('every size has a price in several regions', async () => {
  for (const region of ['eastus2', 'westeurope', 'swedencentral', 'westus3']) {
    const rows = await allRows(`armRegionName eq '${region}' and priceType eq 'Consumption'`);
    const priced = new Set(rows.filter(isLinuxByTheHour).map((row) => row.armSkuName));
    expect(priced).toEqual(new Set(SKUS.map((sku) => sku.name)));
  }
});

test('the wanted row is neither always the first nor always the last', async () => {
  const positions = await Promise.all(
    SKUS.map(async (sku) => {
      const { Items } = (await prices(`armRegionName eq 'eastus2' and armSkuName eq '${sku.name}'`)).body;
      return Items.findIndex(isLinuxByTheHour);
    }),
  );
  expect(new Set(positions).size).toBeGreaterThan(3);
});

test('values are compared with their capitals, and pages link to the next until null', async () => {
  expect((await prices("armSkuName eq 'standard_nc24ads_a100_v4'")).body.Count).toBe(0);
  const first = (await prices("serviceName eq 'Virtual Machines'")).body;
  expect(first.NextPageLink).toMatch(new RegExp(`^${simulator.baseUrl}/api/retail/prices\\?`));
  const rows = await allRows("serviceName eq 'Virtual Machines'");
  expect(rows.length).toBeGreaterThan(first.Count);
  expect(new Set(rows.map((row) => `${row.meterId} ${row.type} ${row.reservationTerm}`)).size).toBe(
    rows.length,
  );
});

test.each([
  "armSkuName like 'x'",
  "armSkuName eq 'x' and",
  "nothing eq 'x'",
  "armSkuName eq 'x' armSkuName eq 'y'",
])('the filter %s is refused', async (filter) => {
  expect((await prices(filter)).status).toBe(400);
});

interface Row {
  readonly armSkuName: string;
  readonly type: string;
  readonly productName: string;
  readonly meterName: string;
  readonly meterId: string;
  readonly reservationTerm?: string;
}

function isLinuxByTheHour(row: Row): boolean {
  return (
    row.type === 'Consumption' &&
    !row.productName.endsWith('Windows') &&
    !/Spot|Low Priority/.test(row.meterName)
  );
}

async function allRows(filter: string): Promise<Row[]> {
  const rows: Row[] = [];
  let page = (await prices(filter)).body;
  for (let pages = 0; pages < 50; pages += 1) {
    rows.push(...page.Items);
    if (page.NextPageLink === null) return rows;
    // biome-ignore lint/suspicious/noExplicitAny: the test asserts on the shape.
    page = (await (await request(page.NextPageLink)).body.json()) as any;
  }
  throw new Error('The pages did not end.');
}

async function prices(filter: string) {
  const url = `${simulator.baseUrl}/api/retail/prices?api-version=2023-01-01-preview&$filter=${encodeURIComponent(filter)}`;
  const { statusCode, headers, body } = await request(url);
  expect(headers['x-simulated']).toBe('true');
  // biome-ignore lint/suspicious/noExplicitAny: the test asserts on the shape.
  return { status: statusCode, body: (await body.json()) as any };
}
