import { expect, test } from 'vitest';
import { type InstanceTimes, instanceTimes, modelFits } from '../../src/simulator/gpu.ts';
import { findModel, type Model, parseModelId } from '../../src/simulator/models.ts';
import { findSku, type Sku } from '../../src/simulator/skus.ts';

// Measured on the real machines, one stream at a time: milliseconds per token of Phi-4.
test.each([
  ['Standard_NC24ads_A100_v4', 22],
  ['Standard_NC48ads_A100_v4', 14],
  ['Standard_NC40ads_H100_v5', 12.5],
  ['Standard_NC80adis_H100_v5', 8.75],
])('Phi-4 alone on %s takes about %d ms a token after 0.9 s', (sku, measuredMs) => {
  const times = phi4On(sku);
  expect(times.stepMs(1, 600)).toBeGreaterThan(measuredMs * 0.97);
  expect(times.stepMs(1, 600)).toBeLessThan(measuredMs * 1.03);
  expect(times.fixedMs).toBe(900);
});

test('streams in a batch share the reading of the weights until the GPU saturates', () => {
  const times = phi4On('Standard_NC24ads_A100_v4');
  const tokensPerSecond = (streams: number) => (streams * 1000) / times.stepMs(streams, streams * 600);

  expect(tokensPerSecond(8) / tokensPerSecond(1)).toBeGreaterThan(6.5);
  expect(tokensPerSecond(256) / tokensPerSecond(128)).toBeLessThan(1.6);
  for (let streams = 1; streams < 256; streams += 1) {
    expect(times.stepMs(streams + 1, (streams + 1) * 600)).toBeGreaterThan(
      times.stepMs(streams, streams * 600),
    );
  }
});

test('a prompt costs time in proportion to its tokens, once it is longer than a step', () => {
  const times = phi4On('Standard_NC24ads_A100_v4');
  const perThousand = times.prefillMs(3000) - times.prefillMs(2000);
  expect(perThousand).toBeCloseTo((2 * 14.7e9 * 1000) / (312e9 * 0.6), 5);
  expect(times.prefillMs(1)).toBeCloseTo(22, 0);
});

test('speed factors divide every GPU time; the fixed part knows the simulator speed only', () => {
  const plain = phi4On('Standard_NC24ads_A100_v4');
  const fast = phi4On('Standard_NC24ads_A100_v4', 20, 10);
  expect(fast.stepMs(4, 2000)).toBeCloseTo(plain.stepMs(4, 2000) / 20, 9);
  expect(fast.prefillMs(4000)).toBeCloseTo(plain.prefillMs(4000) / 20, 9);
  expect(fast.fixedMs).toBe(90);
});

test('weights that are larger than the memory of the SKU do not fit', () => {
  expect(modelFits(sku('Standard_NC24ads_A100_v4'), model('azureml', 'Phi-4', '7'))).toBe(true);
  expect(modelFits(sku('Standard_NC4as_T4_v3'), model('azureml', 'Phi-4', '7'))).toBe(false);
  expect(
    modelFits(sku('Standard_NC24ads_A100_v4'), model('azureml-meta', 'Llama-3.3-70B-Instruct', '4')),
  ).toBe(false);
});

test.each([
  ['azureml://registries/AzureML/models/Phi-4/versions/7', true],
  ['azureml://registries/azureml/models/Phi-4/versions/8', true],
  ['azureml://registries/azureml/models/Phi-3-medium-4k-instruct/versions/6', true],
  ['azureml://registries/azureml/models/Phi-4/versions/99', false],
  ['azureml://registries/other/models/Phi-4/versions/7', false],
])('%s: known %s', (id, known) => {
  const parsed = parseModelId(id);
  expect(parsed && findModel(parsed) !== undefined).toBe(known);
});

function phi4On(skuName: string, factor = 1, fixedFactor = 1): InstanceTimes {
  return instanceTimes(sku(skuName), model('azureml', 'Phi-4', '7'), factor, fixedFactor);
}

function sku(name: string): Sku {
  return findSku(name.toUpperCase()) as Sku; // a name in the table above
}

function model(registry: string, name: string, version: string): Model {
  return findModel({ registry, name, version }) as Model; // likewise
}
