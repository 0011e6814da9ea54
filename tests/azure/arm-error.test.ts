import { describe, expect, it } from 'vitest';
import { explainArmError, isParentMissing } from '../../src/azure/arm-error.ts';

function restError(statusCode: number | undefined, code: string | undefined, message: string): Error {
  return Object.assign(new Error(message), { name: 'RestError', statusCode, code });
}

describe('explainArmError', () => {
  it.each<[string, Error, { code: string; status: number | null; retryable: boolean; says: string }]>([
    [
      'quota',
      restError(400, 'OutOfQuota', 'Not enough quota available'),
      { code: 'OutOfQuota', status: 400, retryable: false, says: 'quota of this VM family' },
    ],
    [
      'quota told in words',
      restError(400, 'BadRequest', 'The requested cores exceed the available quota.'),
      { code: 'OutOfQuota', status: 400, retryable: false, says: 'quota of this VM family' },
    ],
    [
      'capacity under the code of quota',
      restError(400, 'OutOfQuota', 'There is no region-wide VM capacity'),
      { code: 'OutOfCapacity', status: 400, retryable: false, says: 'no free machines' },
    ],
    [
      'capacity',
      restError(409, 'OutOfCapacity', 'x'),
      { code: 'OutOfCapacity', status: 409, retryable: false, says: 'no free machines' },
    ],
    [
      'an expired token',
      restError(401, 'ExpiredAuthenticationToken', 'expired'),
      { code: 'ExpiredAuthenticationToken', status: 401, retryable: true, says: 'expired' },
    ],
    [
      'another tenant',
      restError(401, 'InvalidAuthenticationTokenTenant', 'x'),
      {
        code: 'InvalidAuthenticationTokenTenant',
        status: 401,
        retryable: false,
        says: 'AzureML Data Scientist',
      },
    ],
    [
      'no role',
      restError(403, 'AuthorizationFailed', 'x'),
      { code: 'AuthorizationFailed', status: 403, retryable: false, says: 'AzureML Data Scientist' },
    ],
    [
      'throttling',
      restError(429, 'TooManyRequests', 'x'),
      { code: 'TooManyRequests', status: 429, retryable: true, says: 'throttling' },
    ],
    [
      'a conflict',
      restError(409, 'Conflict', 'x'),
      { code: 'Conflict', status: 409, retryable: true, says: 'in progress' },
    ],
    [
      'a cancel by another',
      restError(400, 'OperationCanceled', 'x'),
      { code: 'OperationCanceled', status: 400, retryable: true, says: 'Another operation' },
    ],
    [
      'a bad body',
      restError(400, 'BadArgument', 'x'),
      { code: 'BadArgument', status: 400, retryable: false, says: '400 BadArgument (x).' },
    ],
    [
      'a code left out',
      restError(400, undefined, ''),
      { code: 'Http400', status: 400, retryable: false, says: 'ARM answered 400 Http400.' },
    ],
    [
      'a wrong workspace',
      restError(404, 'ResourceGroupNotFound', 'x'),
      { code: 'ResourceGroupNotFound', status: 404, retryable: false, says: 'WORKSPACES' },
    ],
    [
      'a fault of Azure',
      restError(503, 'ServerTimeout', 'x'),
      { code: 'ServerTimeout', status: 503, retryable: true, says: 'side of Azure' },
    ],
    [
      'nobody there',
      restError(undefined, 'ECONNREFUSED', 'connect ECONNREFUSED'),
      { code: 'ECONNREFUSED', status: null, retryable: true, says: 'could not be reached' },
    ],
    [
      'no answer',
      Object.assign(new Error('aborted'), { name: 'AbortError' }),
      { code: 'Timeout', status: null, retryable: true, says: 'within 60 seconds' },
    ],
    [
      'no credential',
      Object.assign(new Error('none'), { name: 'CredentialUnavailableError' }),
      { code: 'NoCredential', status: null, retryable: false, says: 'az login' },
    ],
    [
      'a failed operation',
      new Error('The long-running operation has failed. ResourceNotReady. The container died.'),
      { code: 'ResourceNotReady', status: null, retryable: false, says: 'too little GPU memory' },
    ],
    [
      'a failed operation for quota',
      new Error('The long-running operation has failed. OutOfQuota. no cores'),
      { code: 'OutOfQuota', status: null, retryable: false, says: 'quota of this VM family' },
    ],
    [
      'a failed operation without a word',
      new Error('The long-running operation has failed'),
      { code: 'OperationFailed', status: null, retryable: false, says: 'OperationFailed' },
    ],
    [
      'what nobody throws',
      'text' as unknown as Error,
      { code: 'Unknown', status: null, retryable: true, says: 'unknown error' },
    ],
  ])('%s', (_name, error, expected) => {
    const told = explainArmError('create the endpoint fb-1', error, 60_000);
    const { code, status, retryable, message } = told;
    expect({ code, status, retryable }).toEqual({
      code: expected.code,
      status: expected.status,
      retryable: expected.retryable,
    });
    expect(message).toMatch(/^Could not create the endpoint fb-1: /);
    expect(message).toContain(expected.says);
    expect(told.cause).toBeUndefined();
  });

  it('repeats neither a token nor a body that could not be read, and shortens long words', () => {
    const bearer = explainArmError(
      'x',
      restError(400, 'Bad', 'header Authorization: Bearer abc.def-ghi refused'),
      1,
    );
    expect(bearer.message).not.toContain('abc.def');
    const parse = explainArmError(
      'x',
      restError(200, 'PARSE_ERROR', 'while parsing the response body - {"primaryKey":"s3cret"'),
      1,
    );
    expect(parse.message).not.toContain('s3cret');
    expect(explainArmError('x', restError(400, 'Bad', 'x'.repeat(99_999)), 1).message.length).toBeLessThan(
      600,
    );
  });
});

describe('a 404', () => {
  it('of the workspace is not the absence of an endpoint', () => {
    for (const code of ['SubscriptionNotFound', 'ResourceGroupNotFound', 'WorkspaceNotFound']) {
      expect(isParentMissing(code, true)).toBe(true);
      expect(isParentMissing(code, false)).toBe(true);
    }
    expect(isParentMissing('ParentResourceNotFound', true)).toBe(true);
    expect(isParentMissing('ParentResourceNotFound', false)).toBe(false);
    expect(isParentMissing('ResourceNotFound', true)).toBe(false);
  });

  it('of the workspace may have the code of an endpoint’s; then its words tell, and what to check', () => {
    const missing = (what: string) =>
      `The Resource 'Microsoft.MachineLearningServices/workspaces/${what}' under resource group 'g' was not found.`;
    expect(isParentMissing('ResourceNotFound', false, missing('lab'))).toBe(true);
    expect(isParentMissing('ResourceNotFound', true, missing('lab/onlineEndpoints/fb-1'))).toBe(false);
    const told = explainArmError(
      'read the workspace lab',
      restError(404, 'ResourceNotFound', missing('lab')),
      1,
    );
    expect(told.message).toContain('in the setting WORKSPACES');
  });
});
