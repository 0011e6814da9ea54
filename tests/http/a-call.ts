/** Handlers of HTTP calls against the simulator, without a host: the app's own services, and requests as plain values. */
import { readConfig } from '../../src/config.ts';
import type { Handler } from '../../src/http/answer.ts';
import { answerCall } from '../../src/http/answer.ts';
import { createServices } from '../../src/main.ts';
import type { Orchestrations, Services } from '../../src/services.ts';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';

export interface CallsOfTest {
  readonly simulator: Simulator;
  readonly services: Services;
  get(
    handler: Handler,
    query: string,
    params?: Record<string, string>,
    services?: Partial<Services>,
  ): Promise<JsonAnswer>;
  close(): Promise<void>;
}

export interface JsonAnswer {
  readonly status: number;
  readonly contentType: string | undefined;
  // biome-ignore lint/suspicious/noExplicitAny: tests assert on the shape.
  readonly json: any;
  /** What was logged as a fault of the app's own. */
  readonly logged: readonly unknown[];
}

/** Tables are never called by these handlers, so none are started. */
export async function openCalls(settings: Record<string, string> = {}): Promise<CallsOfTest> {
  const simulator = await startSimulator({ port: 0 });
  const address = {
    subscriptionId: '00000000-0000-0000-0000-000000000000',
    resourceGroup: 'local',
    workspace: 'local',
  };
  const services = createServices(
    readConfig({
      INSTALLATION_ID: 'test',
      WORKSPACES: JSON.stringify({ default: address }),
      TABLES_ENDPOINT: 'http://127.0.0.1:1/a',
      TABLES_ACCOUNT_NAME: 'a',
      TABLES_ACCOUNT_KEY: 'a2V5',
      ARM_ENDPOINT: simulator.baseUrl,
      PRICES_ENDPOINT: simulator.baseUrl,
      ...settings,
    }),
  );
  return {
    simulator,
    services,
    async get(handler, query, params = {}, others = {}) {
      const logged: unknown[] = [];
      const answer = await answerCall(
        handler,
        {
          request: {
            params,
            query: new URLSearchParams(query),
            headers: new Headers(),
            text: async () => '',
          },
          services: { ...services, ...others },
          orchestrations: {} as Orchestrations,
        },
        (_message, error) => logged.push(error),
      );
      return {
        status: answer.status,
        contentType: answer.headers['content-type'],
        json: JSON.parse(answer.body),
        logged,
      };
    },
    close: () => simulator.stop(),
  };
}
