/** The app's OpenAPI document as a generic client reads it: its operations, and the schema of each answer. */
import { findFaults, type Schema } from '../contracts/json-schema.ts';

export interface OpenApiDocument {
  readonly openapi: string;
  readonly info: Readonly<Record<string, unknown>>;
  readonly tags: readonly { readonly name: string }[];
  readonly security: readonly Readonly<Record<string, unknown>>[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, OpenApiOperation>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, Schema>>;
    readonly securitySchemes: Readonly<Record<string, unknown>>;
  };
}

export interface OpenApiOperation {
  readonly operationId: string;
  readonly summary: string;
  readonly tags: readonly string[];
  readonly security?: readonly unknown[];
  readonly parameters?: readonly OpenApiParameter[];
  readonly requestBody?: { readonly required: boolean; readonly content: OpenApiContent };
  readonly responses: Readonly<
    Record<string, { readonly description: string; readonly content?: OpenApiContent }>
  >;
}

export interface OpenApiParameter {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly required?: boolean;
  readonly schema: Schema;
}

export type OpenApiContent = Readonly<
  Record<
    string,
    {
      /** With the schema of each line, where the body is NDJSON. */
      readonly schema: Schema & { readonly contentSchema?: Schema };
      readonly examples?: Readonly<Record<string, { readonly value: unknown }>>;
    }
  >
>;

export interface LocatedOperation extends OpenApiOperation {
  readonly method: string;
  readonly path: string;
}

export function operationsOf({ paths }: OpenApiDocument): LocatedOperation[] {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      ...operation,
      method: method.toUpperCase(),
      path,
    })),
  );
}

/** In what a value does not fit one of the document's schemas. */
export function faultsOf(document: OpenApiDocument, schema: Schema, value: unknown): readonly string[] {
  return findFaults(value, schema, { $defs: document.components.schemas }, 'body');
}

/** In what an answer is not what the document says of it: its status, its content type, its body. */
export function answerFaults(
  document: OpenApiDocument,
  operation: LocatedOperation,
  answer: { readonly status: number; readonly contentType: string; readonly text: string },
): readonly string[] {
  const told = operation.responses[answer.status];
  const where = `${operation.operationId} ${answer.status}`;
  if (told === undefined) return [`${where} is not documented: ${answer.text.slice(0, 300)}`];
  const type = answer.contentType.split(';')[0] ?? '';
  if (told.content === undefined) return [];
  const content = told.content[type];
  if (content === undefined) return [`${where} has the type ${type}, which is not documented`];
  const { contentSchema } = content.schema;
  if (contentSchema !== undefined) {
    return answer.text
      .split('\n')
      .filter((line) => line !== '')
      .flatMap((line) => faultsOf(document, contentSchema, JSON.parse(line)))
      .map((fault) => `${where}: ${fault}`);
  }
  const value = type.endsWith('json') ? JSON.parse(answer.text) : answer.text;
  return faultsOf(document, content.schema, value).map((fault) => `${where}: ${fault}`);
}
