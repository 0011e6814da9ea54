/** What `GET /api/openapi.json` says of each route, by the route's name. A new route is described here, or a test fails. */
import { z } from 'zod';
import { COMPARISON_STATES } from '../core/comparison/comparison-record.ts';
import { RUN_STATES } from '../core/run.ts';
import {
  comparisonCanceled,
  comparisonList,
  comparisonPlanAnswer,
  comparisonReport,
  comparisonRequest,
  comparisonStarted,
  comparisonView,
} from './contract/comparison.ts';
import { endpointDeleted, endpointList } from './contract/endpoint.ts';
import { text } from './contract/figure.ts';
import { health } from './contract/health.ts';
import { model, modelList } from './contract/model.ts';
import { planAnswer } from './contract/plan.ts';
import { report } from './contract/report.ts';
import { requestLine, requestSet, requestSetDeleted, requestSetList } from './contract/request-set.ts';
import { run, runCanceled, runList, runStarted } from './contract/run.ts';
import { sample } from './contract/sample.ts';
import {
  schedule,
  scheduleDeleted,
  scheduleHistory,
  scheduleList,
  scheduleRequest,
  scheduleWithHistory,
} from './contract/schedule.ts';
import { skuList } from './contract/sku.ts';
import { specRequest } from './contract/spec.ts';
import { vllmResult } from './contract/vllm.ts';
import { IDEMPOTENCY_KEY } from './idempotency.ts';
import { json, NDJSON, type Operation } from './operation.ts';
import { LIST_ENTRIES } from './paging.ts';
import { COMPARISON_FORMATS, RESULT_FORMATS, SCHEDULE_FORMATS } from './result-format.ts';

const scheduleName = { name: text.describe('The schedule: 1 to 40 lower-case letters, digits and dashes.') };
const runId = { id: text.describe('The run.') };
const setName = { name: text.describe('The request set: 1 to 40 lower-case letters, digits and dashes.') };

const comparisonId = { id: text.describe('The comparison.') };
const idempotencyKey = {
  'Idempotency-Key': z.string().regex(IDEMPOTENCY_KEY).optional(),
};
const paging = {
  limit: z.int().min(1).max(LIST_ENTRIES.most).default(LIST_ENTRIES.usual),
  continuation: text.optional().describe('What the last answer gave, for those that follow.'),
};
const LOCATION = { Location: 'Where to look at it.' };
const STARTED_HEADERS = {
  ...LOCATION,
  'Retry-After': 'Seconds until it is worth a look.',
};

export const SPEC_EXAMPLES = {
  managed: {
    summary: 'Deploy a model on one SKU and measure it at four levels',
    value: {
      model: { name: 'Phi-4', version: '7' },
      target: { kind: 'managed', sku: 'Standard_NC24ads_A100_v4' },
      workloads: [{ promptTokens: 512, outputTokens: 128 }],
      concurrency: { levels: [1, 2, 4, 8] },
      limits: { maxUsd: 20 },
    },
  },
  existing: {
    summary: 'Find the highest rate at which a scoring URI meets its objectives',
    value: {
      target: {
        kind: 'existing',
        scoringUri: 'https://example.eastus2.inference.ml.azure.com/v1/chat/completions',
        auth: { kind: 'setting', name: 'SCORING_KEY' },
      },
      api: 'openai-chat',
      workloads: ['chatbot'],
      rate: { search: { max: 20 } },
      slo: { ttftMs: 500, tpotMs: 50 },
    },
  },
  endpoint: {
    summary: 'Send requests of your own to a managed endpoint that exists, in bursts',
    value: {
      target: { kind: 'endpoint', name: 'prod' },
      workloads: [{ requests: 'support-questions' }],
      measure: { mode: 'burst' },
    },
  },
} as const;

