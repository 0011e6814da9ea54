/** The contract as an OpenAPI document passes the rules that a linter recommends to all. */
import { createConfig, lintFromString } from '@redocly/openapi-core';
import { expect, it } from 'vitest';
import { buildOpenApi } from '../../src/http/openapi.ts';
import { OPERATIONS } from '../../src/http/operations.ts';
import { ROUTES } from '../../src/http/routes.ts';

/** What the linter says and is not followed, with the reason. */
const NOT_FOLLOWED: Readonly<Record<string, string>> = {
  'operation-4xx-response #/paths/~1/get/responses':
    'The page takes no key and no input that could be wrong.',
  'operation-4xx-response #/paths/~1api~1openapi.json/get/responses':
    'The document takes no key and no input that could be wrong.',
};

it('has no fault and no warning, but for what is not followed on purpose', async () => {
  const config = await createConfig({ extends: ['recommended'] });
  const problems = await lintFromString({
    source: JSON.stringify(buildOpenApi(ROUTES, OPERATIONS, '1.2.3')),
    absoluteRef: 'openapi.json',
    config,
  });
  const said = problems.map(({ ruleId, location }) => `${ruleId} ${location[0]?.pointer ?? ''}`);
  expect(said.sort()).toEqual(Object.keys(NOT_FOLLOWED).sort());
});
