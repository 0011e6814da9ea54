/**
 * Endpoints and deployments: what exists, in what state, what each change does to it. Nothing here knows HTTP. All
 * of it follows from stored absolute times; `nowMs` (epoch) is passed in, and what has ended is found out when asked.
 */
import { createHmac, randomUUID } from 'node:crypto';
import {
  checkName,
  type DeploymentBody,
  type EndpointBody,
  parseDeploymentBody,
  parseDeploymentPatch,
  parseEndpointBody,
  parseEndpointPatch,
} from './arm-bodies.ts';
import { ArmError, badArgument, conflict, notFound } from './arm-error.ts';
import type { Account, Books } from './books.ts';
import { chooseDeploymentFault, type DeploymentFault } from './deployment-fault.ts';
import type { FaultPlan } from './fault-plan.ts';
import { type Faults, readFaults } from './faults.ts';
import { modelFits } from './gpu.ts';
import { findModel, type Model, parseModelId } from './models.ts';
import type { Offers } from './offers.ts';
import {
  cancelOperation,
  isUnderWay,
  type Operation,
  type OperationKind,
  provisioningState,
  startOperation,
} from './operations.ts';
import { explainMissingQuota, type QuotaLimits } from './quota.ts';
import { findSku, SKUS } from './skus.ts';

/** The service's documented bounds. */
const MAX_ENDPOINTS_PER_REGION = 100;
const MAX_DEPLOYMENTS_PER_ENDPOINT = 20;
/** Operations that can still be asked for; a client polls the last few. */
const MAX_OPERATIONS = 2000;
/** A deployment's environment may ask for faults by this variable, beside its names. */
const FAULTS_VARIABLE = 'SIMULATOR_FAULTS';
/** An issued token's life. */
const TOKEN_SECONDS = 3600;
/** Seconds of the faults that take some, where their name has no number. */
const SLOW_DELETE_SECONDS = 60;
const SLOW_DEPLOYMENT_SECONDS = 60;
const KEYS_CHANGE_SECONDS = 5;

/** The workspace that a path names; every workspace exists. */
export interface Workspace {
  readonly subscription: string;
  readonly resourceGroup: string;
  readonly workspace: string;
}

/** What a deployment serves with: of its body, the part that scoring needs. */
export interface Served {
  readonly revision: string;
  readonly instanceType: string;
  readonly model: string;
  readonly instances: number;
  readonly maxConcurrentPerInstance: number;
  readonly requestTimeoutMs: number;
}

export interface Deployment {
  readonly name: string;
  readonly createdAtMs: number;
  changedAtMs: number;
  body: DeploymentBody;
  served: Served;
  /** What serves while the operation is under way; null while there is nothing to serve with. */
  servedBefore: Served | null;
  operation: Operation;
  /** Sentinels that a rule asked for when it was put, beside those in its names. */
  asked?: string;
  /** Last lines of the container's log where a fault wrote some. */
  log?: readonly string[];
}

export interface Endpoint extends Workspace {
  readonly name: string;
  /** Its own, even when another endpoint gets the same name later. */
  readonly uid: string;
  readonly createdAtMs: number;
  changedAtMs: number;
  body: EndpointBody;
  /** The traffic in force while the operation is under way. */
  trafficBefore: Readonly<Record<string, number>>;
  operation: Operation;
  deployments: Deployment[];
  /** How often each key was made anew; absent until the first time. */
  keyGenerations?: { readonly primary: number; readonly secondary: number };
  /** From when on both keys and all tokens are other ones, and from when on none works: faults. */
  keysRotateAtMs?: number;
  keysDieAtMs?: number;
}

export class ArmResources {
  readonly endpoints: Endpoint[];
  /** Asked by the data plane too, once per scoring call. */
  readonly faults: FaultPlan;
  readonly offers: Offers;
  readonly quota: QuotaLimits;
  readonly #keySalt: string;
  readonly #books: Books;
  readonly #speed: number;
  readonly #seed: number;
  readonly #operations = new Map<string, Operation>();

