/** A deployment that serves: its front door, its containers and their GPUs. It lives as long as its settings do. */
import { Admission } from './admission.ts';
import type { Served } from './arm-resources.ts';
import { Engine } from './engine.ts';
import type { Faults } from './faults.ts';
import { driftingTimes, type InstanceTimes, instanceTimes } from './gpu.ts';
import { findModel, type Model, parseModelId } from './models.ts';
import { type Routes, routesOf } from './payloads.ts';
import { PrefixCache } from './prefix-cache.ts';
import { drawNormal } from './random.ts';
import { readServingSettings, type ServingSettings } from './serving-settings.ts';
import { findSku, type Sku } from './skus.ts';
import { Workers } from './workers.ts';

/** Relative spread of deployments of one SKU; each draws one speed for its life. */
const SPEED_FACTOR_SD = 0.02;
/** Draws beyond this many standard deviations are cut: a slow machine, not a broken one. */
const MAX_SD = 3;

/** One instance: its GPUs, and the processes of the web server before them. */
export interface Instance {
  readonly engine: Engine;
  readonly workers: Workers;
}

export interface Serving {
  readonly admission: Admission;
  readonly instances: readonly Instance[];
  readonly times: InstanceTimes;
  readonly sku: Sku;
  /** Divides every GPU time: this deployment's draw times the simulator's speed. */
  readonly factor: number;
  readonly model: Model;
  readonly routes: Routes;
  readonly settings: ServingSettings;
  readonly prefixCache: PrefixCache | null;
  readonly requestTimeoutMs: number;
  /** Calls that came as far as this deployment's front door, of which faults hit each so-manieth. */
  calls: number;
}

/** Starts what serves with those settings. Throws where model or SKU is unknown: then it would not have been created. */
export function startServing(input: {
  endpointName: string;
  deploymentName: string;
  served: Served;
  faults: Faults;
  environment: Readonly<Record<string, string>>;
  gpuSpeed: number;
  seed: number;
  /** Told of each piece of work of an instance, on the clock of `performance`. */
  onWork: (beginMs: number, endMs: number) => void;
}): Serving {
  const { endpointName, deploymentName, served, gpuSpeed, seed } = input;
  const id = parseModelId(served.model);
  const model = id && findModel(id);
  const sku = findSku(served.instanceType);
  if (model === undefined || sku === undefined) {
    throw new Error(`Deployment ${deploymentName} serves, but its model or SKU is not known.`);
  }
  const settings = readServingSettings(input.faults, input.environment);
  const factor = speedFactor(seed, endpointName, deploymentName) * gpuSpeed;
  const steady = instanceTimes(sku, model, factor, gpuSpeed);
  const { driftPercentPerHour } = settings;
  const times =
    driftPercentPerHour === 0 ? steady : driftingTimes(steady, driftPercentPerHour, performance.now());
  return {
    admission: new Admission(served.maxConcurrentPerInstance, served.instances),
    instances: Array.from({ length: served.instances }, () => ({
      engine: new Engine(times, input.onWork),
      workers: new Workers(settings.workers),
    })),
    times,
    sku,
    factor,
    model,
    routes: routesOf(model),
    settings,
    prefixCache: settings.prefixCache ? new PrefixCache() : null,
    requestTimeoutMs: served.requestTimeoutMs,
    calls: 0,
  };
}

export function stopServing(serving: Serving): void {
  for (const { engine } of serving.instances) engine.stop();
}

/** What this deployment's machines are in speed, by the draw that its names have in this simulator's seed. */
export function speedFactor(seed: number, endpointName: string, deploymentName: string): number {
  const draw = drawNormal(seed, 'speed', endpointName.toLowerCase(), deploymentName.toLowerCase());
  return 1 + SPEED_FACTOR_SD * cut(draw);
}

/** By which the times of one request are multiplied: 1 without noise. */
export function drawSlowness(noisePercent: number, seed: number, call: number): number {
  if (noisePercent === 0) return 1;
  return Math.max(0.05, 1 + (noisePercent / 100) * cut(drawNormal(seed, 'noise', call)));
}

function cut(draw: number): number {
  return Math.max(-MAX_SD, Math.min(MAX_SD, draw));
}
