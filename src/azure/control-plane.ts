/**
 * Azure ML's control plane through `@azure/arm-machinelearning`. "Start" sends one request and returns; whoever waits
 * reads the state. Each call is bounded in time, and every refusal becomes a ControlPlaneError: a sentence that says
 * what was tried and what to do, and that never holds a token or a key.
 */
import {
  AzureMachineLearningWorkspaces,
  type OnlineDeployment,
  type OnlineEndpoint,
} from '@azure/arm-machinelearning';
import type { TokenCredential } from '@azure/identity';
import { type Config, isLoopbackHttp, type WorkspaceAddress } from '../config.ts';
import { LEASE_TAGS } from '../core/renting/lease.ts';
import type { EndpointAuth } from '../core/run.ts';
import {
  type ControlPlane,
  ControlPlaneError,
  type DeploymentOrder,
  type DeploymentState,
  type EndpointOrder,
  type EndpointState,
  type OperationFailure,
} from '../services.ts';
import { explainArmError, isParentMissing, tellArmError } from './arm-error.ts';
import { SCORING_SCOPE } from './credential.ts';
import { getJson, JsonFault } from './http-json.ts';

/**
 * The api-version of every request, polls included. 2.1.1 was generated from 2022-10-01 and drops what its mappers
 * do not know; 2024-10-01 has the same operations, everything we send means the same in both, and its published types
 * are what `tests/contracts` holds our requests against. The older one will be retired first.
 */
const API_VERSION = '2024-10-01';
const ARM_SCOPE = 'https://management.azure.com/.default';

/** One call with its retries: ARM answers in seconds, and an activity that starts something must not hang. */
const CALL_MS = 60_000;
/** The SDK's own retries on 429 and 5xx (it honours Retry-After); steps retry what outlasts them. */
const RETRIES = { maxRetries: 3, retryDelayInMs: 500, maxRetryDelayInMs: 10_000 } as const;
/** Azure ML allows 100 endpoints in a region; more than ten times that is not an answer. */
const ENDPOINTS_LIMIT = 1_000;
/** Lines of the container's log to ask for, and how much of them a failure's message may carry. */
const LOG_LINES = 50;
const LOG_CHARACTERS = 4_000;
/** Azure ML allows 20 deployments behind an endpoint. */
const DEPLOYMENTS_LIMIT = 100;
/** What an operation says of itself is a few hundred bytes; a build log in it may be more. */
const OPERATION_BYTES = 1024 * 1024;
/** Details within details of an error; more than this nobody has seen. */
const ERROR_DEPTH = 4;

/**
 * How the container is probed. Large models take minutes to load, so liveness begins after ten minutes, as the
 * catalog's own deployments have it; the other figures are the service's defaults, spelled out.
 */
const PROBES = {
  livenessProbe: {
    initialDelay: 'PT600S',
    period: 'PT10S',
    timeout: 'PT2S',
    failureThreshold: 30,
    successThreshold: 1,
  },
  readinessProbe: {
    initialDelay: 'PT10S',
    period: 'PT10S',
    timeout: 'PT2S',
    failureThreshold: 30,
    successThreshold: 1,
  },
} as const;