  constructor(options: {
    endpoints: Endpoint[];
    operations: readonly Operation[];
    keySalt: string;
    books: Books;
    faults: FaultPlan;
    offers: Offers;
    quota: QuotaLimits;
    speed: number;
    seed: number;
  }) {
    this.endpoints = options.endpoints;
    this.faults = options.faults;
    this.offers = options.offers;
    this.quota = options.quota;
    this.#keySalt = options.keySalt;
    this.#books = options.books;
    this.#speed = options.speed;
    this.#seed = options.seed;
    for (const operation of options.operations) this.#operations.set(operation.id, operation);
    for (const endpoint of this.endpoints) {
      for (const { operation } of [endpoint, ...endpoint.deployments])
        this.#operations.set(operation.id, operation);
    }
  }

  get operations(): readonly Operation[] {
    return [...this.#operations.values()];
  }

  findOperation(id: string): Operation | undefined {
    return this.#operations.get(id);
  }

  /** Every endpoint that is there at that time, of all workspaces. */
  endpointsAt(nowMs: number): readonly Endpoint[] {
    this.#dropDeleted(nowMs);
    return this.endpoints;
  }

  list(workspace: Workspace, nowMs: number): readonly Endpoint[] {
    return this.endpointsAt(nowMs).filter((endpoint) => isIn(endpoint, workspace));
  }

  /** The endpoint that a scoring URI names. */
  findByRegion(region: string, name: string, nowMs: number): Endpoint | undefined {
    return this.endpointsAt(nowMs).find(
      (endpoint) => endpoint.body.location === region && isSameName(endpoint.name, name),
    );
  }

  get(workspace: Workspace, name: string, nowMs: number): Endpoint {
    const endpoint = this.list(workspace, nowMs).find((entry) => isSameName(entry.name, name));
    if (endpoint !== undefined) return endpoint;
    throw notFound(`Online endpoint '${name}' was not found in workspace '${workspace.workspace}'.`);
  }

  getDeployment(workspace: Workspace, endpointName: string, name: string, nowMs: number): Deployment {
    const endpoint = this.get(workspace, endpointName, nowMs);
    const deployment = endpoint.deployments.find((entry) => isSameName(entry.name, name));
    if (deployment !== undefined) return deployment;
    throw notFound(`Deployment '${name}' was not found in endpoint '${endpointName}'.`);
  }

  putEndpoint(
    workspace: Workspace,
    name: string,
    requestBody: unknown,
    nowMs: number,
    asked = '',
  ): { endpoint: Endpoint; isNew: boolean } {
    const body = parseEndpointBody(requestBody);
    const existing = this.list(workspace, nowMs).find((entry) => isSameName(entry.name, name));
    const deployments = existing?.deployments ?? [];
    for (const named of Object.keys(body.traffic)) {
      if (!deployments.some((deployment) => isSameName(deployment.name, named))) {
        throw badArgument(
          `properties.traffic names '${named}', which is not a deployment of endpoint '${name}'.`,
        );
      }
    }
    if (existing === undefined)
      return { endpoint: this.#createEndpoint(workspace, name, body, nowMs, asked), isNew: true };

    refuseWhileBusy(existing, `Endpoint '${name}'`, nowMs);
    existing.trafficBefore = existing.body.traffic;
    existing.body = { ...body, location: existing.body.location };
    existing.changedAtMs = nowMs;
    existing.operation = this.#start('update-endpoint', endpointId(existing), nowMs);
    return { endpoint: existing, isNew: false };
  }

  patchEndpoint(workspace: Workspace, name: string, requestBody: unknown, nowMs: number): Endpoint {
    const endpoint = this.get(workspace, name, nowMs);
    const patch = parseEndpointPatch(requestBody);
    refuseWhileDeleting(endpoint, `Endpoint '${name}'`, nowMs);
    endpoint.body = {
      ...endpoint.body,
      tags: patch.tags ?? endpoint.body.tags,
      identity: patch.identity ?? endpoint.body.identity,
    };
    endpoint.changedAtMs = nowMs;
    return endpoint;
  }

  /** Begins the deletion of an endpoint and of all its deployments; a second call joins the first. */
  deleteEndpoint(workspace: Workspace, name: string, nowMs: number, asked = ''): Operation {
    const endpoint = this.get(workspace, name, nowMs);
    if (isDeleting(endpoint, nowMs)) return endpoint.operation;
    for (const deployment of endpoint.deployments) refuseWhileCreating(deployment, nowMs);
    if (isUnderWay(endpoint.operation, nowMs)) cancelOperation(endpoint.operation, nowMs);
    const faults = readFaults(...namesOfEndpoint(endpoint), asked);
    endpoint.operation = this.#startDelete(endpointId(endpoint), faults, nowMs);
    endpoint.changedAtMs = nowMs;
    if (endpoint.operation.outcome !== 'Succeeded') return endpoint.operation;
    const account = this.accountOf(endpoint);
    account.deletedAtMs = endpoint.operation.endsAtMs;
    for (const deployment of endpoint.deployments) {
      endRental(account, deployment.name, endpoint.operation.endsAtMs);
    }
    return endpoint.operation;
  }

  putDeployment(
    workspace: Workspace,
    endpointName: string,
    name: string,
    requestBody: unknown,
    nowMs: number,
    asked = '',
  ): { endpoint: Endpoint; deployment: Deployment; isNew: boolean } {
    checkName('deployment', name);
    const wanted = parseDeploymentBody(requestBody);
    const faults = readFaults(workspace.workspace, endpointName, name, ...namesOfBody(wanted), asked);
    const body = applyFaults(wanted, faults);
    const endpoint = this.get(workspace, endpointName, nowMs);
    const endpointState = provisioningState(endpoint.operation, nowMs);
    if (endpointState !== 'Succeeded') {
      throw conflict(
        `Endpoint '${endpointName}' is ${endpointState}; a deployment needs it to be Succeeded. Try again later.`,
      );
    }
    const existing = endpoint.deployments.find((entry) => isSameName(entry.name, name));
    if (existing !== undefined) refuseWhileBusy(existing, `Deployment '${name}'`, nowMs);
    if (existing === undefined && endpoint.deployments.length >= MAX_DEPLOYMENTS_PER_ENDPOINT) {
      throw badArgument(
        `Endpoint '${endpointName}' has ${MAX_DEPLOYMENTS_PER_ENDPOINT} deployments, the most it can have.`,
      );
    }
    this.#refuseByCard(workspace, wanted, nowMs);
    this.#refuseWithoutQuota(endpoint, existing, body.instanceType, body.instances, nowMs);

    const id = deploymentId(endpoint, name);
    const fault = this.#chooseFault(endpoint, body, faults);
    const operation = this.#start(
      existing === undefined ? 'create-deployment' : 'update-deployment',
      id,
      nowMs,
      {
        error: fault ?? explainFailure(body),
        isStuck: faults.has('deploy-stuck'),
        seconds: secondsOf(faults, 'deploy-slow', SLOW_DEPLOYMENT_SECONDS),
      },
    );
    const served = servedBy(body);
    const servedNow = existing && servedAt(existing, nowMs);
    const deployment: Deployment = existing ?? {
      name,
      createdAtMs: nowMs,
      changedAtMs: nowMs,
      body,
      served,
      servedBefore: null,
      operation,
    };
    Object.assign(deployment, {
      body,
      served,
      servedBefore: servedNow ?? null,
      operation,
      changedAtMs: nowMs,
      asked,
      log: fault?.log ?? [],
    });
    if (existing === undefined) endpoint.deployments.push(deployment);
    if (operation.outcome === 'Succeeded') scheduleKeyFaults(endpoint, faults, operation.endsAtMs);
    this.#rent(endpoint, deployment, nowMs);
    return { endpoint, deployment, isNew: existing === undefined };
  }

  /** Changes tags at once, the instance count by an operation; the operation is undefined when none was started. */
  patchDeployment(
    workspace: Workspace,
    endpointName: string,
    name: string,
    requestBody: unknown,
    nowMs: number,
  ) {
    const patch = parseDeploymentPatch(requestBody);
    const endpoint = this.get(workspace, endpointName, nowMs);
    const deployment = this.getDeployment(workspace, endpointName, name, nowMs);
    refuseWhileBusy(deployment, `Deployment '${name}'`, nowMs);
    const instances = patch.instances ?? deployment.body.instances;
    const scales = instances !== deployment.body.instances;
    if (scales) {
      this.#refuseWithoutQuota(endpoint, deployment, deployment.body.instanceType, instances, nowMs);
      deployment.servedBefore = servedAt(deployment, nowMs);
      deployment.operation = this.#start('scale-deployment', deploymentId(endpoint, name), nowMs);
    }
    deployment.body = { ...deployment.body, tags: patch.tags ?? deployment.body.tags, instances };
    deployment.changedAtMs = nowMs;
    if (scales) {
      deployment.served = servedBy(deployment.body);
      this.#rent(endpoint, deployment, nowMs);
    }
    return { endpoint, deployment, operation: scales ? deployment.operation : undefined };
  }

  deleteDeployment(
    workspace: Workspace,
    endpointName: string,
    name: string,
    nowMs: number,
    asked = '',
  ): Operation {
    const endpoint = this.get(workspace, endpointName, nowMs);
    const deployment = this.getDeployment(workspace, endpointName, name, nowMs);
    if (isDeleting(deployment, nowMs)) return deployment.operation;
    if (isDeleting(endpoint, nowMs)) return endpoint.operation;
    refuseWhileCreating(deployment, nowMs);
    if (!deployment.operation.isStuck) refuseWhileBusy(deployment, `Deployment '${name}'`, nowMs);
    if (trafficShare(endpoint.body.traffic, name) > 0) {
      throw badArgument(`Deployment '${name}' still gets traffic; set its share to 0 before you delete it.`);
    }
    const faults = readFaults(...namesOfDeployment(endpoint, deployment), asked);
    const before = deployment.operation;
    if (isUnderWay(before, nowMs)) cancelOperation(before, nowMs);
    deployment.operation = this.#startDelete(deploymentId(endpoint, name), faults, nowMs);
    deployment.servedBefore = null;
    if (deployment.operation.outcome !== 'Succeeded') return deployment.operation;
    endRental(this.accountOf(endpoint), name, deployment.operation.endsAtMs);
    return deployment.operation;
  }

  /** The keys of an endpoint: derived from a secret salt, so that no key stands in the state file. */
  keysOf(endpoint: Endpoint, nowMs: number) {
    const { primary, secondary } = endpoint.keyGenerations ?? { primary: 0, secondary: 0 };
    const rotated = rotations(endpoint, nowMs);
    return {
      primaryKey: this.#derive(endpoint, nameGeneration('primary', primary + rotated)),
      secondaryKey: this.#derive(endpoint, nameGeneration('secondary', secondary + rotated)),
    };
  }

  /** Makes one of the keys anew; the old one is worth nothing from now on. */
  regenerateKey(endpoint: Endpoint, requestBody: unknown, nowMs: number): Operation {
    const { keyType, keyValue } = (requestBody ?? {}) as { keyType?: unknown; keyValue?: unknown };
    const which = (['primary', 'secondary'] as const).find((name) => name === String(keyType).toLowerCase());
    if (which === undefined) throw badArgument('keyType is required; it must be Primary or Secondary.');
    // Microsoft's Python SDK sends the key that is to go as the value, and its users get a new one all the same.
    const current = this.keysOf(endpoint, nowMs)[`${which}Key`];
    if (keyValue !== undefined && keyValue !== null && keyValue !== current) {
      throw badArgument('keyValue is not simulated: keys are derived here, so that none has to be stored.');
    }
    const before = endpoint.keyGenerations ?? { primary: 0, secondary: 0 };
    endpoint.keyGenerations = { ...before, [which]: before[which] + 1 };
    return this.#start('regenerate-keys', endpointId(endpoint), nowMs);
  }

  issueToken(endpoint: Endpoint, nowMs: number) {
    const expiryTimeUtc = Math.floor(nowMs / 1000) + TOKEN_SECONDS;
    return {
      accessToken: `${expiryTimeUtc}.${this.#signToken(endpoint, String(expiryTimeUtc), nowMs)}`,
      expiryTimeUtc,
      refreshAfterTimeUtc: expiryTimeUtc - TOKEN_SECONDS / 2,
      tokenType: 'Bearer',
    };
  }

  /** Whether that bearer may score: a key, an issued token that has not expired, or any Entra token, by the endpoint's mode. */
  admits(endpoint: Endpoint, bearer: string, nowMs: number): boolean {
    if (endpoint.keysDieAtMs !== undefined && nowMs >= endpoint.keysDieAtMs) return false;
    const keys = Object.values(this.keysOf(endpoint, nowMs));
    switch (endpoint.body.authMode) {
      case 'Key':
        return keys.includes(bearer);
      case 'AADToken':
        return bearer !== '' && !keys.includes(bearer);
      case 'AMLToken': {
        const [expiry = '', signature] = bearer.split('.');
        return Number(expiry) * 1000 > nowMs && signature === this.#signToken(endpoint, expiry, nowMs);
      }
    }
  }

  accountOf(endpoint: Endpoint): Account {
    const account = this.#books.accounts.findLast(
      (entry) =>
        entry.name === endpoint.name && entry.createdAtMs === endpoint.createdAtMs && isIn(entry, endpoint),
    );
    if (account === undefined) throw new Error(`The books have no account of endpoint ${endpoint.name}.`);
    return account;
  }

