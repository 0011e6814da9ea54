/** What is wrong with a set of Bicep files: the checks that `bicep build` would make, as far as text can tell. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { codesIn, type Declaration, namesIn, propertyOf, readBicep, type Value } from './bicep.ts';
import { fitBody, hasProperty, type Schema } from './resource-schema.ts';

/** Texts of the files by their path from the project's root, with `/`. */
export type Template = ReadonlyMap<string, string>;
export type ResourceTypes = Readonly<
  Record<string, { readonly request?: Schema; readonly response?: Schema }>
>;

/** Types that the published definitions at hand leave out, each seen in Microsoft's own templates. */
const UNPUBLISHED_TYPES = ['Microsoft.Resources/resourceGroups@2021-04-01'];

/** The built-in roles that this app may hold or give, by their well-known ids. */
const ROLES: Readonly<Record<string, string>> = {
  'b7e6dc6d-f1e8-4753-8033-0f276bb0955b': 'Storage Blob Data Owner',
  '974c5e8b-45b9-4653-ba55-5f855dd0fb88': 'Storage Queue Data Contributor',
  '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3': 'Storage Table Data Contributor',
  '76199698-9eea-4c19-bc75-cec21354c6b6': 'Storage Table Data Reader',
  '3913510d-42f4-4e42-8a64-420c390055eb': 'Monitoring Metrics Publisher',
  'f6c7c914-8db3-469d-8ca1-694a8f32e121': 'AzureML Data Scientist',
  'acdd72a7-3385-48ef-bd42-f606fba81ae7': 'Reader',
  '43d0d8ad-25c7-4714-9337-8ba259a9fe05': 'Monitoring Reader',
  '1823dd4f-9b8c-4ab6-ab4e-7397a3684615': 'AzureML Registry User',
  '0ad04412-c4d5-4796-b79c-f76d14c8d402': 'Durable Task Data Contributor',
  '4633458b-17de-408a-b874-0445c86b69e6': 'Key Vault Secrets User',
  'b86a8fe4-44ce-4948-aee5-eccb2c155cd7': 'Key Vault Secrets Officer',
};

