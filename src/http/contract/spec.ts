/** A run's spec: as it may be sent, which is what `parseSpec` reads, and as it is stored, with every default filled in. */
import { z } from 'zod';
import { payloadTemplate } from '../../core/requests/payload.ts';
import {
  type EndpointSpec,
  type ExistingSpec,
  endpointSpec,
  existingSpec,
  type ManagedSpec,
  managedSpec,
} from '../../core/spec/spec.ts';
import { managedTargetFields, type Placement } from '../../core/spec/target.ts';
import type { Shape } from './shape.ts';
import { storedWorkload, workloadForms } from './workload.ts';

/** Parts that core reads by hand, since their faults need more words than a schema has. */
const readByHand = { workloads: workloadForms, template: payloadTemplate.optional() };

/** The body of `POST /api/runs` and `POST /api/plans`. */
export const specRequest = z
  .union([
    managedSpec.extend(readByHand).describe('Deploys the model, measures it and deletes the endpoint.'),
    endpointSpec.extend(readByHand).describe('Measures a managed online endpoint that exists.'),
    existingSpec.extend(readByHand).describe('Measures any scoring URI.'),
  ])
  .meta({ id: 'SpecRequest' });

/** What a spec may hold beside its target, each part by itself: the common part of a comparison, or what a target changes. */
export const specParts = managedSpec
  .extend({ ...readByHand, model: endpointSpec.shape.model })
  .omit({ target: true })
  .partial();

/** A target as it may be written. */
export const targetRequest = z
  .union([managedSpec.shape.target, endpointSpec.shape.target, existingSpec.shape.target])
  .meta({ id: 'TargetRequest' });

const stored = { workloads: z.array(storedWorkload), template: payloadTemplate.optional() };

const placement = z.strictObject({
  workspace: z.string(),
  sku: z.string(),
} satisfies Shape<Placement>);

const storedManagedSpec = managedSpec.extend({
  ...stored,
  target: managedTargetFields.extend({
    workspace: z.string().describe('That of the first placement.'),
    placements: z.array(placement),
  }),
});
const storedEndpointSpec = endpointSpec.extend(stored);
const storedExistingSpec = existingSpec.extend(stored);

/** The spec that `GET /api/runs/{id}` shows. */
export const storedSpec = z
  .union([storedManagedSpec, storedEndpointSpec, storedExistingSpec])
  .meta({ id: 'Spec' });

// What parts are replaced above must be what core stores. A template's bodies are any JSON, which core knows by itself.
storedManagedSpec satisfies z.ZodType<Omit<ManagedSpec, 'template'>>;
storedEndpointSpec satisfies z.ZodType<Omit<EndpointSpec, 'template'>>;
storedExistingSpec satisfies z.ZodType<Omit<ExistingSpec, 'template'>>;