export function createControlPlane(
  config: Pick<Config, 'armEndpoint' | 'workspaces'>,
  credential: TokenCredential,
): ControlPlane {
  const clients = new Map<string, AzureMachineLearningWorkspaces>();
  const regions = new Map<string, Promise<string>>();

  function open(workspace: string): OpenWorkspace {
    const address = Object.hasOwn(config.workspaces, workspace) ? config.workspaces[workspace] : undefined;
    if (address === undefined) {
      const known = Object.keys(config.workspaces);
      throw new ControlPlaneError(
        `The settings know no workspace "${workspace}"; ${known.length === 0 ? 'WORKSPACES is empty' : `they know ${known.join(', ')}`}.`,
        { code: 'UnknownWorkspace', status: null, retryable: false },
      );
    }
    let client = clients.get(address.subscriptionId);
    if (client === undefined) {
      client = createClient(config.armEndpoint, address.subscriptionId, credential);
      clients.set(address.subscriptionId, client);
    }
    return { client, address };
  }

  async function readRegion(workspace: string): Promise<string> {
    let region = regions.get(workspace);
    if (region === undefined) {
      region = fetchRegion(open(workspace));
      regions.set(workspace, region);
      region.catch(() => regions.delete(workspace));
    }
    return region;
  }

  async function readEndpoint(workspace: string, endpoint: string): Promise<EndpointState | null> {
    const found = await getEndpoint(open(workspace), endpoint);
    return found === null ? null : toEndpointState(found.endpoint, found.simulated);
  }

  /** Azure ML creates and changes by the same call; gives the id of the operation. */
  async function putDeployment(what: 'create' | 'change', order: DeploymentOrder): Promise<string | null> {
    const { client, address } = open(order.workspace);
    const body = deploymentBody(order, await readRegion(order.workspace));
    const { operation } = await start(
      `${what} the deployment ${order.name} of the endpoint ${order.endpoint}`,
      (options) =>
        client.onlineDeployments.beginCreateOrUpdate(
          address.resourceGroup,
          address.workspace,
          order.endpoint,
          order.name,
          body,
          options,
        ),
    );
    return operation;
  }

  return {
    readRegion,
    readEndpoint,

    async startEndpoint(order) {
      const existing = await readEndpoint(order.workspace, order.name);
      if (existing !== null) return checkOwnEndpoint(existing, order).operation;
      const { client, address } = open(order.workspace);
      const body = endpointBody(order, await readRegion(order.workspace));
      try {
        const { operation } = await start(`create the endpoint ${order.name}`, (options) =>
          client.onlineEndpoints.beginCreateOrUpdate(
            address.resourceGroup,
            address.workspace,
            order.name,
            body,
            options,
          ),
        );
        return operation;
      } catch (error) {
        if (!isConflict(error)) throw error;
        const winner = await readEndpoint(order.workspace, order.name);
        if (winner === null) throw elsewhereInRegion(order.name, error);
        return checkOwnEndpoint(winner, order).operation;
      }
    },

    async startDeployment(order) {
      const opened = open(order.workspace);
      const existing = await getDeployment(opened, order.endpoint, order.name);
      if (existing !== null) return checkOwnDeployment(existing, order).operation;
      try {
        return await putDeployment('create', order);
      } catch (error) {
        if (!isConflict(error)) throw error;
        const winner = await getDeployment(opened, order.endpoint, order.name);
        if (winner === null) throw error;
        return checkOwnDeployment(winner, order).operation;
      }
    },

    updateDeployment(order) {
      return putDeployment('change', order);
    },

    async startTraffic(workspace, endpoint, deployment) {
      const { client, address } = open(workspace);
      const found = await getEndpoint({ client, address }, endpoint);
      if (found === null) {
        throw new ControlPlaneError(
          `The endpoint ${endpoint} does not exist, so it cannot be given traffic.`,
          {
            code: 'EndpointMissing',
            status: 404,
            retryable: false,
          },
        );
      }
      const traffic = { [deployment.toLowerCase()]: 100 };
      if (found.endpoint.properties.traffic?.[deployment.toLowerCase()] === 100)
        return operationOf(found.endpoint.properties.properties);
      // PATCH cannot change traffic, so the whole endpoint is sent again with everything it had.
      const { name: _name, id: _id, type: _type, systemData: _systemData, ...resource } = found.endpoint;
      const body: OnlineEndpoint = { ...resource, properties: { ...resource.properties, traffic } };
      const { operation } = await start(
        `send the traffic of the endpoint ${endpoint} to ${deployment}`,
        (options) =>
          client.onlineEndpoints.beginCreateOrUpdate(
            address.resourceGroup,
            address.workspace,
            endpoint,
            body,
            options,
          ),
      );
      return operation;
    },

    async readOperationFailure(workspace, operation) {
      const { address } = open(workspace);
      const region = await readRegion(workspace);
      const path = `/subscriptions/${address.subscriptionId}/providers/Microsoft.MachineLearningServices/locations/${region}/mfeOperationsStatus/${encodeURIComponent(operation)}`;
      const url = new URL(`${config.armEndpoint}${path}`);
      url.searchParams.set('api-version', API_VERSION);
      try {
        const answer = await getJson(url, {
          who: 'the operation',
          signal: AbortSignal.timeout(CALL_MS),
          bytesLimit: OPERATION_BYTES,
          credential,
        });
        return toOperationFailure(answer);
      } catch (error) {
        // ARM forgets an operation after a while; what it was about is told without it then.
        if (error instanceof JsonFault && error.status === 404) return null;
        throw explainArmError(`read how the operation ${operation} ended`, error, CALL_MS);
      }
    },

    async readDeployment(workspace, endpoint, deployment) {
      const found = await getDeployment(open(workspace), endpoint, deployment);
      return found === null ? null : toDeploymentState(found);
    },

    async readDeploymentLog(workspace, endpoint, deployment) {
      const { client, address } = open(workspace);
      // What fails before the server starts, such as downloading the model, stands in the other container's log.
      for (const containerType of ['InferenceServer', 'StorageInitializer'] as const) {
        const logs = await orNull(
          `read the log of the deployment ${deployment} of the endpoint ${endpoint}`,
          (options) =>
            client.onlineDeployments.getLogs(
              address.resourceGroup,
              address.workspace,
              endpoint,
              deployment,
              { containerType, tail: LOG_LINES },
              options,
            ),
          'a missing endpoint has no deployment',
        );
        const content = logs?.content?.trim() ?? '';
        if (content !== '') return content.slice(-LOG_CHARACTERS);
      }
      return null;
    },

    async listDeployments(workspace, endpoint) {
      const { client, address } = open(workspace);
      const what = `list the deployments of the endpoint ${endpoint}`;
      const names = await orNull(
        what,
        async (options) => {
          const found: string[] = [];
          const list = client.onlineDeployments.list(
            address.resourceGroup,
            address.workspace,
            endpoint,
            options,
          );
          for await (const deployment of list) {
            if (deployment.name !== undefined) found.push(deployment.name);
            if (found.length > DEPLOYMENTS_LIMIT) {
              throw new ControlPlaneError(
                `Could not ${what}: it lists more than ${DEPLOYMENTS_LIMIT}, which Azure ML does not allow; the answer is not believed.`,
                { code: 'ListTooLong', status: null, retryable: false },
              );
            }
          }
          return found;
        },
        'a missing endpoint has no deployment',
      );
      return names ?? [];
    },

    async startDelete(workspace, endpoint) {
      const { client, address } = open(workspace);
      const what = `delete the endpoint ${endpoint}`;
      try {
        const started = await orNull(what, () =>
          start(what, (options) =>
            client.onlineEndpoints.beginDelete(address.resourceGroup, address.workspace, endpoint, options),
          ),
        );
        return started === null || started.status === 204 ? 'gone' : 'deleting';
      } catch (error) {
        // A delete whose operation failed, or for which no token came, costs money until it is tried again.
        if (!(error instanceof ControlPlaneError) || error.status !== null) throw error;
        throw new ControlPlaneError(error.message, { code: error.code, status: null, retryable: true });
      }
    },

    async listEndpoints(workspace) {
      const { client, address } = open(workspace);
      return call(`list the endpoints of the workspace ${workspace}`, async (options) => {
        const states: EndpointState[] = [];
        const { onResponse, isSimulated } = watchSimulator();
        const list = client.onlineEndpoints.list(address.resourceGroup, address.workspace, {
          ...options,
          onResponse,
        });
        for await (const endpoint of list) {
          states.push(toEndpointState(endpoint, isSimulated()));
          if (states.length > ENDPOINTS_LIMIT) {
            throw new ControlPlaneError(
              `The workspace ${workspace} lists more than ${ENDPOINTS_LIMIT} endpoints, which Azure ML does not allow; the answer is not believed.`,
              { code: 'ListTooLong', status: null, retryable: false },
            );
          }
        }
        return states;
      });
    },

    async readAuthorization(workspace, endpoint, auth) {
      const { client, address } = open(workspace);
      const what = `read the credential of the endpoint ${endpoint}`;
      const { resourceGroup, workspace: name } = address;
      const secret = await call(what, async (options) => {
        switch (auth) {
          case 'key':
            return (await client.onlineEndpoints.listKeys(resourceGroup, name, endpoint, options)).primaryKey;
          case 'aml-token':
            return (await client.onlineEndpoints.getToken(resourceGroup, name, endpoint, options))
              .accessToken;
          case 'entra':
            return (await credential.getToken(SCORING_SCOPE, options))?.token;
        }
      });
      if (secret === undefined || secret === '') {
        throw new ControlPlaneError(`Could not ${what}: the answer held none.`, {
          code: 'NoCredential',
          status: null,
          retryable: true,
        });
      }
      return `Bearer ${secret}`;
    },
  };
}

