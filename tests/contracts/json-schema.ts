/**
 * JSON Schema as far as Azure's published types use it. A keyword that this file does not know throws, so that no
 * schema is ever taken for satisfied because it was not understood.
 */

export interface Schema {
  readonly $schema?: string;
  readonly $ref?: string;
  readonly $defs?: Readonly<Record<string, Schema>>;
  readonly type?: string | readonly string[];
  readonly not?: Schema;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  /** The values that Azure names for a field which it leaves open; neither side of ours may need another. */
  readonly examples?: readonly unknown[];
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly pattern?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: boolean | Schema;
  readonly required?: readonly string[];
  readonly propertyNames?: Schema;
  readonly items?: Schema;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly oneOf?: readonly Schema[];
  readonly anyOf?: readonly Schema[];
}

const KEYWORDS: ReadonlySet<string> = new Set([
  '$schema',
  '$ref',
  '$defs',
  'type',
  'const',
  'enum',
  'examples',
  'minLength',
  'maxLength',
  'minimum',
  'maximum',
  'pattern',
  'properties',
  'additionalProperties',
  'required',
  'propertyNames',
  'items',
  'minItems',
  'maxItems',
  'oneOf',
  'anyOf',
  'not',
  // These say something to a reader, and nothing about a value.
  'description',
  'default',
  'format',
  'contentMediaType',
  'contentSchema',
]);
/** Definitions point on to definitions at most a few times; the bound ends a circle. */
const MOST_HOPS = 20;

/** The faults of a value, each with its path; `root` holds the definitions that the schema points to. */
export function findFaults(value: unknown, schema: Schema, root = schema, path = 'body'): readonly string[] {
  const wanted = resolve(schema, root);
  if (wanted.oneOf !== undefined) return oneOfFaults(value, wanted.oneOf, root, path);
  if (wanted.anyOf !== undefined) return anyOfFaults(value, wanted.anyOf, root, path);
  if (wanted.not !== undefined && findFaults(value, wanted.not, root, path).length === 0)
    return [`${path} is what it must not be`];
  const typeFault = misfitOfType(value, wanted.type);
  if (typeFault !== undefined) return [`${path} ${typeFault}`];
  const listed = 'const' in wanted ? [wanted.const] : (wanted.enum ?? wanted.examples);
  if (listed !== undefined && !listed.includes(value))
    return [`${path} is ${JSON.stringify(value)}, not one of ${JSON.stringify(listed)}`];
  if (Array.isArray(value)) {
    const { items, minItems = 0, maxItems = Infinity } = wanted;
    if (value.length < minItems || value.length > maxItems)
      return [`${path} has ${value.length} items, not ${minItems} to ${maxItems}`];
    if (items === undefined) return [];
    return value.flatMap((item, index) => findFaults(item, items, root, `${path}[${index}]`));
  }
  if (typeof value === 'object' && value !== null)
    return objectFaults(value as Record<string, unknown>, wanted, root, path);
  if (typeof value === 'number') {
    const { minimum = -Infinity, maximum = Infinity } = wanted;
    return value < minimum || value > maximum
      ? [`${path} is ${value}, not within ${minimum} to ${maximum}`]
      : [];
  }
  if (typeof value === 'string') {
    const { minLength = 0, maxLength = Infinity, pattern = '' } = wanted;
    const fits =
      value.length >= minLength && value.length <= maxLength && new RegExp(pattern, 'u').test(value);
    return fits ? [] : [`${path} is ${JSON.stringify(value)}, which has the wrong length or characters`];
  }
  return [];
}

function resolve(schema: Schema, root: Schema): Schema {
  let resolved = schema;
  for (let hops = 0; resolved.$ref !== undefined; hops += 1) {
    const target: Schema | undefined =
      root.$defs?.[resolved.$ref.replace(/^#\/(\$defs|components\/schemas)\//, '')];
    if (target === undefined || hops === MOST_HOPS)
      throw new Error(`The schema has no ${resolved.$ref}, or it points in a circle.`);
    resolved = target;
  }
  const unknown = Object.keys(resolved).filter((keyword) => !KEYWORDS.has(keyword));
  if (unknown.length > 0) throw new Error(`The validator does not know ${unknown.join(', ')}.`);
  return resolved;
}

/** Exactly one branch must fit; where none does, the branch that comes nearest tells why. */
function oneOfFaults(value: unknown, branches: readonly Schema[], root: Schema, path: string) {
  const faults = branches.map((branch) => findFaults(value, branch, root, path));
  const fitting = faults.filter((found) => found.length === 0).length;
  if (fitting === 1) return [];
  if (fitting > 1) return [`${path} fits ${fitting} branches where it must fit one`];
  return faults.toSorted((a, b) => a.length - b.length)[0] ?? [];
}

/** At least one branch must fit; where none does, the branch that comes nearest tells why. */
function anyOfFaults(value: unknown, branches: readonly Schema[], root: Schema, path: string) {
  const faults = branches.map((branch) => findFaults(value, branch, root, path));
  return faults.toSorted((a, b) => a.length - b.length)[0] ?? [];
}

function misfitOfType(value: unknown, type: Schema['type']): string | undefined {
  if (type === undefined) return undefined;
  const actual = value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value;
  const types = typeof type === 'string' ? [type] : type;
  const fits = types.some((one) => (one === 'integer' ? Number.isSafeInteger(value) : one === actual));
  return fits ? undefined : `is ${actual === 'number' ? String(value) : actual}, not ${types.join(' or ')}`;
}

function objectFaults(
  value: Readonly<Record<string, unknown>>,
  { properties = {}, additionalProperties = true, required = [], propertyNames }: Schema,
  root: Schema,
  path: string,
): readonly string[] {
  const faults = required
    .filter((name) => !Object.hasOwn(value, name))
    .map((name) => `${path}.${name} is missing`);
  for (const [name, entry] of Object.entries(value)) {
    if (propertyNames !== undefined)
      faults.push(...findFaults(name, propertyNames, root, `the name ${path}.${name}`));
    const named = Object.hasOwn(properties, name) ? properties[name] : undefined;
    if (named !== undefined) faults.push(...findFaults(entry, named, root, `${path}.${name}`));
    else if (additionalProperties === false) faults.push(`${path}.${name} is not known to Azure`);
    else if (additionalProperties !== true)
      faults.push(...findFaults(entry, additionalProperties, root, `${path}.${name}`));
  }
  return faults;
}
