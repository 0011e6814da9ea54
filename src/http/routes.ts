/** Every HTTP call of the app. `functions/register.ts` binds them; nothing else knows their addresses. */
import { pageResponse } from '../dashboard/page.ts';
import type { ApiAnswer, Handler } from './answer.ts';
import { deleteEndpoint, listEndpoints } from './endpoints.ts';
import { getHealth } from './health.ts';
import { cancelRun, createPlan, createRun, getResults, getRun, listRuns } from './runs.ts';

export interface ApiRoute {
  /** The function's name on Azure. */
  readonly name: string;
  readonly method: 'GET' | 'POST' | 'DELETE';
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
    name: 'cancelRun',
    method: 'POST',
    route: 'api/runs/{id}/cancel',
    authLevel: 'function',
    handler: cancelRun,
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
  { name: 'getHealth', method: 'GET', route: 'api/health', authLevel: 'anonymous', handler: getHealth },
  // An optional parameter that can only be empty: the root, and nothing that /runtime or /admin answer.
  {
    name: 'getPage',
    method: 'GET',
    route: '{ignored:maxlength(0)?}',
    authLevel: 'anonymous',
    handler: getPage,
  },
];

async function getPage(): Promise<ApiAnswer> {
  const { headers, body } = pageResponse();
  return { status: 200, headers, body };
}
