/** Endpoints that are alive, and what deleting one answers. */
import { z } from 'zod';
import type { EndpointList, ListedEndpoint } from '../endpoints.ts';
import { count, maybe, text, time } from './figure.ts';
import type { Shape } from './shape.ts';

export const endpointView = z
  .strictObject({
    name: text,
    workspace: text,
    runId: text.nullable().describe('Null where neither a lease nor a tag names the run.'),
    sku: text.nullable(),
    instances: count.nullable(),
    createdAt: time.nullable(),
    expiresAt: time.nullable().describe('When its lease ends and the reaper deletes it.'),
    provisioningState: text.nullable().describe('ARM’s own word.'),
    costUsd: maybe.describe('So far.'),
    keptUntil: time.nullable().describe('Until when its user keeps it for further runs.'),
    leaked: z.boolean().describe('Alive without anybody who will end it but the reaper.'),
    releaseError: text.nullable(),
  } satisfies Shape<ListedEndpoint>)
  .meta({ id: 'Endpoint' });

export const endpointList = z
  .strictObject({
    endpoints: z.array(endpointView),
    troubles: z
      .array(text)
      .describe('What could not be looked at: where this is not empty, more may be alive.'),
  } satisfies Shape<EndpointList>)
  .meta({ id: 'EndpointList' });

export const endpointDeleted = z
  .strictObject({
    name: text,
    gone: z.boolean().describe('False while it is being deleted.'),
    error: text.nullable().describe('Why it could not be deleted.'),
  })
  .meta({ id: 'EndpointDeleted' });
