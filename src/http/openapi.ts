/**
 * The contract as an OpenAPI 3.1 document, made of the routes, what `operations.ts` says of each, and zod's JSON
 * Schema of the schemas in `contract/`. Bodies are described as they may be sent, answers as they are given.
 */
import { z } from 'zod';
import { problem } from './contract/problem.ts';
import { NDJSON, type Operation } from './operation.ts';
import type { ApiRoute } from './routes.ts';

type Json = Readonly<Record<string, unknown>>;

/** The routes that have a description; a test holds that all have. */
export function buildOpenApi(
  routes: readonly ApiRoute[],
  operations: Readonly<Record<string, Operation>>,
  version: string,
): Json {
  const schemas = new Schemas();
  const paths: Record<string, Record<string, Json>> = {};
  for (const route of routes) {
    const operation = operations[route.name];
    if (operation === undefined) continue;
    const path = writePath(route.route);
    paths[path] ??= {};
    paths[path][route.method.toLowerCase()] = describeOperation(route, operation, schemas);
  }
  return {
    openapi: '3.1.1',
    info: {
      title: 'foundry-bench',
      version,
      summary: 'Deploys a catalog model to an Azure ML managed online endpoint, measures it and deletes it.',
      description:
        'Unknown fields of a body are faults. A call that has query parameters answers 400 to one that it does not have, and so does /api/health, which has none; other calls do not look at their query. `code` and `clientId` may stand in any query, since they carry the function key. A call that does not work is answered with problem details that name every fault at once.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/' }],
    tags: TAGS,
    security: [{ functionKey: [] }, { functionKeyInQuery: [] }],
    paths,
    components: {
      schemas: schemas.components(),
      securitySchemes: {
        functionKey: { type: 'apiKey', in: 'header', name: 'x-functions-key' },
        functionKeyInQuery: { type: 'apiKey', in: 'query', name: 'code' },
      },
    },
  };
}

const TAGS = [
  { name: 'runs', description: 'Plan, start, watch and cancel a run, and read its results.' },
  { name: 'comparisons', description: 'The same spec on several SKUs, instance counts or settings.' },
  { name: 'schedules', description: 'Comparisons and runs that a timer starts.' },
  { name: 'endpoints', description: 'What this installation has alive, and deleting what is left.' },
  { name: 'catalog', description: 'Models and GPU sizes.' },
  { name: 'request sets', description: 'Requests of your own, to be sent as they are.' },
  { name: 'app', description: 'The page, this document and liveness.' },
];

/** `/api/runs/{id}`; the page's parameter, which can only be empty, is no part of its address. */
function writePath(route: string): string {
  return `/${route.replace(/\{\w+:maxlength\(0\)\?\}/, '')}`;
}

function describeOperation(route: ApiRoute, operation: Operation, schemas: Schemas): Json {
  const { summary, description, tag, path, query, headers, body, answers, problems = [] } = operation;
  const parameters = [
    ...describeParameters('path', path, schemas),
    ...describeParameters('query', query, schemas),
    ...describeParameters('header', headers, schemas),
  ];
  const anonymous = route.authLevel === 'anonymous';
  const refused = { 401: { description: 'The function key is missing or wrong.' } };
  const told = problems.map((status) => [status, describeProblem(status, schemas)] as const);
  const given = Object.entries(answers).map(([status, answer]) => [
    status,
    {
      description: answer.description,
      ...(answer.headers !== undefined && { headers: describeHeaders(answer.headers) }),
      content: describeContents(answer.contents, 'output', schemas),
    },
  ]);
  return {
    operationId: route.name,
    summary,
    ...(description !== undefined && { description }),
    tags: [tag],
    ...(anonymous && { security: [] }),
    ...(parameters.length > 0 && { parameters }),
    ...(body !== undefined && {
      requestBody: { required: true, content: describeContents(body, 'input', schemas) },
    }),
    responses: {
      ...Object.fromEntries([...given, ...told]),
      ...(!anonymous && refused),
      500: describeProblem(500, schemas),
    },
  };
}

