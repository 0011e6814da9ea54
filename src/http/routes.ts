/** Every HTTP call of the app. `functions/register.ts` binds them; nothing else knows their addresses. */
import { pageResponse } from '../dashboard/page.ts';
import { type ApiAnswer, type ApiCall, answerText, type Handler } from './answer.ts';
import {
  cancelComparison,
  createComparison,
  getComparison,
  getComparisonResults,
  listComparisons,
} from './comparisons.ts';
import { deleteEndpoint, listEndpoints } from './endpoints.ts';
import { getHealth } from './health.ts';
import { getModel, listModels } from './models.ts';
import { deleteRequestSet, getRequestSet, listRequestSets, putRequestSet } from './request-sets.ts';
import { cancelRun, createPlan, createRun, getResults, getRun, listRuns } from './runs.ts';
import { getSamples } from './samples.ts';
import { deleteSchedule, getSchedule, getScheduleResults, listSchedules, putSchedule } from './schedules.ts';
import { listSkus } from './skus.ts';

export interface ApiRoute {
  /** The function's name on Azure. */
  readonly name: string;
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly route: string;
  readonly authLevel: 'anonymous' | 'function';
  readonly handler: Handler;
}

export const ROUTES: readonly ApiRoute[] = [
  { name: 'createPlan', method: 'POST', route: 'api/plans', authLevel: 'function', handler: createPlan },
  { name: 'createRun', method: 'POST', route: 'api/runs', authLevel: 'function', handler: createRun },
  { name: 'listRuns', method: 'GET', route: 'api/runs', authLevel: 'function', handler: listRuns },
  { name: 'getRun', method: 'GET', route: 'api/runs/{id}', authLevel: 'function', handler: getRun },
  {
    name: 'getResults',
    method: 'GET',
    route: 'api/runs/{id}/results',
    authLevel: 'function',
    handler: getResults,
  },
  {
    name: 'getSamples',
    method: 'GET',
    route: 'api/runs/{id}/samples',
    authLevel: 'function',
    handler: getSamples,
  },
  {
    name: 'cancelRun',
    method: 'POST',
    route: 'api/runs/{id}/cancel',
    authLevel: 'function',
    handler: cancelRun,
  },
  {
    name: 'createComparison',
    method: 'POST',
    route: 'api/comparisons',
    authLevel: 'function',
    handler: createComparison,
  },
  {
    name: 'listComparisons',
    method: 'GET',
    route: 'api/comparisons',
    authLevel: 'function',
    handler: listComparisons,
  },
  {
    name: 'getComparison',
    method: 'GET',
    route: 'api/comparisons/{id}',
    authLevel: 'function',
    handler: getComparison,
  },
  {
    name: 'getComparisonResults',
    method: 'GET',
    route: 'api/comparisons/{id}/results',
    authLevel: 'function',
    handler: getComparisonResults,
  },
  {
    name: 'cancelComparison',
    method: 'POST',
    route: 'api/comparisons/{id}/cancel',
    authLevel: 'function',
    handler: cancelComparison,
  },
  {
    name: 'listEndpoints',
    method: 'GET',
    route: 'api/endpoints',
    authLevel: 'function',
    handler: listEndpoints,
  },
  {
    name: 'deleteEndpoint',
    method: 'DELETE',
    route: 'api/endpoints/{name}',
    authLevel: 'function',
    handler: deleteEndpoint,
  },
  { name: 'listModels', method: 'GET', route: 'api/models', authLevel: 'function', handler: listModels },
  {
    name: 'getModel',
    method: 'GET',
    route: 'api/models/{registry}/{name}',
    authLevel: 'function',
    handler: getModel,
  },
  { name: 'listSkus', method: 'GET', route: 'api/skus', authLevel: 'function', handler: listSkus },
  {
    name: 'putRequestSet',
    method: 'PUT',
    route: 'api/request-sets/{name}',
    authLevel: 'function',
    handler: putRequestSet,
  },
  {
    name: 'listRequestSets',
    method: 'GET',
    route: 'api/request-sets',
    authLevel: 'function',
    handler: listRequestSets,
  },
  {
    name: 'getRequestSet',
    method: 'GET',
    route: 'api/request-sets/{name}',
    authLevel: 'function',
    handler: getRequestSet,
  },
  {
    name: 'deleteRequestSet',
    method: 'DELETE',
    route: 'api/request-sets/{name}',
    authLevel: 'function',
    handler: deleteRequestSet,
  },
  {
    name: 'putSchedule',
    method: 'PUT',
    route: 'api/schedules/{name}',
    authLevel: 'function',
    handler: putSchedule,
  },
  {
    name: 'listSchedules',
    method: 'GET',
    route: 'api/schedules',
    authLevel: 'function',
    handler: listSchedules,
  },
  {
    name: 'getSchedule',
    method: 'GET',
    route: 'api/schedules/{name}',
    authLevel: 'function',
    handler: getSchedule,
  },
  {
    name: 'getScheduleResults',
    method: 'GET',
    route: 'api/schedules/{name}/results',
    authLevel: 'function',
    handler: getScheduleResults,
  },
  {
    name: 'deleteSchedule',
    method: 'DELETE',
    route: 'api/schedules/{name}',
    authLevel: 'function',
    handler: deleteSchedule,
  },
  { name: 'getHealth', method: 'GET', route: 'api/health', authLevel: 'anonymous', handler: getHealth },
  {
    name: 'getOpenApi',
    method: 'GET',
    route: 'api/openapi.json',
    authLevel: 'anonymous',
    handler: getOpenApi,
  },
  // An optional parameter that can only be empty: the root, and nothing that /runtime or /admin answer.
  {
    name: 'getPage',
    method: 'GET',
    route: '{ignored:maxlength(0)?}',
    authLevel: 'anonymous',
    handler: getPage,
  },
];

/** Made once, since it depends on nothing but the version of the app. */
let openApi: string | null = null;

async function getOpenApi({ services }: ApiCall): Promise<ApiAnswer> {
  openApi ??= await writeOpenApi(services.settings.appVersion);
  return answerText('application/json', openApi);
}

/** What describes the calls is loaded when it is first asked for, so that no cold start pays for its schemas. */
async function writeOpenApi(version: string): Promise<string> {
  const [{ buildOpenApi }, { OPERATIONS }] = await Promise.all([
    import('./openapi.ts'),
    import('./operations.ts'),
  ]);
  return `${JSON.stringify(buildOpenApi(ROUTES, OPERATIONS, version))}\n`;
}

async function getPage(): Promise<ApiAnswer> {
  const { headers, body } = pageResponse();
  return { status: 200, headers, body };
}
