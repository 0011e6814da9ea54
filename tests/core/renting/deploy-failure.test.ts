/** What the service says and what a user is told; codes and wording as Microsoft's troubleshooting page has them. */
import { describe, expect, it } from 'vitest';
import {
  explainFailedStage,
  type FailedStage,
  findDeployFailure,
  saysStillBusy,
  tailOfLog,
} from '../../../src/core/renting/deploy-failure.ts';

describe('a failure of a deployment', () => {
  it.each([
    [
      'OutOfQuota',
      'lack of Azure Machine Learning capacity in the region',
      'OutOfCapacity',
      'elsewhere',
      /no free machines/,
    ],
    ['AllocationFailed', 'Allocation failed.', 'OutOfCapacity', 'elsewhere', /no free machines/],
    ['SkuNotAvailable', 'not available in location', 'OutOfCapacity', 'elsewhere', /no free machines/],
    [
      'OutOfQuota',
      'Not enough quota available for Standard_NC24ads. Additional needed: 24',
      'OutOfQuota',
      'elsewhere',
      /ask for more/,
    ],
    [
      'BadRequest',
      'Operation results in exceeding approved quota',
      'OutOfQuota',
      'elsewhere',
      /ask for more/,
    ],
    ['OutOfQuota', 'Not enough cluster quota', 'OutOfQuota', 'elsewhere', /ask for more/],
    ['OutOfQuota', 'The maximum number of endpoints was reached', 'OutOfEndpoints', 'elsewhere', /unused/],
    ['OutOfQuota', 'Role assignment quota: no room', 'OutOfRoleAssignments', 'none', /role assignments/],
    ['OutOfQuota', 'Disk quota: too little space left', 'OutOfDisk', 'none', /larger disk/],
    ['OutOfQuota', 'Memory quota: the footprint is larger', 'OutOfMemory', 'none', /with more/],
    ['ImageBuildFailure', 'could not be built', 'ImageBuildFailure', 'none', /build log/],
    ['BadArgument', 'Unable to download user container image', 'BadArgument', 'none', /AcrPull/],
    ['BadArgument', 'Startup task failed due to authorization error', 'BadArgument', 'none', /AcrPull/],
    ['BadArgument', 'Subscription does not exist', 'BadArgument', 'none', /its own words/],
    [
      'BadArgument',
      'The model azureml:x:1 was not found',
      'ResourceNotFound',
      'none',
      /registry, name and version/,
    ],
    [
      'ResourceNotFound',
      'ARM cannot find a required resource',
      'ResourceNotFound',
      'none',
      /registry, name and version/,
    ],
    ['ResourceNotReady', 'User container has crashed', 'ResourceNotReady', 'none', /log tells why/],
    [
      'ResourceNotReady',
      'torch.OutOfMemoryError: CUDA out of memory',
      'ResourceNotReady',
      'none',
      /more GPU memory/,
    ],
    ['WorkspaceManagedNetworkNotReady', '', 'WorkspaceManagedNetworkNotReady', 'none', /provision-network/],
    ['SecretsInjectionError', '', 'SecretsInjectionError', 'none', /identity access/],
    [
      'OperationCanceled',
      'canceled by another operation with higher priority',
      'OperationCanceled',
      'again',
      /priority/,
    ],
    ['InternalServerError', '', 'InternalServerError', 'again', /side of Azure/],
    ['NameTaken', '', 'NameTaken', 'again', /another one/],
    ['MarketplaceSubscriptionRequired', '', 'MarketplaceTermsMissing', 'none', /never accepts terms/],
  ] as const)('%s "%s" is %s, and another attempt: %s', (code, message, told, recourse, remedy) => {
    expect(findDeployFailure(code, message)).toMatchObject({
      code: told,
      recourse,
      remedy: expect.stringMatching(remedy),
    });
  });

  it('that nobody has documented has no remedy of ours', () => {
    expect(findDeployFailure('Strange', 'nobody knows')).toBeNull();
  });
});

describe('a refusal that is only the moment’s', () => {
  it.each([
    [409, 'Conflict', 'Endpoint is Updating'],
    [409, 'Conflict', ''],
    [400, 'BadRequest', 'The endpoint is currently updating. Try again later.'],
    [400, 'UserError', 'Deployment is in state: Creating'],
    [412, 'PreconditionFailed', 'Another operation is already in progress'],
    [null, 'OperationCanceled', 'waiting for lock confirmation'],
  ])('%s %s "%s"', (status, code, message) => {
    expect(saysStillBusy(status, code, message)).toBe(true);
  });

  it.each([
    [409, 'Conflict', 'The name already exists in this region'],
    [400, 'BadArgument', 'requestTimeout is too long'],
    [403, 'Forbidden', 'is updating'],
    [400, 'OutOfQuota', 'Not enough quota'],
  ])('and not %s %s "%s"', (status, code, message) => {
    expect(saysStillBusy(status, code, message)).toBe(false);
  });
});

describe('the sentence about a stage that failed', () => {
  const check = (fields: Partial<FailedStage>) =>
    explainFailedStage({
      stage: 'deployment',
      endpoint: 'fb-1-a1',
      region: 'eastus2',
      sku: 'Standard_NC24ads_A100_v4',
      instances: 2,
      provisioningState: 'Failed',
      error: null,
      log: null,
      ...fields,
    });

  it('names endpoint, machines, region, Azure’s words, the remedy and the end of the log', () => {
    const { message, recourse } = check({
      error: { code: 'ResourceNotReady', message: 'User container has crashed.' },
      log: 'loading\ntorch.OutOfMemoryError: CUDA out of memory.',
    });
    expect(message).toBe(
      "Azure ML reports the deployment of fb-1-a1 (2 x Standard_NC24ads_A100_v4 in eastus2) as Failed: ResourceNotReady (User container has crashed). The model needs more GPU memory than this SKU has; use a larger one. The end of the container's log: loading\ntorch.OutOfMemoryError: CUDA out of memory.",
    );
    expect(recourse).toBe('none');
  });

  it('tells capacity from quota where the service says quota for both', () => {
    const capacity = check({ error: { code: 'OutOfQuota', message: 'lack of capacity in the region' } });
    expect(capacity.message).toContain('OutOfCapacity, told as OutOfQuota');
    const quota = check({ error: { code: 'OutOfQuota', message: 'Not enough quota' } });
    expect(quota.message).toContain(': OutOfQuota (Not enough quota)');
    expect([capacity.recourse, quota.recourse]).toEqual(['elsewhere', 'elsewhere']);
  });

  it('says that it does not know where Azure does not say', () => {
    expect(check({}).message).toMatch(/as Failed\. It did not say why/);
    expect(check({ error: { code: 'Odd', message: 'x' } }).message).toContain(
      'not among those that Azure ML documents',
    );
  });

  it('quotes the last lines of a log, whole ones, without colours and without secrets', () => {
    const log = `${'line that is long enough to be many\n'.repeat(50)}\u001b[31mlast\u001b[0m HF_TOKEN=hf_abcdefghijklmnop Authorization: Bearer abc.def sig=0123456789abcdef`;
    const tail = tailOfLog(log);
    expect(tail.length).toBeLessThanOrEqual(620);
    expect(tail).toMatch(/^\.\.\.line that/);
    expect(tail).toContain('last');
    expect(tail).not.toMatch(/\u001b|abcdefghijklmnop|abc\.def|0123456789abcdef/);
  });
});
