/**
 * Binds the app to Azure Functions and Durable Functions: HTTP calls, the reaper's timer, orchestrations, activities.
 * No logic: what is bound here lives in http, orchestrations and activities, and can be read without this file.
 */
import type { HttpRequest, InvocationContext } from '@azure/functions';
import * as df from 'durable-functions';
import { noteBeat } from '../activities/beat.ts';
import { noticeLeaks } from '../activities/notice-leaks.ts';
import { reap } from '../activities/reap.ts';
import { runSchedules } from '../activities/run-schedules.ts';
import { runStep } from '../activities/step-event.ts';
import { createSteps } from '../activities/steps.ts';
import type { Config } from '../config.ts';
import { answerCall } from '../http/answer.ts';
import { ROUTES } from '../http/routes.ts';
import { planScheduledWork } from '../http/scheduled-work.ts';
import { createServices } from '../main.ts';
import { BENCHMARK, benchmark, MEASURE } from '../orchestrations/benchmark.ts';
import {
  COMPARISON,
  COMPARISON_LANE,
  comparison,
  comparisonLane,
  RACE,
  race,
} from '../orchestrations/comparison.ts';
import { MEASURE_BLOCK, measure } from '../orchestrations/measure.ts';
import { measureBlock } from '../orchestrations/measure-block.ts';
import { logCall } from './call-log.ts';
import { orchestrationsOf } from './durable-orchestrations.ts';
import { logReaping } from './reap-log.ts';
import { logSchedules } from './schedule-log.ts';

/** Five seconds into each minute, so that what is due at its beginning is not a moment ahead of the clock. */
const LOOK_AT_SCHEDULES = '5 * * * * *';

export function registerApp(config: Config): void {
  const services = createServices(config);

  for (const { name, method, route, authLevel, handler } of ROUTES) {
    df.app.client.http(name, {
      methods: [method],
      route,
      authLevel,
      handler: (request: HttpRequest, client: df.DurableClient, context: InvocationContext) =>
        logCall({ name, method }, context, (logError) =>
          answerCall(handler, { request, services, orchestrations: orchestrationsOf(client) }, logError),
        ),
    });
  }

  df.app.client.timer('reap', {
    schedule: config.reapSchedule,
    handler: async (_timer, client: df.DurableClient, context) => {
      const reaping = await noticeLeaks(services, await reap(services, orchestrationsOf(client)));
      logReaping(reaping, context);
      await noteBeat(services, 'reap', reaping.troubles.length);
    },
  });

  df.app.client.timer('schedules', {
    schedule: LOOK_AT_SCHEDULES,
    handler: async (_timer, client: df.DurableClient, context) => {
      const pass = await runSchedules(services, orchestrationsOf(client), planScheduledWork);
      logSchedules(pass, context);
      await noteBeat(services, 'schedules', pass.troubles.length);
    },
  });

  df.app.orchestration(BENCHMARK, benchmark);
  df.app.orchestration(MEASURE, measure);
  df.app.orchestration(MEASURE_BLOCK, measureBlock);
  df.app.orchestration(COMPARISON, comparison);
  df.app.orchestration(COMPARISON_LANE, comparisonLane);
  df.app.orchestration(RACE, race);

  for (const [name, step] of Object.entries(createSteps(services))) {
    df.app.activity(name, {
      handler: (input: unknown, context: InvocationContext) =>
        runStep(name, step as (input: unknown) => Promise<unknown>, input, context),
    });
  }
}
