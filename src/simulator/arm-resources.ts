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
import { modelFits } from './gpu.ts';
import { findModel, parseModelId } from './models.ts';
import {
  cancelOperation,
  isUnderWay,
  type Operation,
  type OperationKind,
  provisioningState,
  startOperation,
} from './operations.ts';
import { explainMissingQuota } from './quota.ts';
import { findSku } from './skus.ts';

/** The service's documented bounds. */
const MAX_ENDPOINTS_PER_REGION = 100;
const MAX_DEPLOYMENTS_PER_ENDPOINT = 20;
/** Operations that can still be asked for; a client polls the last few. */
const MAX_OPERATIONS = 2000;
/** An issued token's life. */
const TOKEN_SECONDS = 3600;

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
}

export class ArmResources {
  readonly endpoints: Endpoint[];
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
    speed: number;
    seed: number;
  }) {
    this.endpoints = options.endpoints;
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

  list(workspace: Workspace, nowMs: number): readonly Endpoint[] {
    this.#dropDeleted(nowMs);
    return this.endpoints.filter((endpoint) => isIn(endpoint, workspace));
  }

  /** The endpoint that a scoring URI names. */
  findByRegion(region: string, name: string, nowMs: number): Endpoint | undefined {
    this.#dropDeleted(nowMs);
    return this.endpoints.find(
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
      return { endpoint: this.#createEndpoint(workspace, name, body, nowMs), isNew: true };

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
  deleteEndpoint(workspace: Workspace, name: string, nowMs: number): Operation {
    const endpoint = this.get(workspace, name, nowMs);
    if (isDeleting(endpoint, nowMs)) return endpoint.operation;
    for (const deployment of endpoint.deployments) refuseWhileCreating(deployment, nowMs);
    if (isUnderWay(endpoint.operation, nowMs)) cancelOperation(endpoint.operation, nowMs);
    endpoint.operation = this.#start('delete', endpointId(endpoint), nowMs);
    endpoint.changedAtMs = nowMs;
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
  ): { endpoint: Endpoint; deployment: Deployment; isNew: boolean } {
    checkName('deployment', name);
    const body = parseDeploymentBody(requestBody);
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
    this.#refuseWithoutQuota(endpoint, existing, body.instanceType, body.instances, nowMs);

    const id = deploymentId(endpoint, name);
    const operation = this.#start(
      existing === undefined ? 'create-deployment' : 'update-deployment',
      id,
      nowMs,
      explainFailure(body),
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
    });
    if (existing === undefined) endpoint.deployments.push(deployment);
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

  deleteDeployment(workspace: Workspace, endpointName: string, name: string, nowMs: number): Operation {
    const endpoint = this.get(workspace, endpointName, nowMs);
    const deployment = this.getDeployment(workspace, endpointName, name, nowMs);
    if (isDeleting(deployment, nowMs)) return deployment.operation;
    if (isDeleting(endpoint, nowMs)) return endpoint.operation;
    refuseWhileCreating(deployment, nowMs);
    refuseWhileBusy(deployment, `Deployment '${name}'`, nowMs);
    if (trafficShare(endpoint.body.traffic, name) > 0) {
      throw badArgument(`Deployment '${name}' still gets traffic; set its share to 0 before you delete it.`);
    }
    deployment.operation = this.#start('delete', deploymentId(endpoint, name), nowMs);
    deployment.servedBefore = null;
    endRental(this.accountOf(endpoint), name, deployment.operation.endsAtMs);
    return deployment.operation;
  }

  /** The keys of an endpoint: derived from a secret salt, so that no key stands in the state file. */
  keysOf(endpoint: Endpoint) {
    return {
      primaryKey: this.#derive(endpoint, 'primary'),
      secondaryKey: this.#derive(endpoint, 'secondary'),
    };
  }

  issueToken(endpoint: Endpoint, nowMs: number) {
    const expiryTimeUtc = Math.floor(nowMs / 1000) + TOKEN_SECONDS;
    return {
      accessToken: `${expiryTimeUtc}.${this.#derive(endpoint, `token ${expiryTimeUtc}`)}`,
      expiryTimeUtc,
      refreshAfterTimeUtc: expiryTimeUtc - TOKEN_SECONDS / 2,
      tokenType: 'Bearer',
    };
  }

  /** Whether that bearer may score: a key, an issued token that has not expired, or any Entra token, by the endpoint's mode. */
  admits(endpoint: Endpoint, bearer: string, nowMs: number): boolean {
    const keys = Object.values(this.keysOf(endpoint));
    switch (endpoint.body.authMode) {
      case 'Key':
        return keys.includes(bearer);
      case 'AADToken':
        return bearer !== '' && !keys.includes(bearer);
      case 'AMLToken': {
        const [expiry = '', signature] = bearer.split('.');
        return Number(expiry) * 1000 > nowMs && signature === this.#derive(endpoint, `token ${expiry}`);
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

  #createEndpoint(workspace: Workspace, name: string, body: EndpointBody, nowMs: number): Endpoint {
    checkName('endpoint', name);
    const region = body.location;
    if (this.findByRegion(region, name, nowMs) !== undefined) {
      throw conflict(
        `The endpoint name '${name}' is already taken in region '${region}'; choose another one.`,
      );
    }
    if (this.endpoints.filter((entry) => entry.body.location === region).length >= MAX_ENDPOINTS_PER_REGION) {
      throw new ArmError(
        400,
        'OutOfQuota',
        `Region '${region}' has ${MAX_ENDPOINTS_PER_REGION} endpoints, the most it can have.`,
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
      operation: this.#start('create-endpoint', endpointId({ ...workspace, name }), nowMs),
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

  #start(kind: OperationKind, resourceId: string, nowMs: number, error?: Operation['error']): Operation {
    const operation = startOperation({
      kind,
      resourceId,
      nowMs,
      speed: this.#speed,
      seed: this.#seed,
      error,
    });
    this.#operations.set(operation.id, operation);
    const [oldest] = this.#operations.keys();
    if (this.#operations.size > MAX_OPERATIONS && oldest !== undefined) this.#operations.delete(oldest);
    return operation;
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
      entry.operation.kind === 'delete' && !isUnderWay(entry.operation, nowMs);
    for (let at = this.endpoints.length - 1; at >= 0; at -= 1) {
      const endpoint = this.endpoints[at];
      if (endpoint === undefined) continue;
      if (isGone(endpoint)) this.endpoints.splice(at, 1);
      else endpoint.deployments = endpoint.deployments.filter((deployment) => !isGone(deployment));
    }
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

/** Why a deployment that was accepted will fail, or undefined: it is found out while it is being created. */
function explainFailure(body: DeploymentBody): Operation['error'] {
  const id = parseModelId(body.model);
  const model = id && findModel(id);
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
  if (deployment.operation.kind !== 'create-deployment') return;
  refuseWhileBusy(deployment, `Deployment '${deployment.name}'`, nowMs);
}