interface OpenWorkspace {
  readonly client: AzureMachineLearningWorkspaces;
  readonly address: WorkspaceAddress;
}

interface CallOptions {
  readonly abortSignal: AbortSignal;
}

async function fetchRegion({ client, address }: OpenWorkspace): Promise<string> {
  const what = `read the workspace ${address.workspace}`;
  const workspace = await call(what, (options) =>
    client.workspaces.get(address.resourceGroup, address.workspace, options),
  );
  // ARM writes both "eastus2" and "East US 2"; prices and hosts know the first.
  const region = workspace.location?.toLowerCase().replaceAll(' ', '') ?? '';
  if (region === '') {
    throw new ControlPlaneError(`Could not ${what}: the answer names no region.`, {
      code: 'NoRegion',
      status: null,
      retryable: false,
    });
  }
  return region;
}

async function getEndpoint(
  { client, address }: OpenWorkspace,
  name: string,
): Promise<{ readonly endpoint: OnlineEndpoint; readonly simulated: boolean } | null> {
  const { onResponse, isSimulated } = watchSimulator();
  const endpoint = await orNull(`read the endpoint ${name}`, (options) =>
    client.onlineEndpoints.get(address.resourceGroup, address.workspace, name, { ...options, onResponse }),
  );
  return endpoint === null ? null : { endpoint, simulated: isSimulated() };
}