const COMPARISON_EXAMPLES = {
  skus: {
    summary: 'The same model and load on two SKUs',
    value: {
      base: {
        model: { name: 'Phi-4', version: '7' },
        workloads: [{ promptTokens: 512, outputTokens: 128 }],
        concurrency: { levels: [1, 8] },
      },
      targets: [
        { label: '1xNC24', target: { kind: 'managed', sku: 'Standard_NC24ads_A100_v4' } },
        { label: '1xNC40', target: { kind: 'managed', sku: 'Standard_NC40ads_H100_v5' } },
      ],
      limits: { maxUsd: 60 },
    },
  },
} as const;

const SCHEDULE_EXAMPLES = {
  weekly: {
    summary: 'Measure an endpoint each Monday at six, and tell a webhook of a regression',
    value: {
      schedule: '0 0 6 * * 1',
      timeZone: 'Europe/Berlin',
      run: { target: { kind: 'endpoint', name: 'prod' }, concurrency: { levels: [1, 8] } },
      maxUsdPerMonth: null,
      webhook: { url: 'https://hooks.example.com/foundry-bench', secretSetting: 'WEBHOOK_SECRET_TEAM' },
    },
  },
} as const;

export const OPERATIONS: Readonly<Record<string, Operation>> = {
  createPlan: {
    summary: 'Work out a spec or a comparison without creating anything',
    description: 'Its cells with predicted seconds, the most that it can take and cost, quota and warnings.',
    tag: 'runs',
    body: json(z.union([specRequest, comparisonRequest]), { ...SPEC_EXAMPLES, ...COMPARISON_EXAMPLES }),
    answers: {
      200: {
        description: 'The plan of the run, or of the comparison where the body has targets.',
        contents: json(z.union([planAnswer, comparisonPlanAnswer])),
      },
    },
    problems: [400, 413, 415],
  },
  createRun: {
    summary: 'Start a run',
    description: 'The same Idempotency-Key with the same spec never starts a second one.',
    tag: 'runs',
    headers: idempotencyKey,
    body: json(specRequest, SPEC_EXAMPLES),
    answers: {
      202: {
        description: 'The run is in its row and will start; look at it until its state is final.',
        headers: STARTED_HEADERS,
        contents: json(runStarted),
      },
    },
    problems: [400, 409, 413, 415],
  },
  listRuns: {
    summary: 'List runs, newest first',
    tag: 'runs',
    query: {
      state: z.enum(RUN_STATES).optional(),
      model: text.optional().describe('The name of the model.'),
      sku: text.optional(),
      ...paging,
    },
    answers: { 200: { description: 'Runs.', contents: json(runList) } },
    problems: [400],
  },
  getRun: {
    summary: 'Look at a run: state, progress, endpoint, cost',
    tag: 'runs',
    path: runId,
    answers: { 200: { description: 'The run.', contents: json(run) } },
    problems: [404],
  },
  getResults: {
    summary: 'Read the report of a run, or of its rows so far',
    description:
      'The CSV begins with the ten columns of the scripts that this project replaces. "vllm" is one JSON object a cell and line, with the fields of a result file of `vllm bench serve`.',
    tag: 'runs',
    path: runId,
    query: { format: z.enum(RESULT_FORMATS).default('json') },
    answers: {
      200: {
        description: 'The report.',
        contents: {
          ...json(report),
          'text/csv': { schema: z.string() },
          'text/markdown': { schema: z.string() },
          'text/html': { schema: z.string() },
          [NDJSON]: { schema: vllmResult },
        },
      },
    },
    problems: [400, 404],
  },
  getSamples: {
    summary: 'Read the samples of a cell that were kept, one JSON object a line',
    description: 'Where the spec has measure.keepSamples: the first of each shard, of all repeats.',
    tag: 'runs',
    path: runId,
    query: { cell: text.describe('The cell, as the report names it.') },
    answers: {
      200: {
        description: 'As `foundry-bench load --samples` writes them.',
        contents: {
          [NDJSON]: { schema: sample },
        },
      },
    },
    problems: [400, 404],
  },
  cancelRun: {
    summary: 'Cancel a run: its load stops, its endpoint is deleted, what was measured stays',
    tag: 'runs',
    path: runId,
    answers: { 202: { description: 'It will be canceled.', contents: json(runCanceled) } },
    problems: [404, 409],
  },
  createComparison: {
    summary: 'Start a comparison: one run a target, and what may be concluded',
    description: 'The same Idempotency-Key with the same comparison never starts a second one.',
    tag: 'comparisons',
    headers: idempotencyKey,
    body: json(comparisonRequest, COMPARISON_EXAMPLES),
    answers: {
      202: {
        description: 'The comparison is in its row and will start; look at it until its state is final.',
        headers: STARTED_HEADERS,
        contents: json(comparisonStarted),
      },
    },
    problems: [400, 409, 413, 415],
  },
  listComparisons: {
    summary: 'List comparisons, newest first',
    tag: 'comparisons',
    query: { state: z.enum(COMPARISON_STATES).optional(), ...paging },
    answers: { 200: { description: 'Comparisons.', contents: json(comparisonList) } },
    problems: [400],
  },
  getComparison: {
    summary: 'Look at a comparison: state, progress and cost of each target',
    tag: 'comparisons',
    path: comparisonId,
    answers: { 200: { description: 'The comparison.', contents: json(comparisonView) } },
    problems: [404],
  },
  getComparisonResults: {
    summary: 'Read the report of a comparison, or of its rows so far',
    tag: 'comparisons',
    path: comparisonId,
    query: { format: z.enum(COMPARISON_FORMATS).default('json') },
    answers: {
      200: {
        description: 'The report.',
        contents: {
          ...json(comparisonReport),
          'text/csv': { schema: z.string() },
          'text/markdown': { schema: z.string() },
          'text/html': { schema: z.string() },
        },
      },
    },
    problems: [400, 404],
  },
  cancelComparison: {
    summary: 'Cancel a comparison: every load stops, every endpoint is deleted, what was measured stays',
    tag: 'comparisons',
    path: comparisonId,
    answers: { 202: { description: 'It will be canceled.', contents: json(comparisonCanceled) } },
    problems: [404, 409],
  },
  putSchedule: {
    summary: 'Create a schedule, or put it in the place of the one that is there',
    description:
      'It starts nothing by itself; a timer looks at the schedules once a minute. What it starts is planned first, but where the same one is put with "enabled": false: that is taken whatever Azure says.',
    tag: 'schedules',
    path: scheduleName,
    body: json(scheduleRequest, SCHEDULE_EXAMPLES),
    answers: {
      200: { description: 'It is changed.', headers: LOCATION, contents: json(schedule) },
      201: { description: 'It is created.', headers: LOCATION, contents: json(schedule) },
    },
    problems: [400, 409, 413, 415],
  },
  listSchedules: {
    summary: 'List the schedules',
    tag: 'schedules',
    answers: { 200: { description: 'Schedules by name.', contents: json(scheduleList) } },
  },
  getSchedule: {
    summary: 'Look at a schedule and its history, the newest first',
    tag: 'schedules',
    path: scheduleName,
    answers: { 200: { description: 'The schedule.', contents: json(scheduleWithHistory) } },
    problems: [400, 404],
  },
  getScheduleResults: {
    summary: 'Read the history of a schedule as a file, the newest first',
    tag: 'schedules',
    path: scheduleName,
    query: { format: z.enum(SCHEDULE_FORMATS).default('json') },
    answers: {
      200: {
        description: 'One row per due time and target.',
        contents: {
          ...json(scheduleHistory),
          'text/csv': { schema: z.string() },
          'text/markdown': { schema: z.string() },
        },
      },
    },
    problems: [400, 404],
  },
  deleteSchedule: {
    summary: 'Delete a schedule with its history; what it has started goes on to its end',
    tag: 'schedules',
    path: scheduleName,
    answers: { 200: { description: 'It is deleted.', contents: json(scheduleDeleted) } },
    problems: [400, 404, 409],
  },
  listEndpoints: {
    summary: 'List the endpoints of this installation that are alive',
    tag: 'endpoints',
    answers: {
      200: { description: 'Endpoints, and what could not be looked at.', contents: json(endpointList) },
    },
  },
  deleteEndpoint: {
    summary: 'Delete an endpoint of this installation that no run is using',
    tag: 'endpoints',
    path: { name: text.describe('The endpoint.') },
    answers: { 202: { description: 'It is gone, or being deleted.', contents: json(endpointDeleted) } },
    problems: [404, 409],
  },
  listModels: {
    summary: 'Search the catalog',
    tag: 'catalog',
    query: {
      registry: text.default('AzureML'),
      search: text.optional().describe('Words that the name holds.'),
    },
    answers: { 200: { description: 'Models.', contents: json(modelList) } },
    problems: [400, 404, 502],
  },
  getModel: {
    summary: 'Read what the catalog says of a model',
    tag: 'catalog',
    path: { registry: text, name: text },
    query: { version: text.default('latest') },
    answers: { 200: { description: 'The model.', contents: json(model) } },
    problems: [400, 404, 502],
  },
  listSkus: {
    summary: 'List the GPU sizes with their quota and price in a region',
    tag: 'catalog',
    query: {
      region: text.optional().describe('That of the workspace where none is named.'),
      workspace: text.optional().describe('A workspace of the settings, whose subscription has the quota.'),
    },
    answers: { 200: { description: 'Sizes.', contents: json(skuList) } },
    problems: [400, 502],
  },
  putRequestSet: {
    summary: 'Store requests of your own, one JSON object a line, in place of what has that name',
    tag: 'request sets',
    path: setName,
    body: {
      [NDJSON]: {
        schema: requestLine,
        examples: {
          lines: {
            summary: 'Two requests that came a second and a half apart',
            value: [
              { prompt: 'Where is my order?', outputTokens: 64, atSeconds: 0 },
              {
                messages: [{ role: 'user' as const, content: 'How do I return it?' }],
                outputTokens: 128,
                atSeconds: 1.5,
              },
            ]
              .map((line) => JSON.stringify(line satisfies z.input<typeof requestLine>))
              .join('\n'),
          },
        },
      },
    },
    answers: { 200: { description: 'What is known of the set.', contents: json(requestSet) } },
    problems: [400, 409, 413, 415],
  },
  listRequestSets: {
    summary: 'List the request sets',
    tag: 'request sets',
    answers: { 200: { description: 'Sets by name.', contents: json(requestSetList) } },
  },
  getRequestSet: {
    summary: 'Read what is known of a request set, without its text',
    tag: 'request sets',
    path: setName,
    answers: { 200: { description: 'The set.', contents: json(requestSet) } },
    problems: [400, 404],
  },
  deleteRequestSet: {
    summary: 'Delete a request set',
    tag: 'request sets',
    path: setName,
    answers: { 200: { description: 'It is deleted.', contents: json(requestSetDeleted) } },
    problems: [400, 404],
  },
  getHealth: {
    summary: 'Tell whether calls can be served',
    tag: 'app',
    answers: { 200: { description: 'What does not work stands in the body.', contents: json(health) } },
    problems: [400],
  },
  getOpenApi: {
    summary: 'Read this document',
    tag: 'app',
    answers: {
      200: { description: 'OpenAPI 3.1.', contents: json(z.looseObject({ openapi: z.literal('3.1.1') })) },
    },
  },
  getPage: {
    summary: 'Show the page',
    tag: 'app',
    answers: { 200: { description: 'HTML.', contents: { 'text/html': { schema: z.string() } } } },
  },
};
