/**
 * Whether what a template declares fits Azure's published type of it, as far as it is written out: an expression is
 * taken to give what is wanted, a literal is held to type, listed values, length and pattern.
 */
import type { Value } from './bicep.ts';

export interface Schema {
  readonly $ref?: string;
  readonly $defs?: Readonly<Record<string, Schema>>;
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  /** Values that Azure names for a field it keeps open; no template of ours needs another. */
  readonly examples?: readonly unknown[];
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly pattern?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: boolean | Schema;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly oneOf?: readonly Schema[];
}

/** The faults of a resource's body; `root` is the schema that holds the definitions. */
export function fitBody(body: Value, root: Schema): readonly string[] {
  return findMisfits(body, root, root, 'body');
}

/** Whether a response has the property that the path names. */
export function hasProperty(root: Schema, path: readonly string[]): boolean {
  let schema: Schema | undefined = resolve(root, root);
  for (const name of path) {
    const next: Schema | undefined = schema?.properties?.[name];
    if (next === undefined) return false;
    schema = resolve(next, root);
  }
  return true;
}

function resolve(schema: Schema, root: Schema): Schema {
  let resolved = schema;
  // Definitions point on at most a few times; 20 ends a circle.
  for (let hops = 0; resolved.$ref !== undefined && hops < 20; hops += 1) {
    const target: Schema | undefined = root.$defs?.[resolved.$ref.replace('#/$defs/', '')];
    if (target === undefined) throw new Error(`The schema has no ${resolved.$ref}.`);
    resolved = target;
  }
  return resolved;
}

function findMisfits(value: Value, schema: Schema, root: Schema, path: string): readonly string[] {
  const wanted = resolve(schema, root);
  if (value.kind === 'expression') return [];
  if (wanted.oneOf !== undefined) {
    const branches = wanted.oneOf.map((branch) => findMisfits(value, branch, root, path));
    return branches.some((faults) => faults.length === 0) ? [] : (branches[0] ?? []);
  }
  switch (value.kind) {
    case 'literal':
      return literalMisfits(value.value, wanted).map((fault) => `${path} ${fault}`);
    case 'array':
      if (wanted.items === undefined) return [`${path} is a list where none is wanted`];
      return value.items.flatMap((item, index) =>
        findMisfits(item, wanted.items ?? {}, root, `${path}[${index}]`),
      );
    case 'loop':
      if (wanted.items === undefined) return [`${path} is a list where none is wanted`];
      return findMisfits(value.body, wanted.items, root, `${path}[]`);
    case 'object':
      return objectMisfits(value.properties, wanted, root, path);
  }
}

function objectMisfits(
  properties: ReadonlyMap<string, Value>,
  wanted: Schema,
  root: Schema,
  path: string,
): readonly string[] {
  if (wanted.type !== undefined && wanted.type !== 'object')
    return [`${path} is an object, not a ${wanted.type}`];
  const faults = (wanted.required ?? [])
    .filter((name) => !properties.has(name))
    .map((name) => `${path}.${name} is missing`);
  for (const [name, value] of properties) {
    const known = wanted.properties?.[name];
    const other = wanted.additionalProperties;
    if (known !== undefined) faults.push(...findMisfits(value, known, root, `${path}.${name}`));
    else if (other === false || other === undefined) faults.push(`${path}.${name} is not known to Azure`);
    else if (typeof other === 'object') faults.push(...findMisfits(value, other, root, `${path}.${name}`));
  }
  return faults;
}

function literalMisfits(value: string | number | boolean | null, wanted: Schema): readonly string[] {
  const listed = 'const' in wanted ? [wanted.const] : (wanted.enum ?? wanted.examples);
  if (listed !== undefined && !listed.includes(value))
    return [`is ${JSON.stringify(value)}, not one of ${JSON.stringify(listed)}`];
  const type = value === null ? 'null' : typeof value === 'number' ? 'integer' : typeof value;
  if (wanted.type !== undefined && wanted.type !== type) return [`is a ${type}, not a ${wanted.type}`];
  if (typeof value === 'number') {
    const { minimum = -Infinity, maximum = Infinity } = wanted;
    return value < minimum || value > maximum ? [`is ${value}, not within ${minimum} to ${maximum}`] : [];
  }
  if (typeof value !== 'string') return [];
  const { minLength = 0, maxLength = Infinity, pattern = '' } = wanted;
  const fits = value.length >= minLength && value.length <= maxLength && new RegExp(pattern).test(value);
  return fits ? [] : [`is ${JSON.stringify(value)}, which has the wrong length or characters`];
}