async function getDeployment(
  { client, address }: OpenWorkspace,
  endpoint: string,
  name: string,
): Promise<OnlineDeployment | null> {
  return orNull(
    `read the deployment ${name} of the endpoint ${endpoint}`,
    (options) =>
      client.onlineDeployments.get(address.resourceGroup, address.workspace, endpoint, name, options),
    'a missing endpoint has no deployment',
  );
}

/**
 * The answer, or null where the thing itself does not exist. A 404 that says that the subscription, the resource
 * group or the workspace is missing is an error: were it taken for "gone", a wrong setting would hide every endpoint
 * that is still alive and billed.
 */
async function orNull<Result>(
  what: string,
  run: (options: CallOptions) => Promise<Result>,
  parent: 'must exist' | 'a missing endpoint has no deployment' = 'must exist',
): Promise<Result | null> {
  try {
    return await call(what, run);
  } catch (error) {
    if (!(error instanceof ControlPlaneError) || error.status !== 404) throw error;
    if (isParentMissing(error.code, parent === 'must exist', error.message)) throw error;
    return null;
  }
}

async function call<Result>(what: string, run: (options: CallOptions) => Promise<Result>): Promise<Result> {
  try {
    return await run({ abortSignal: AbortSignal.timeout(CALL_MS) });
  } catch (error) {
    throw error instanceof ControlPlaneError ? error : explainArmError(what, error, CALL_MS);
  }
}

interface StartOptions extends CallOptions {
  readonly updateIntervalInMs: number;
  readonly onResponse: (response: RawResponse) => void;
}