function describeParameters(where: string, shape: Operation['query'], schemas: Schemas): Json[] {
  return Object.entries(shape ?? {}).map(([name, field]) => {
    const { description, ...schema } = schemas.refer(field, 'input') as { description?: string };
    return {
      name,
      in: where,
      ...(description !== undefined && { description }),
      ...((where === 'path' || field._zod.optin === undefined) && { required: true }),
      schema,
    };
  });
}

function describeHeaders(headers: Readonly<Record<string, string>>): Json {
  return Object.fromEntries(
    Object.entries(headers).map(([name, description]) => [name, { description, schema: { type: 'string' } }]),
  );
}

function describeContents(contents: Operation['body'], io: Direction, schemas: Schemas): Json {
  return Object.fromEntries(
    Object.entries(contents ?? {}).map(([type, { schema, examples }]) => [
      type,
      {
        schema: describeContent(type, schemas.refer(schema, io)),
        ...(examples !== undefined && { examples }),
      },
    ]),
  );
}

/** OpenAPI 3.1 has no word for one document a line, but JSON Schema has words for a text that holds others. */
function describeContent(type: string, schema: Json): Json {
  return type === NDJSON ? { type: 'string', contentMediaType: type, contentSchema: schema } : schema;
}

const PROBLEMS: Readonly<Record<number, string>> = {
  400: 'The input has faults; all are named.',
  404: 'It does not exist.',
  409: 'It cannot be done in the state that things are in.',
  413: 'The body is too large.',
  415: 'The body is of another type.',
  500: 'The app failed; its log says why.',
  502: 'Azure did not answer, or refused.',
};

function describeProblem(status: number, schemas: Schemas): Json {
  const description = PROBLEMS[status];
  if (description === undefined) throw new Error(`A problem of status ${status} has no description.`);
  return {
    description,
    content: { 'application/problem+json': { schema: schemas.refer(problem, 'output') } },
  };
}

type Direction = 'input' | 'output';

/** Collects the schemas that have a name of their own, so that each is written once and referred to. */
class Schemas {
  readonly #named = new Map<string, string>();

  refer(schema: z.ZodType, io: Direction): Json {
    // Inside of an object, a schema with a name becomes a reference whatever it is.
    const { properties, $defs = {} } = z.toJSONSchema(z.strictObject({ it: schema }), {
      io,
      unrepresentable: ({ zodSchema }) => (zodSchema._zod.def.type === 'undefined' ? { not: {} } : 'throw'),
      override: ({ jsonSchema }) => {
        dropIntegerBounds(jsonSchema);
        openUnion(jsonSchema);
      },
    }) as unknown as { properties: { it: Json }; $defs?: Record<string, Json> };
    for (const [name, definition] of Object.entries($defs)) this.#define(name, definition);
    return JSON.parse(pointToComponents(properties.it));
  }

  components(): Json {
    const names = [...this.#named.keys()].sort();
    return Object.fromEntries(names.map((name) => [name, JSON.parse(this.#named.get(name) ?? '')]));
  }

  #define(name: string, definition: Json): void {
    const written = pointToComponents(definition);
    const before = this.#named.get(name);
    if (before !== undefined && before !== written)
      throw new Error(`${name} is described as a body and as an answer, which differ; give them two names.`);
    this.#named.set(name, written);
  }
}

function pointToComponents(schema: Json): string {
  return JSON.stringify(schema).replaceAll('"#/$defs/', '"#/components/schemas/');
}

/** zod bounds each whole number by what a double can hold, which tells a reader nothing. */
function dropIntegerBounds(schema: { minimum?: number; maximum?: number }): void {
  if (schema.minimum === Number.MIN_SAFE_INTEGER) delete schema.minimum;
  if (schema.maximum === Number.MAX_SAFE_INTEGER) delete schema.maximum;
}

/**
 * zod says oneOf of branches that a field tells apart. Where that field has a default a reader cannot see that they
 * exclude each other; anyOf says the same of all of them.
 */
function openUnion(schema: { oneOf?: unknown; anyOf?: unknown }): void {
  if (schema.oneOf === undefined) return;
  schema.anyOf = schema.oneOf;
  delete schema.oneOf;
}