  #createEndpoint(
    workspace: Workspace,
    name: string,
    body: EndpointBody,
    nowMs: number,
    asked: string,
  ): Endpoint {
    checkName('endpoint', name);
    const fails = readFaults(workspace.workspace, name, asked).has('endpoint-fail');
    const region = body.location;
    if (this.findByRegion(region, name, nowMs) !== undefined) {
      throw conflict(
        `The endpoint name '${name}' is already taken in region '${region}'; choose another one.`,
      );
    }
    const neighbours = this.endpoints.filter(
      (entry) => entry.body.location === region && isSameName(entry.subscription, workspace.subscription),
    );
    if (neighbours.length >= MAX_ENDPOINTS_PER_REGION) {
      throw new ArmError(
        400,
        'OutOfQuota',
        `The subscription has ${MAX_ENDPOINTS_PER_REGION} endpoints in region '${region}', the most it can have.`,
      );
    }
    const endpoint: Endpoint = {
      subscription: workspace.subscription,
      resourceGroup: workspace.resourceGroup,
      workspace: workspace.workspace,
      name,
      uid: randomUUID(),
      createdAtMs: nowMs,
      changedAtMs: nowMs,
      body,
      trafficBefore: {},
      operation: this.#start('create-endpoint', endpointId({ ...workspace, name }), nowMs, {
        error: fails
          ? {
              code: 'InternalServerError',
              message: 'The endpoint could not be created; delete it and try again.',
            }
          : undefined,
      }),
      deployments: [],
    };
    this.endpoints.push(endpoint);
    this.#books.open({
      name,
      subscription: endpoint.subscription,
      resourceGroup: endpoint.resourceGroup,
      workspace: endpoint.workspace,
      region,
      createdAtMs: nowMs,
    });
    return endpoint;
  }

  #start(
    kind: OperationKind,
    resourceId: string,
    nowMs: number,
    fate: { error?: Operation['error'] | undefined; seconds?: number | undefined; isStuck?: boolean } = {},
  ): Operation {
    const { error } = fate;
    const operation = startOperation({
      kind,
      resourceId,
      nowMs,
      speed: this.#speed,
      seed: this.#seed,
      ...fate,
      error: error && { code: error.code, message: error.message },
    });
    this.#operations.set(operation.id, operation);
    const [oldest] = this.#operations.keys();
    if (this.#operations.size > MAX_OPERATIONS && oldest !== undefined) this.#operations.delete(oldest);
    return operation;
  }

  /** A deletion, as slow or as vain as its names ask for. */
  #startDelete(resourceId: string, faults: Faults, nowMs: number): Operation {
    const fails =
      faults.has('delete-fail') &&
      this.faults.strikes('delete-fail', resourceId, faults.get('delete-fail') ?? 1);
    return this.#start('delete', resourceId, nowMs, {
      seconds: secondsOf(faults, 'delete-slow', SLOW_DELETE_SECONDS),
      error: fails
        ? {
            code: 'OperationCanceled',
            message: 'The operation was canceled by another operation that has a higher priority.',
          }
        : undefined,
    });
  }

  /** The fault by which this deployment fails; a number in its name counts deployments of this model in the region. */
  #chooseFault(endpoint: Endpoint, body: DeploymentBody, faults: Faults): DeploymentFault | undefined {
    const key = `${endpoint.subscription}/${endpoint.body.location}/${body.model}`;
    return chooseDeploymentFault(faults, (word, times) => this.faults.strikes(word, key, times));
  }

  /** Refuses what the model's catalog card does not allow. */
  #refuseByCard(workspace: Workspace, { model: modelId, instanceType }: DeploymentBody, nowMs: number): void {
    const model = findDeployed(modelId);
    if (model === undefined) return;
    const { retiredAt, allowedSkus, refusesOtherSkus } = model.card;
    if (retiredAt !== null && Date.parse(retiredAt) <= nowMs) {
      throw badArgument(
        `Model '${model.name}' was retired on ${retiredAt.slice(0, 10)}; it can no longer be deployed.`,
      );
    }
    const isAllowed = allowedSkus === null || allowedSkus.some((sku) => isSameName(sku, instanceType));
    if (refusesOtherSkus && !isAllowed) {
      throw badArgument(
        `Instance type '${instanceType}' is not supported for model '${modelId}'. Supported instance types: ${allowedSkus.join(', ')}.`,
      );
    }
    this.offers.require(workspace.subscription, model);
  }

  #refuseWithoutQuota(
    endpoint: Endpoint,
    existing: Deployment | undefined,
    instanceType: string,
    instances: number,
    nowMs: number,
  ): void {
    this.#dropDeleted(nowMs);
    const alive = this.endpoints
      .filter(
        (entry) =>
          isSameName(entry.subscription, endpoint.subscription) &&
          entry.body.location === endpoint.body.location,
      )
      .flatMap((entry) => entry.deployments)
      .filter((deployment) => deployment !== existing);
    const missing = explainMissingQuota(
      this.quota,
      endpoint.body.location,
      alive.map(({ body }) => body),
      { instanceType, instances },
    );
    if (missing !== undefined) throw new ArmError(400, 'OutOfQuota', missing);
  }

  /** Rents what the deployment has from now on: it is billed from its creation, also while it is not ready or failed. */
  #rent(endpoint: Endpoint, deployment: Deployment, nowMs: number): void {
    const account = this.accountOf(endpoint);
    const { instanceType, instances } = deployment.body;
    endRental(account, deployment.name, nowMs);
    const gpus = (findSku(instanceType)?.gpus ?? 0) * instances;
    account.rentals.push({ deployment: deployment.name, fromMs: nowMs, toMs: null, gpus });
    account.sku = instanceType;
    account.instances = instances;
  }

  #dropDeleted(nowMs: number): void {
    const isGone = (entry: { operation: Operation }) =>
      entry.operation.kind === 'delete' &&
      entry.operation.outcome === 'Succeeded' &&
      !isUnderWay(entry.operation, nowMs);
    for (let at = this.endpoints.length - 1; at >= 0; at -= 1) {
      const endpoint = this.endpoints[at];
      if (endpoint === undefined) continue;
      if (isGone(endpoint)) this.endpoints.splice(at, 1);
      else endpoint.deployments = endpoint.deployments.filter((deployment) => !isGone(deployment));
    }
  }

  #signToken(endpoint: Endpoint, expiry: string, nowMs: number): string {
    return this.#derive(endpoint, nameGeneration(`token ${expiry}`, rotations(endpoint, nowMs)));
  }

  #derive(endpoint: Endpoint, purpose: string): string {
    return createHmac('sha256', this.#keySalt).update(`${endpoint.uid} ${purpose}`).digest('hex');
  }
}

