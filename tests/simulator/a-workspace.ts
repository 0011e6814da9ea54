/** A simulator and a client of it: the real ARM SDK over http, and raw requests where headers matter. */
import { AzureMachineLearningWorkspaces } from '@azure/arm-machinelearning';
import { request } from 'undici';
import { type Simulator, type SimulatorOptions, startSimulator } from '../../src/simulator/simulator.ts';

export const SUBSCRIPTION = '00000000-0000-0000-0000-000000000000';
export const PHI_4 = 'azureml://registries/AzureML/models/Phi-4/versions/7';
/** Phi-4 whose name asks for these faults. */
export const phi4With = (...faults: string[]) =>
  PHI_4.replace('Phi-4', `Phi-4${faults.map((fault) => `-fault-${fault}`).join('')}`);
export const NC24 = 'Standard_NC24ads_A100_v4';
/** The SDK's polls; the control plane is sped up to match. */
const POLL_MS = 20;
const FAST_CONTROL_PLANE = 50;

export interface WorkspaceOfTest {
  readonly simulator: Simulator;
  readonly client: AzureMachineLearningWorkspaces;
  /** One ARM call as it goes over the wire. */
  arm(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<RawAnswer>;
  /** Creates an endpoint with one deployment and all traffic on it, and reads its key. */
  deploy(name: string, settings?: DeploySettings): Promise<Deployed>;
  /** Creates an endpoint and waits until it is there. */
  createEndpoint(name: string, at?: string): Promise<string>;
  /** Sets the rules by which calls fail. */
  rule(...rules: readonly Record<string, unknown>[]): Promise<RawAnswer>;
  // biome-ignore lint/suspicious/noExplicitAny: tests assert on the shape.
  books(): Promise<any>;
  close(): Promise<void>;
}

export interface DeploySettings {
  readonly instances?: number;
  readonly maxConcurrent?: number;
  readonly requestTimeout?: string;
  readonly sku?: string;
  readonly model?: string;
  readonly environment?: Readonly<Record<string, string>>;
}

export interface Deployed {
  readonly scoringUri: string;
  readonly chatUri: string;
  readonly key: string;
}

export interface RawAnswer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  // biome-ignore lint/suspicious/noExplicitAny: tests assert on the shape.
  readonly body: any;
}

export async function openWorkspace(options: Partial<SimulatorOptions> = {}): Promise<WorkspaceOfTest> {
  const simulator = await startSimulator({ port: 0, speed: FAST_CONTROL_PLANE, gpuSpeed: 20, ...options });
  const client = connect(simulator.baseUrl);

  const arm: WorkspaceOfTest['arm'] = async (method, path, body, headers = {}) => {
    const url = new URL(path, simulator.baseUrl);
    if (!url.searchParams.has('api-version')) url.searchParams.set('api-version', '2024-10-01');
    return raw(
      await request(url, {
        method: method as 'GET',
        headers: { authorization: 'Bearer any', 'content-type': 'application/json', ...headers },
        body: body === undefined ? null : JSON.stringify(body),
      }),
    );
  };

  return {
    simulator,
    client,
    close: () => simulator.stop(),
    arm,
    async createEndpoint(name, at = workspacePath) {
      const path = `${at}/onlineEndpoints/${name}`;
      await arm('PUT', path, endpointBody());
      await until(async () => (await arm('GET', path)).body.properties?.provisioningState === 'Succeeded');
      return path;
    },
    async rule(...rules) {
      return raw(
        await request(`${simulator.baseUrl}/simulator/faults`, {
          method: 'PUT',
          body: JSON.stringify(rules),
        }),
      );
    },
    async deploy(name, settings = {}) {
      await client.onlineEndpoints.beginCreateOrUpdateAndWait('rg', 'ws', name, endpointBody(), {
        updateIntervalInMs: POLL_MS,
      });
      await client.onlineDeployments.beginCreateOrUpdateAndWait(
        'rg',
        'ws',
        name,
        'blue',
        deploymentBody(settings),
        {
          updateIntervalInMs: POLL_MS,
        },
      );
      const { scoringUri } = (
        await client.onlineEndpoints.beginCreateOrUpdateAndWait(
          'rg',
          'ws',
          name,
          endpointBody({ blue: 100 }),
          {
            updateIntervalInMs: POLL_MS,
          },
        )
      ).properties;
      const { primaryKey } = await client.onlineEndpoints.listKeys('rg', 'ws', name);
      const uri = scoringUri ?? '';
      return {
        scoringUri: uri,
        chatUri: uri.replace('/score', '/v1/chat/completions'),
        key: primaryKey ?? '',
      };
    },
    async books() {
      return (await raw(await request(`${simulator.baseUrl}/simulator/books`))).body;
    },
  };
}

/** The real SDK against plain http: its bearer policy refuses http, so another one signs in its place. */
function connect(endpoint: string): AzureMachineLearningWorkspaces {
  const credential = { getToken: async () => ({ token: 'any', expiresOnTimestamp: Date.now() + 3_600_000 }) };
  const client = new AzureMachineLearningWorkspaces(credential, SUBSCRIPTION, { endpoint, $host: endpoint });
  client.pipeline.removePolicy({ name: 'bearerTokenAuthenticationPolicy' });
  client.pipeline.addPolicy(
    {
      name: 'sign on http',
      sendRequest(outgoing, next) {
        outgoing.allowInsecureConnection = true;
        outgoing.headers.set('authorization', 'Bearer any');
        return next(outgoing);
      },
    },
    { phase: 'Sign' },
  );
  return client;
}

export function endpointBody(traffic: Record<string, number> = {}, authMode = 'Key') {
  return { location: 'eastus2', tags: { tool: 'test' }, properties: { authMode, traffic } };
}

export function deploymentBody(settings: DeploySettings = {}) {
  const { instances = 1, maxConcurrent = 4, requestTimeout = 'PT180S', sku = NC24, model = PHI_4 } = settings;
  const { environment = {} } = settings;
  return {
    location: 'eastus2',
    sku: { name: 'Default', capacity: instances },
    properties: {
      endpointComputeType: 'Managed' as const,
      instanceType: sku,
      model,
      environmentVariables: environment,
      requestSettings: { requestTimeout, maxConcurrentRequestsPerInstance: maxConcurrent },
    },
  };
}

export const workspacePath = `/subscriptions/${SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/ws`;
export const locationPath = `/subscriptions/${SUBSCRIPTION}/providers/Microsoft.MachineLearningServices/locations/eastus2`;

export function scorePayload(text: string, parameters: Record<string, unknown> = {}) {
  return { input_data: { input_string: [{ role: 'user', content: text }], parameters } };
}

export async function post(
  uri: string,
  key: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<RawAnswer> {
  return raw(
    await request(uri, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    }),
  );
}

/** Waits for a condition, at most twenty seconds. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 1000; tries += 1) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error('The condition did not come true within twenty seconds.');
}

async function raw(answer: Awaited<ReturnType<typeof request>>): Promise<RawAnswer> {
  const text = await answer.body.text();
  let body: unknown = text;
  try {
    body = JSON.parse(text);
  } catch {
    // A stream, or nothing: the text itself is the body.
  }
  return { status: answer.statusCode, headers: answer.headers, body };
}
