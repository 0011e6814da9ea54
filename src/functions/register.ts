/**
 * Binds the app to Azure Functions and Durable Functions: HTTP calls, the reaper's timer, orchestrations, activities.
 * No logic: what is bound here lives in http, orchestrations and activities, and can be read without this file.
 */
import type { HttpRequest, InvocationContext } from '@azure/functions';
import * as df from 'durable-functions';
import { reap } from '../activities/reap.ts';
import { createSteps } from '../activities/steps.ts';
import { readConfig } from '../config.ts';
import { answerCall } from '../http/answer.ts';
import { ROUTES } from '../http/routes.ts';
import { createServices } from '../main.ts';
import { BENCHMARK, benchmark, MEASURE } from '../orchestrations/benchmark.ts';
import { measure } from '../orchestrations/measure.ts';
import { orchestrationsOf } from './durable-orchestrations.ts';

const config = readConfig(process.env);
const services = createServices(config);

for (const { name, method, route, authLevel, handler } of ROUTES) {
  df.app.client.http(name, {
    methods: [method],
    route,
    authLevel,
    handler: (request: HttpRequest, client: df.DurableClient, context: InvocationContext) =>
      answerCall(handler, { request, services, orchestrations: orchestrationsOf(client) }, (message, error) =>
        context.error(message, error),
      ),
  });
}

df.app.client.timer('reap', {
  schedule: config.reapSchedule,
  handler: async (_timer, client: df.DurableClient, context) => {
    for (const { endpoint, reason, gone, error } of await reap(services, orchestrationsOf(client))) {
      const outcome = gone ? 'It is gone.' : `It is not gone yet${error === null ? '' : `: ${error}`}`;
      context.error(`The reaper deleted the endpoint ${endpoint}, because ${reason}. ${outcome}`);
    }
  },
});

df.app.orchestration(BENCHMARK, benchmark);
df.app.orchestration(MEASURE, measure);

for (const [name, step] of Object.entries(createSteps(services))) {
  df.app.activity(name, {
    handler: (input: unknown) => (step as (input: unknown) => Promise<unknown>)(input),
  });
}