interface RawResponse {
  readonly status: number;
  readonly headers: { get(name: string): string | undefined };
}

/**
 * Sends the request of a long-running operation and gives the status of its first answer. The SDK's `begin...` sends
 * it and polls once before it returns; nothing polls after that. Once the request was accepted, a poll that cannot be
 * made is no failure (the state is read later), but a poll that says "failed" is: it alone tells why.
 */
async function start(what: string, begin: (options: StartOptions) => Promise<unknown>): Promise<Started> {
  let accepted: Started | null = null;
  const onResponse = (response: RawResponse) => {
    if (accepted !== null || response.status >= 300) return;
    const { status, headers } = response;
    accepted = { status, operation: lastSegment(headers.get('azure-asyncoperation')) };
  };
  try {
    await begin({ abortSignal: AbortSignal.timeout(CALL_MS), updateIntervalInMs: CALL_MS, onResponse });
  } catch (error) {
    if (accepted === null || tellArmError(error).kind === 'operation-failed')
      throw explainArmError(what, error, CALL_MS);
  }
  return accepted ?? { status: 200, operation: null };
}

/** The first answer to the request of a long-running operation. */
interface Started {
  readonly status: number;
  /** The operation's id; its address may be signed, so the id alone is kept. */
  readonly operation: string | null;
}

/** The operation that the service names in a resource's own properties. */
function operationOf(properties: Readonly<Record<string, string | null>> | undefined): string | null {
  const named = Object.entries(properties ?? {}).find(
    ([key]) => key.toLowerCase() === 'azureasyncoperationuri',
  );
  return lastSegment(named?.[1] ?? undefined);
}

function lastSegment(address: string | undefined): string | null {
  if (address === undefined || !URL.canParse(address)) return null;
  const segment = new URL(address).pathname.split('/').at(-1) ?? '';
  return /^[\w:.%-]{1,200}$/.test(segment) ? decodeURIComponent(segment) : null;
}

function toOperationFailure(answer: unknown): OperationFailure | null {
  const { status, error } = (answer ?? {}) as { status?: unknown; error?: unknown };
  if (status !== 'Failed' && status !== 'Canceled') return null;
  const told = innermost(error);
  return { code: told.code ?? String(status), message: told.message ?? '' };
}

/** ARM may wrap the code that helps into a general one, a few levels deep. */
function innermost(error: unknown): { code: string | null; message: string | null } {
  let code: string | null = null;
  let message: string | null = null;
  let level: unknown = error;
  for (let depth = 0; depth < ERROR_DEPTH && typeof level === 'object' && level !== null; depth += 1) {
    const { code: itsCode, message: itsMessage, details } = level as Readonly<Record<string, unknown>>;
    if (typeof itsCode === 'string' && itsCode !== '') code = itsCode;
    if (typeof itsMessage === 'string' && itsMessage !== '') message = itsMessage;
    level =
      Array.isArray(details) && /^(UserError|SystemError|BadRequest|Failed)$/i.test(code ?? '')
        ? details[0]
        : null;
  }
  return { code, message };
}

/** Tells whether the answers came from the simulator, which names itself in each of them. */
function watchSimulator(): { onResponse: (response: RawResponse) => void; isSimulated: () => boolean } {
  let simulated = false;
  return {
    onResponse: (response) => {
      simulated ||= response.headers.get('x-simulated') !== undefined;
    },
    isSimulated: () => simulated,
  };
}

