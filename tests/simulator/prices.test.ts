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

test('exactly one row of a size is a Linux VM by the hour today, at about 3.67 USD for NC24ads A100 v4', async () => {
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

test('a size has each of the rows that are easily taken for it', async () => {
  const rows = await allRows(NC24);
  const some = (is: (row: Row) => boolean) => rows.some(is);
  const looksLinux = (row: Row) =>
    row.type === 'Consumption' &&
    !/Windows/.test(row.productName) &&
    !/Spot|Low Priority/.test(row.meterName);
  expect(some((row) => looksLinux(row) && /Low Priority/.test(row.skuName) && row.retailPrice < 1)).toBe(
    true,
  );
  expect(some((row) => looksLinux(row) && Date.parse(row.effectiveStartDate) > Date.now())).toBe(true);
  expect(some((row) => looksLinux(row) && row.retailPrice > 4 && row.effectiveEndDate !== undefined)).toBe(
    true,
  );
  expect(some((row) => looksLinux(row) && row.tierMinimumUnits > 0)).toBe(true);
  expect(some((row) => looksLinux(row) && row.unitOfMeasure === '1 Day')).toBe(true);
  expect(rows.flatMap((row) => row.reservationTerm ?? [])).toHaveLength(2);
  expect(new Set(rows.flatMap((row) => row.reservationTerm ?? []))).toEqual(new Set(['1 Year', '3 Years']));
});

test('another currency is had by asking for it, and one that is not known is refused', async () => {
  const inCurrency = async (currencyCode: string) => {
    const query = new URLSearchParams({ currencyCode: `'${currencyCode}'`, $filter: NC24 });
    const { body, statusCode } = await request(`${simulator.baseUrl}/api/retail/prices?${query}`);
    // biome-ignore lint/suspicious/noExplicitAny: the test asserts on the shape.
    return { status: statusCode, body: (await body.json()) as any };
  };
  const euros = (await inCurrency('EUR')).body;
  expect(euros.BillingCurrency).toBe('EUR');
  const [row] = euros.Items.filter(isLinuxByTheHour);
  expect(row).toMatchObject({ currencyCode: 'EUR', retailPrice: expect.closeTo(3.67 * 0.86, 1) });
  expect((await inCurrency('XXX')).status).toBe(400);
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

test('ARM names the sizes with prices of its own, and families with the blanks of the documents', async () => {
  const answer = await request(
    `${simulator.baseUrl}/subscriptions/s/providers/Microsoft.MachineLearningServices/locations/westeurope/vmSizes?api-version=x`,
    { headers: { authorization: 'Bearer any' } },
  );
  // biome-ignore lint/suspicious/noExplicitAny: the test asserts on the shape.
  const { value } = (await answer.body.json()) as any;
  const t4 = value.find((size: { name: string }) => size.name === 'Standard_NC4as_T4_v3');
  expect(t4).toMatchObject({ family: 'standard NCASv3_T4 Family', vCPUs: 4, gpus: 1, memoryGB: 28 });
  expect(t4.estimatedVMPrices).toMatchObject({ billingCurrency: 'USD', unitOfMeasure: 'OneHour' });
  expect(t4.estimatedVMPrices.values).toContainEqual({
    retailPrice: expect.closeTo(0.526 * 1.3, 3),
    osType: 'Linux',
    vmTier: 'Standard',
  });
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
  readonly retailPrice: number;
  readonly skuName: string;
  readonly unitOfMeasure: string;
  readonly tierMinimumUnits: number;
  readonly effectiveStartDate: string;
  readonly effectiveEndDate?: string;
}

function isLinuxByTheHour(row: Row): boolean {
  return (
    row.type === 'Consumption' &&
    !row.productName.endsWith('Windows') &&
    !/Spot|Low Priority/.test(row.skuName) &&
    row.unitOfMeasure === '1 Hour' &&
    row.tierMinimumUnits === 0 &&
    row.effectiveEndDate === undefined &&
    Date.parse(row.effectiveStartDate) <= Date.now()
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