/** The ARM id of a workspace. */
export function workspaceId(workspace: Workspace): string {
  return `/subscriptions/${workspace.subscription}/resourceGroups/${workspace.resourceGroup}/providers/Microsoft.MachineLearningServices/workspaces/${workspace.workspace}`;
}

export function endpointId(endpoint: Workspace & { readonly name: string }): string {
  return `${workspaceId(endpoint)}/onlineEndpoints/${endpoint.name}`;
}

export function deploymentId(endpoint: Workspace & { readonly name: string }, deployment: string): string {
  return `${endpointId(endpoint)}/deployments/${deployment}`;
}

/** The names whose sentinels count for an endpoint: its workspace's, its own and those of all its deployments. */
export function namesOfEndpoint(endpoint: Endpoint): string[] {
  const own = [endpoint.workspace, endpoint.name];
  return [
    ...own,
    ...endpoint.deployments.flatMap(({ name, body, asked }) => [name, ...namesOfBody(body), asked ?? '']),
  ];
}

/** The names whose sentinels count for a deployment. */
export function namesOfDeployment(endpoint: Endpoint, { name, body, asked }: Deployment): string[] {
  return [endpoint.workspace, endpoint.name, name, ...namesOfBody(body), asked ?? ''];
}

/** The names that a deployment's body holds: its model's, and what a variable of its environment asks for. */
export function namesOfBody(body: { model?: unknown; properties?: unknown }): string[] {
  const { environmentVariables } = (body.properties ?? {}) as { environmentVariables?: unknown };
  const asked = (environmentVariables as Readonly<Record<string, unknown>> | null | undefined)?.[
    FAULTS_VARIABLE
  ];
  return [body.model, asked].filter((name) => typeof name === 'string');
}

