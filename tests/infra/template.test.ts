/** The checks of template.ts see what they are for: each breakage of infra/ is told by its own sentence. */
import { describe, expect, it } from 'vitest';
import { findFaults, readTemplate, readTypes } from './template.ts';

interface Breakage {
  readonly name: string;
  /** main.bicep, or a module without its ending. */
  readonly file: string;
  readonly from: string;
  readonly to: string;
  readonly fault: string;
}

const types = readTypes();
const template = readTemplate();

describe('a broken template', () => {
  it.each<Breakage>([
    {
      name: 'an API version that does not exist',
      file: 'storage',
      from: 'storageAccounts@2023-05-01',
      to: 'storageAccounts@2023-05-02',
      fault: 'no published type',
    },
    {
      name: 'a misspelt property',
      file: 'storage',
      from: 'allowSharedKeyAccess:',
      to: 'allowSharedKeysAccess:',
      fault: 'allowSharedKeysAccess is not known to Azure',
    },
    {
      name: 'a value that is not listed',
      file: 'storage',
      from: "'TLS1_2'",
      to: "'TLS12'",
      fault: 'minimumTlsVersion is "TLS12"',
    },
    {
      name: 'a string where a number is wanted',
      file: 'function-app',
      from: 'maximumInstanceCount: 40',
      to: "maximumInstanceCount: '40'",
      fault: 'is a string, not a integer',
    },
    {
      name: 'a property that is required and missing',
      file: 'storage',
      from: "  kind: 'StorageV2'\n",
      to: '',
      fault: 'body.kind is missing',
    },
    {
      name: 'a property in the wrong place',
      file: 'function-app',
      from: '    httpsOnly: true\n',
      to: "    runtime: { name: 'node' }\n",
      fault: 'body.properties.runtime is not known',
    },
    {
      name: 'a publishing policy of another name',
      file: 'function-app',
      from: "name: 'ftp'",
      to: "name: 'git'",
      fault: 'body.name is "git"',
    },
    {
      name: 'a param that nobody uses',
      file: 'identity',
      from: 'param tags object',
      to: 'param tags object\nparam zone string',
      fault: 'param zone is declared and not used',
    },
    {
      name: 'a name that nobody declares',
      file: 'storage',
      from: 'param name string\n',
      to: '',
      fault: 'name is used and not declared',
    },
    {
      name: 'a name declared twice',
      file: 'identity',
      from: 'param tags object',
      to: "param tags object\nvar tags = 'a'",
      fault: 'tags is declared twice',
    },
    {
      name: 'a module that is not there',
      file: 'main',
      from: 'modules/storage.bicep',
      to: 'modules/store.bicep',
      fault: 'modules/store.bicep does not exist',
    },
    {
      name: 'a param that the module lacks',
      file: 'main',
      from: 'appPrincipalId: appIdentity',
      to: 'principalId: appIdentity',
      fault: 'has no param principalId',
    },
    {
      name: 'a param that the module requires',
      file: 'main',
      from: '    readerPrincipalId: principalId\n',
      to: '',
      fault: 'the param readerPrincipalId of modules/storage.bicep is not given',
    },
    {
      name: 'a module without a scope',
      file: 'main',
      from: "  name: 'app-identity'\n  scope: group\n",
      to: "  name: 'app-identity'\n",
      fault: 'is given no scope',
    },
    {
      name: 'an output that the module lacks',
      file: 'main',
      from: 'appStorage.outputs.blobEndpoint',
      to: 'appStorage.outputs.blobUri',
      fault: 'appStorage.outputs.blobUri is not an output',
    },
    {
      name: 'a property that Azure does not give back',
      file: 'monitoring',
      from: 'insights.properties.ConnectionString',
      to: 'insights.properties.connectionString',
      fault: 'insights.properties.connectionString is not a property',
    },
    {
      name: 'such a property within a string',
      file: 'function-app',
      from: 'app.properties.defaultHostName',
      to: 'app.properties.defaultHost',
      fault: 'app.properties.defaultHost is not a property',
    },
    {
      name: 'a property that a variable lacks',
      file: 'main',
      from: 'workspace.resourceGroup)',
      to: 'workspace.group)',
      fault: 'workspace.group is not a property',
    },
    {
      name: 'a role that the app may not hold',
      file: 'workspace-access',
      from: 'f6c7c914-8db3-469d-8ca1-694a8f32e121',
      to: 'b24988ac-6180-42a0-ab88-20f7382dd24c',
      fault: 'not a role that this app may hold',
    },
    {
      name: 'a role under the name of another',
      file: 'monitoring',
      from: '// Monitoring Metrics Publisher',
      to: '// Monitoring Reader',
      fault: 'which the line before does not say',
    },
    {
      name: 'a role without a reason',
      file: 'storage',
      from: '    description: role.why\n',
      to: '',
      fault: 'has no description of why',
    },
    {
      name: 'a role for the whole resource group',
      file: 'workspace-access',
      from: '  scope: workspace\n',
      to: '',
      fault: 'has no scope',
    },
    {
      name: 'a param that a module in a loop lacks',
      file: 'main',
      from: '    workspaceName: other.address.workspace\n',
      to: '    workspace: other.address.workspace\n',
      fault: 'has no param workspace',
    },
    {
      name: 'a name that only a lambda knows',
      file: 'main',
      from: 'other => other.address)',
      to: 'other => another.address)',
      fault: 'another is used and not declared',
    },
    {
      name: "a name that is used in the condition of a loop's items only",
      file: 'main',
      from: "in otherWorkspaces: if (quotaReader == 'on')",
      to: "in otherWorkspaces: if (quotas == 'on')",
      fault: 'quotas is used and not declared',
    },
    {
      name: 'a threshold that is none',
      file: 'budget',
      from: "thresholdType: 'Forecasted'",
      to: "thresholdType: 'Foreseen'",
      fault: 'thresholdType is "Foreseen"',
    },
    {
      name: 'a sign-in of a kind that there is not',
      file: 'sign-in',
      from: "unauthenticatedClientAction: 'RedirectToLoginPage'",
      to: "unauthenticatedClientAction: 'Redirect'",
      fault: 'body.properties.globalValidation',
    },
    {
      name: 'a key that is read',
      file: 'function-app',
      from: "value: 'managedidentity'",
      to: 'value: plan.listKeys().key1',
      fault: 'looks like a secret',
    },
    {
      name: 'a key that is written out',
      file: 'function-app',
      from: "value: 'managedidentity'",
      to: `value: '${'A1b2'.repeat(21)}=='`,
      fault: 'looks like a secret',
    },
    {
      name: 'a bracket that is not closed',
      file: 'storage',
      from: "  sku: {\n    name: 'Standard_LRS'\n  }\n",
      to: "  sku: {\n    name: 'Standard_LRS'\n",
      fault: 'infra/modules/storage.bicep: Line',
    },
    {
      name: 'a string that is not closed',
      file: 'storage',
      from: "'StorageV2'",
      to: "'StorageV2",
      fault: 'is not closed',
    },
    {
      name: 'a word where a declaration is wanted',
      file: 'identity',
      from: 'param name string',
      to: 'parameter name string',
      fault: 'Line 3: expected',
    },
  ])('is refused with $name', ({ file, from, to, fault }) => {
    const target = file === 'main' ? 'infra/main.bicep' : `infra/modules/${file}.bicep`;
    const text = template.get(target) ?? '';
    expect(text).toContain(from);
    const broken = new Map(template).set(
      target,
      text.replace(from, () => to),
    );
    expect(findFaults(broken, types).join('\n')).toContain(fault);
  });
});