/** What a template would write where a secret goes, or read one with. */
const SECRETS = [
  /\blist\w*(Keys?|Sas|Secrets?)\s*\(/i,
  /AccountKey=|SharedAccessKey|SharedAccessSignature|[?&]sig=|password\s*[:=]\s*'/i,
  // A key of 32 bytes or more in base64; no name, path or sentence of ours is that long without a space or a dash.
  /'[A-Za-z0-9+/]{43,}={0,2}'/,
];

const ROOT = path.join(import.meta.dirname, '..', '..');

/** The Bicep files of infra/. */
export function readTemplate(): Template {
  const files = readdirSync(path.join(ROOT, 'infra'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.bicep'))
    .map((file) => `infra/${file.replaceAll(path.sep, '/')}`);
  return new Map(files.map((file) => [file, readFileSync(path.join(ROOT, file), 'utf8')]));
}

/** Azure's published types, by `type@version`. */
export function readTypes(): ResourceTypes {
  const text = readFileSync(path.join(import.meta.dirname, 'resource-types.json'), 'utf8');
  return (JSON.parse(text) as { types: ResourceTypes }).types;
}

/** Every fault of the template with its file; none for a template that holds together. */
export function findFaults(template: Template, types: ResourceTypes): readonly string[] {
  const files = new Map<string, readonly Declaration[]>();
  const faults: string[] = [];
  for (const [file, text] of template) {
    try {
      files.set(file, readBicep(text));
    } catch (error) {
      faults.push(`${file}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  for (const [file, declarations] of files) {
    const found = [
      ...findNameFaults(declarations),
      ...declarations.flatMap((declaration) => findResourceFaults(declaration, declarations, types)),
      ...declarations.flatMap((declaration) => findModuleFaults(declaration, file, declarations, files)),
      ...findReferenceFaults(declarations, file, files, types),
      ...findTextFaults(template.get(file) ?? ''),
    ];
    faults.push(...found.map((fault) => `${file}: ${fault}`));
  }
  return faults;
}

/** Names are declared once, used, and declared where they are used. */
function findNameFaults(declarations: readonly Declaration[]): readonly string[] {
  const faults: string[] = [];
  const declared = new Set<string>();
  for (const { keyword, name } of declarations) {
    // An output may be called as the param that it gives back.
    const key = keyword === 'output' ? `output ${name}` : name;
    if (declared.has(key)) faults.push(`${name} is declared twice`);
    declared.add(key);
  }
  const used = new Set(declarations.flatMap(valuesOf).flatMap((value) => [...namesIn(value)]));
  for (const name of used) if (!declared.has(name)) faults.push(`${name} is used and not declared`);
  for (const { keyword, name } of declarations)
    if ((keyword === 'param' || keyword === 'var') && !used.has(name))
      faults.push(`${keyword} ${name} is declared and not used`);
  return faults;
}

function valuesOf({ condition, value }: Declaration): readonly Value[] {
  return [condition, value].filter((part) => part !== null);
}

/** Type and version exist, and the body fits them. */
function findResourceFaults(
  declaration: Declaration,
  siblings: readonly Declaration[],
  types: ResourceTypes,
): readonly string[] {
  const { keyword, name, type, existing, value } = declaration;
  if (keyword !== 'resource' || UNPUBLISHED_TYPES.includes(type)) return [];
  const schemas = types[type];
  if (schemas === undefined) return [`${name} is a ${type}, of which no published type is at hand`];
  if (existing || value === null) return [];
  if (schemas.request === undefined) return [`${name}: no request schema of ${type} is at hand`];
  const body = withoutDeployment(value.kind === 'loop' ? value.body : value);
  const faults = [...fitBody(body, schemas.request)];
  if (type.startsWith('Microsoft.Authorization/roleAssignments@')) {
    if (propertyOf(body, 'properties', 'description') === null) faults.push('has no description of why');
    const scope = propertyOf(value.kind === 'loop' ? value.body : value, 'scope');
    // In a file for a subscription, a role for all of it is what the file is for.
    if (scope === null && scopeOf(siblings) !== 'subscription')
      faults.push('has no scope, so it would hold for the whole resource group');
  }
  return faults.map((fault) => `${name}: ${fault}`);
}

/** The body as Azure gets it: what steers the deployment is Bicep's own. */
function withoutDeployment(body: Value): Value {
  if (body.kind !== 'object') return body;
  const steering = ['parent', 'scope', 'dependsOn'];
  return {
    kind: 'object',
    properties: new Map([...body.properties].filter(([name]) => !steering.includes(name))),
  };
}

/** The module's file exists, gets every param it requires and none that it lacks, and a scope of the right kind. */
function findModuleFaults(
  { keyword, name, type, value }: Declaration,
  file: string,
  siblings: readonly Declaration[],
  files: ReadonlyMap<string, readonly Declaration[]>,
): readonly string[] {
  if (keyword !== 'module' || value === null) return [];
  const target = files.get(path.posix.join(path.posix.dirname(file), type));
  if (target === undefined) return [`module ${name}: ${type} does not exist or cannot be read`];
  const faults: string[] = [];
  const params = target.filter((declaration) => declaration.keyword === 'param');
  const body = value.kind === 'loop' ? value.body : value;
  const passed = propertyOf(body, 'params');
  const names = passed?.kind === 'object' ? [...passed.properties.keys()] : [];
  for (const given of names)
    if (!params.some((param) => param.name === given))
      faults.push(`module ${name}: ${type} has no param ${given}`);
  for (const param of params)
    if (param.value === null && !names.includes(param.name))
      faults.push(`module ${name}: the param ${param.name} of ${type} is not given`);
  if (scopeOf(siblings) !== scopeOf(target) && propertyOf(body, 'scope') === null)
    faults.push(`module ${name}: ${type} is for a ${scopeOf(target)} and is given no scope`);
  return faults;
}

function scopeOf(declarations: readonly Declaration[]): string {
  const scope = declarations.find(({ keyword }) => keyword === 'targetScope')?.value;
  return scope?.kind === 'literal' ? String(scope.value) : 'resourceGroup';
}

/** `module.outputs.x` is an output of the module, `resource.properties.x` a property that Azure gives back. */
function findReferenceFaults(
  declarations: readonly Declaration[],
  file: string,
  files: ReadonlyMap<string, readonly Declaration[]>,
  types: ResourceTypes,
): readonly string[] {
  const faults: string[] = [];
  for (const code of declarations.flatMap(valuesOf).flatMap(codesIn)) {
    for (const [, root = '', rest = ''] of code.matchAll(/(?<![.\w])([A-Za-z_]\w*)((?:\.\w+)+)/g)) {
      const target = declarations.find(({ name, keyword }) => name === root && keyword !== 'output');
      const steps = rest.slice(1).split('.');
      if (target?.keyword === 'module') {
        const outputs = files
          .get(path.posix.join(path.posix.dirname(file), target.type))
          ?.filter(({ keyword }) => keyword === 'output');
        if (steps[0] === 'outputs' && !outputs?.some(({ name }) => name === steps[1]))
          faults.push(`${root}${rest} is not an output of ${target.type}`);
        else if (steps[0] !== 'outputs' && rest !== '.name')
          faults.push(`${root}${rest} is not known of a module`);
      } else if (target?.keyword === 'resource' && !['.id', '.name', '.location'].includes(rest)) {
        const response = types[target.type]?.response;
        if (response === undefined || !hasProperty(response, steps))
          faults.push(`${root}${rest} is not a property that ${target.type} gives back`);
      } else if (target?.keyword === 'var' && propertyOf(target.value, ...steps) === null) {
        faults.push(`${root}${rest} is not a property of the variable ${root}`);
      }
    }
  }
  return faults;
}

/** No secret stands in the file, and every GUID in it is a role that is named in the line before. */
function findTextFaults(text: string): readonly string[] {
  const faults: string[] = [];
  const lines = text.split('\n');
  for (const [index, line] of lines.entries()) {
    if (SECRETS.some((pattern) => pattern.test(line))) faults.push(`line ${index + 1} looks like a secret`);
    for (const [guid] of line.matchAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/gi)) {
      const role = ROLES[guid];
      if (role === undefined) faults.push(`${guid} is not a role that this app may hold`);
      else if (lines[index - 1]?.trim() !== `// ${role}`)
        faults.push(`${guid} is ${role}, which the line before does not say`);
    }
  }
  return faults;
}