/** What serves at that time, or null: the new settings after a change has ended, the old ones until then. */
export function servedAt(deployment: Deployment, nowMs: number): Served | null {
  if (isUnderWay(deployment.operation, nowMs)) return deployment.servedBefore;
  return deployment.operation.outcome === 'Succeeded' ? deployment.served : null;
}

/** The traffic in force at that time. */
export function trafficAt(endpoint: Endpoint, nowMs: number): Readonly<Record<string, number>> {
  if (isDeleting(endpoint, nowMs)) return {};
  return isUnderWay(endpoint.operation, nowMs) ? endpoint.trafficBefore : endpoint.body.traffic;
}

export function isDeleting(resource: { readonly operation: Operation }, nowMs: number): boolean {
  return resource.operation.kind === 'delete' && isUnderWay(resource.operation, nowMs);
}

export function isSameName(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

function trafficShare(traffic: Readonly<Record<string, number>>, deployment: string): number {
  return Object.entries(traffic).find(([name]) => isSameName(name, deployment))?.[1] ?? 0;
}

function isIn(resource: Workspace, workspace: Workspace): boolean {
  return (
    isSameName(resource.subscription, workspace.subscription) &&
    isSameName(resource.resourceGroup, workspace.resourceGroup) &&
    isSameName(resource.workspace, workspace.workspace)
  );
}

function servedBy(body: DeploymentBody): Served {
  const { instanceType, model, instances, maxConcurrentPerInstance, requestTimeoutMs } = body;
  return {
    revision: randomUUID(),
    instanceType,
    model,
    instances,
    maxConcurrentPerInstance,
    requestTimeoutMs,
  };
}

function findDeployed(modelId: string): Model | undefined {
  const id = parseModelId(modelId);
  return id && findModel(id);
}

/** What is really rented where a fault makes it another size or another number of instances than was asked for. */
function applyFaults(body: DeploymentBody, faults: Faults): DeploymentBody {
  const asked = findSku(body.instanceType);
  const other =
    faults.has('sku-other') && SKUS.find((sku) => sku.quotaFamily === asked?.quotaFamily && sku !== asked);
  const instanceType = other ? other.name : body.instanceType;
  const instances = faults.has('instances-other')
    ? (faults.get('instances-other') ?? body.instances + 1)
    : body.instances;
  return { ...body, instanceType, instances, properties: { ...body.properties, instanceType } };
}

/** How long an operation takes where a fault says so. */
function secondsOf(faults: Faults, word: string, otherwise: number): number | undefined {
  return faults.has(word) ? (faults.get(word) ?? otherwise) : undefined;
}

/** From a deployment's readiness on, keys may change or die, once for the endpoint. */
function scheduleKeyFaults(endpoint: Endpoint, faults: Faults, readyAtMs: number): void {
  const at = (word: string) => readyAtMs + (faults.get(word) ?? KEYS_CHANGE_SECONDS) * 1000;
  if (faults.has('keys-rotate')) endpoint.keysRotateAtMs ??= at('keys-rotate');
  if (faults.has('keys-die')) endpoint.keysDieAtMs ??= at('keys-die');
}

function rotations({ keysRotateAtMs }: Endpoint, nowMs: number): number {
  return keysRotateAtMs !== undefined && nowMs >= keysRotateAtMs ? 1 : 0;
}

/** The first generation has the bare name, as keys had before there were others. */
function nameGeneration(name: string, generation: number): string {
  return generation === 0 ? name : `${name} ${generation}`;
}

/** Why a deployment that was accepted will fail, or undefined: it is found out while it is being created. */
function explainFailure(body: DeploymentBody): Operation['error'] {
  const model = findDeployed(body.model);
  const sku = findSku(body.instanceType);
  if (model === undefined) {
    return { code: 'ResourceNotFound', message: `The model '${body.model}' was not found in its registry.` };
  }
  if (sku !== undefined && !modelFits(sku, model)) {
    return {
      code: 'ResourceNotReady',
      message: `User container has crashed or terminated: the weights of ${model.name} do not fit into the GPU memory of ${body.instanceType}. See the container logs.`,
    };
  }
  return undefined;
}

function endRental(account: Account, deployment: string, atMs: number): void {
  for (const rental of account.rentals) {
    if (rental.deployment === deployment) rental.toMs ??= atMs;
    // A rental whose end lies ahead (a deployment being deleted) is not prolonged by the end of its endpoint.
  }
}

function refuseWhileBusy(resource: { readonly operation: Operation }, what: string, nowMs: number): void {
  if (!isUnderWay(resource.operation, nowMs)) return;
  throw conflict(
    `${what} is ${provisioningState(resource.operation, nowMs)}; try again when this has ended.`,
  );
}

function refuseWhileDeleting(resource: { readonly operation: Operation }, what: string, nowMs: number): void {
  if (isDeleting(resource, nowMs)) refuseWhileBusy(resource, what, nowMs);
}

function refuseWhileCreating(deployment: Deployment, nowMs: number): void {
  if (deployment.operation.kind !== 'create-deployment' || deployment.operation.isStuck) return;
  refuseWhileBusy(deployment, `Deployment '${deployment.name}'`, nowMs);
}