function createClient(
  armEndpoint: string,
  subscriptionId: string,
  credential: TokenCredential,
): AzureMachineLearningWorkspaces {
  const client = new AzureMachineLearningWorkspaces(credential, subscriptionId, {
    endpoint: armEndpoint,
    $host: armEndpoint,
    apiVersion: API_VERSION,
    // Without it the scope would be derived from the endpoint, which may be a local one.
    credentialScopes: ARM_SCOPE,
    retryOptions: RETRIES,
  });
  // A token that died between two polls is fetched anew, once: the resources under way keep costing money meanwhile.
  client.pipeline.addPolicy(
    {
      name: 'tokenAnew',
      sendRequest: async (request, next) => {
        const response = await next(request);
        if (response.status !== 401) return response;
        const token = await credential.getToken(ARM_SCOPE, { abortSignal: AbortSignal.timeout(CALL_MS) });
        request.headers.set('authorization', `Bearer ${token?.token ?? ''}`);
        return next(request);
      },
    },
    { afterPhase: 'Sign' },
  );
  const armHost = new URL(armEndpoint).host;
  // A poll address, a next page or a redirect comes from an answer; the token must not follow it to a stranger. Last
  // before the request leaves, so that whatever changed the address is seen.
  client.pipeline.addPolicy(
    {
      name: 'onlyToArm',
      sendRequest: (request, next) => {
        const host = new URL(request.url).host;
        if (host === armHost || host.endsWith(`.${armHost}`)) return next(request);
        throw new Error(`ARM's answer points to ${host}, which is not ${armHost}; it was not followed.`);
      },
    },
    { afterPhase: 'Sign' },
  );
  if (isLoopbackHttp(armEndpoint)) speakHttp(client, credential);
  return client;
}

/**
 * The SDK refuses to send a token over http before any request is made. On loopback, and only there, its policy is
 * replaced by one that sends the credential's token (a local one, see `credential.ts`) all the same.
 */
function speakHttp(client: AzureMachineLearningWorkspaces, credential: TokenCredential): void {
  client.pipeline.removePolicy({ name: 'bearerTokenAuthenticationPolicy' });
  client.pipeline.addPolicy(
    {
      name: 'loopbackHttp',
      sendRequest: async (request, next) => {
        const token = await credential.getToken(ARM_SCOPE);
        request.allowInsecureConnection = true;
        request.headers.set('authorization', `Bearer ${token?.token ?? ''}`);
        return next(request);
      },
    },
    { phase: 'Sign' },
  );
}

function endpointBody(order: EndpointOrder, region: string): OnlineEndpoint {
  return {
    location: region,
    kind: 'Managed',
    identity: { type: 'SystemAssigned' },
    tags: { ...order.tags },
    properties: {
      authMode: order.auth === 'key' ? 'Key' : 'AADToken',
      publicNetworkAccess: order.publicNetworkAccess === 'disabled' ? 'Disabled' : 'Enabled',
      traffic: {},
    },
  };
}

function deploymentBody(order: DeploymentOrder, region: string): OnlineDeployment {
  return {
    location: region,
    tags: { ...order.tags },
    // ARM's "sku" of a deployment is its count of instances; the VM size is the instance type.
    sku: { name: 'Default', capacity: order.instances },
    properties: {
      endpointComputeType: 'Managed',
      model: modelId(order.model),
      instanceType: order.sku,
      appInsightsEnabled: false,
      environmentVariables: { ...order.environmentVariables },
      requestSettings: {
        requestTimeout: `PT${order.requestTimeoutSeconds}S`,
        maxConcurrentRequestsPerInstance: order.maxConcurrentRequestsPerInstance,
      },
      ...PROBES,
      scaleSettings: { scaleType: 'Default' },
    },
  };
}

function modelId(model: DeploymentOrder['model']): string {
  return `azureml://registries/${model.registry}/models/${model.name}/versions/${model.version}`;
}

/** An endpoint of that name must be the one that this very run has started before. */
function checkOwnEndpoint(existing: EndpointState, order: EndpointOrder): EndpointState {
  const own = [LEASE_TAGS.tool, LEASE_TAGS.owner, LEASE_TAGS.run].every(
    (tag) => existing.tags[tag] === order.tags[tag],
  );
  if (!own) {
    throw new ControlPlaneError(
      `An endpoint named ${order.name} exists that this run did not create; it is left alone. Start the run again to get another name.`,
      { code: 'NameTaken', status: 409, retryable: false },
    );
  }
  if (existing.provisioningState === 'Deleting') throw deletedMeanwhile(`The endpoint ${order.name}`);
  return existing;
}

const SAYS_NAME_TAKEN = /\bname\b.{0,80}(exists|taken|in use|not available)|already (exists|taken)/i;

/** Names are unique in a region: one that this workspace does not have may stand in another. */
function elsewhereInRegion(name: string, refusal: unknown): unknown {
  if (!(refusal instanceof ControlPlaneError) || !SAYS_NAME_TAKEN.test(refusal.message)) return refusal;
  return new ControlPlaneError(
    `Could not create the endpoint ${name}: another workspace of the region has an endpoint of that name.`,
    { code: 'NameTaken', status: 409, retryable: false },
  );
}

function checkOwnDeployment(existing: OnlineDeployment, order: DeploymentOrder): DeploymentState {
  const state = toDeploymentState(existing);
  const same =
    state.sku?.toLowerCase() === order.sku.toLowerCase() &&
    state.instances === order.instances &&
    existing.properties.model?.toLowerCase() === modelId(order.model).toLowerCase();
  if (!same) {
    throw new ControlPlaneError(
      `The endpoint ${order.endpoint} has a deployment ${order.name} with another model, SKU or instance count than this run asks for; it is left alone.`,
      { code: 'NameTaken', status: 409, retryable: false },
    );
  }
  if (state.provisioningState === 'Deleting') throw deletedMeanwhile(`The deployment ${order.name}`);
  return state;
}

function deletedMeanwhile(thing: string): ControlPlaneError {
  return new ControlPlaneError(
    `${thing} is being deleted by somebody else, such as the reaper; its run cannot go on.`,
    { code: 'BeingDeleted', status: 409, retryable: false },
  );
}

function isConflict(error: unknown): boolean {
  return error instanceof ControlPlaneError && error.status === 409;
}

function toEndpointState(endpoint: OnlineEndpoint, simulated: boolean): EndpointState {
  const { properties } = endpoint;
  return {
    name: endpoint.name ?? '',
    provisioningState: properties.provisioningState ?? 'Unknown',
    scoringUri: properties.scoringUri ?? null,
    tags: endpoint.tags ?? {},
    traffic: properties.traffic ?? {},
    createdAtMs: endpoint.systemData?.createdAt?.getTime() ?? null,
    auth: toAuth(properties.authMode),
    publicNetworkAccess: properties.publicNetworkAccess === 'Disabled' ? 'disabled' : 'enabled',
    operation: operationOf(properties.properties),
    simulated,
  };
}

function toAuth(mode: string | undefined): EndpointAuth | null {
  const known: Readonly<Record<string, EndpointAuth>> = {
    key: 'key',
    aadtoken: 'entra',
    amltoken: 'aml-token',
  };
  return known[mode?.toLowerCase() ?? ''] ?? null;
}

function toDeploymentState(deployment: OnlineDeployment): DeploymentState {
  const { properties } = deployment;
  return {
    name: deployment.name ?? '',
    provisioningState: properties.provisioningState ?? 'Unknown',
    sku: properties.instanceType ?? null,
    instances: deployment.sku?.capacity ?? null,
    model: properties.model ?? null,
    image: properties.environmentId ?? null,
    maxConcurrentRequestsPerInstance: properties.requestSettings?.maxConcurrentRequestsPerInstance ?? null,
    requestTimeoutSeconds: readSeconds(properties.requestSettings?.requestTimeout),
    operation: operationOf(properties.properties),
  };
}

/** `PT1M30S` as 90; null for what is no such duration. */
function readSeconds(duration: string | undefined): number | null {
  const found = /^P(?:(\d+)D)?T?(?:(\d+)H)?(?:(\d+)M)?(?:([\d.]+)S)?$/.exec(duration ?? '');
  if (found === null || duration === 'P' || duration === 'PT') return null;
  const [days = 0, hours = 0, minutes = 0, seconds = 0] = found.slice(1).map((part) => Number(part ?? 0));
  return ((days * 24 + hours) * 60 + minutes) * 60 + seconds;
}
