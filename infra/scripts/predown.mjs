// Runs before `azd down` deletes the app, and with it both reapers: stops the app, deletes every endpoint of this
// installation by its tags, waits until Azure ML answers 404 for each, and fails where one is left, which keeps azd from
// going on. It needs Node 20 or newer and a sign-in of azd or az, and nothing that is installed in this folder.
import { execFile } from 'node:child_process';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';

/** As the app speaks it, see src/azure/control-plane.ts. */
const ML_API = '2024-10-01';
const WEB_API = '2024-04-01';
/** See src/core/renting/lease.ts. */
const TOOL_TAG = ['foundry-bench-tool', 'foundry-bench'];
const OWNER_TAG = 'foundry-bench-owner';

/** One call of ARM, milliseconds. */
const CALL_MS = 60_000;
/** The deletion of an endpoint that is still being created takes a quarter of an hour at the worst. */
const DEFAULT_WAIT_SECONDS = 1_800;
const POLL_MS = 5_000;
/** Azure ML allows 100 endpoints in a region, and lists at least 20 a page. */
const PAGES_LIMIT = 50;
/** A token is good for about an hour; asking for one takes a second. */
const TOKEN_MS = 600_000;
const SIGN_IN_MS = 60_000;

/** Said of an endpoint, these are about its workspace, and the next list tells whether that is gone. */
const WORKSPACE_MISSING = /^(ParentResourceNotFound|WorkspaceNotFound)$/;

const run = promisify(execFile);
const { env } = process;

/** ARM's address. A test names one on this machine, and only such a one is taken, so that no token goes astray. */
const arm = env.ARM_ENDPOINT ?? 'https://management.azure.com';
const isLocal = /^http:\/\/127\.0\.0\.1:\d+$/.test(arm);

process.exitCode = await main().catch((error) => {
  console.error(error.message);
  return 1;
});

async function main() {
  const owner = env.FOUNDRY_BENCH_INSTALLATION;
  if (!owner) {
    console.log('This environment was never provisioned, so there is no endpoint to delete.');
    return 0;
  }
  if (arm !== 'https://management.azure.com' && !isLocal)
    throw new Error('ARM_ENDPOINT may only name an http address on 127.0.0.1 here.');
  const workspaces = readWorkspaces(env.FOUNDRY_BENCH_WORKSPACES ?? '');
  await stopApp();
  const left = await deleteAll(owner, workspaces);
  if (left.length === 0) {
    console.log('No endpoint of this installation is left.');
    return 0;
  }
  console.error(
    'Not deleting the app, because something is left that costs money, or could not be looked at:',
  );
  for (const line of left) console.error(`  ${line}`);
  console.error('Run `azd down` again, or delete it by hand: az ml online-endpoint delete --name NAME.');
  return 1;
}

/** `name=subscription/resource group/workspace;...`, as main.bicep gives them back. */
function readWorkspaces(text) {
  const workspaces = text
    .split(';')
    .filter((entry) => entry !== '')
    .map((entry) => /^[^=]+=([0-9a-fA-F-]{36})\/([^/]+)\/([^/]+)$/.exec(entry));
  if (workspaces.length === 0 || workspaces.includes(null))
    throw new Error('FOUNDRY_BENCH_WORKSPACES cannot be read; run `azd provision`, which writes it.');
  return workspaces.map(([, subscription, group, name]) => ({
    name,
    path: `/subscriptions/${subscription}/resourceGroups/${encodeURIComponent(group)}/providers/Microsoft.MachineLearningServices/workspaces/${encodeURIComponent(name)}`,
  }));
}

/** A run that is alive would create an endpoint behind our back. The watchdog goes on until the group is deleted. */
async function stopApp() {
  const { AZURE_SUBSCRIPTION_ID: subscription, AZURE_RESOURCE_GROUP: group, SERVICE_APP_NAME: app } = env;
  if (!subscription || !group || !app) return;
  const { status } = await call(
    'POST',
    `/subscriptions/${subscription}/resourceGroups/${encodeURIComponent(group)}/providers/Microsoft.Web/sites/${encodeURIComponent(app)}/stop?api-version=${WEB_API}`,
  );
  if (status < 300) console.log(`Stopped the app ${app}; \`az functionapp start\` brings it back.`);
  else if (status !== 404)
    console.error(`The app ${app} could not be stopped (${status}); a run that is alive may still deploy.`);
}

/** Deletes and waits; gives a line for each thing that is left. */
async function deleteAll(owner, workspaces) {
  const waitMs = Number(env.FOUNDRY_BENCH_REAP_SECONDS ?? DEFAULT_WAIT_SECONDS) * 1_000;
  const deadlineMs = performance.now() + waitMs;
  /** What a list has ever shown, until GET says 404: a list may be behind. */
  const alive = new Map();
  for (;;) {
    const troubles = [];
    for (const workspace of workspaces) {
      try {
        const names = await listOurs(workspace, owner);
        if (names === null) {
          for (const path of alive.keys()) if (path.startsWith(`${workspace.path}/`)) alive.delete(path);
        } else {
          for (const name of names) alive.set(`${workspace.path}/onlineEndpoints/${name}`, name);
        }
      } catch (error) {
        troubles.push(`workspace ${workspace.name}: ${error.message}`);
      }
    }
    const refusals = [];
    for (const [path, name] of alive) {
      const refusal = await deleteOne(path, name, owner);
      if (refusal === 'gone') alive.delete(path);
      else if (refusal !== null) refusals.push(refusal);
    }
    const left = [...troubles, ...refusals, ...[...alive.values()].map((name) => `endpoint ${name}`)];
    if (left.length === 0 || performance.now() > deadlineMs) return [...new Set(left)];
    await wait(isLocal ? 100 : POLL_MS);
  }
}

/** `gone`, null where the deletion is under way, or why it was refused. */
async function deleteOne(path, name, owner) {
  const found = await call('GET', `${path}?api-version=${ML_API}`);
  if (found.status === 404 && !WORKSPACE_MISSING.test(codeOf(found)) && !isAboveMissing(found)) {
    console.log(`The endpoint ${name} is gone.`);
    return 'gone';
  }
  if (found.status !== 200)
    return `endpoint ${name}: ARM answered ${found.status} ${codeOf(found)}`.trimEnd();
  // Between the list and this call a name may have changed hands.
  if (!isOurs(found.body, owner)) return 'gone';
  if (found.body.properties?.provisioningState === 'Deleting') return null;
  const { status } = await call('DELETE', `${path}?api-version=${ML_API}`);
  if (status < 300) console.log(`The endpoint ${name} is being deleted.`);
  return status < 300 || status === 404 ? null : `endpoint ${name}: the deletion was refused with ${status}`;
}

/** Null where the workspace is gone, and its endpoints with it. */
async function listOurs(workspace, owner) {
  const names = [];
  let address = `${workspace.path}/onlineEndpoints?api-version=${ML_API}`;
  for (let page = 0; page < PAGES_LIMIT; page += 1) {
    const answer = await call('GET', address);
    const { status, body } = answer;
    if (isAboveMissing(answer))
      throw new Error(
        `ARM answered 404 ${codeOf(answer)}, which says nothing of its endpoints: sign in to the right tenant and subscription; what was deleted on purpose is taken out with \`azd env set FOUNDRY_BENCH_WORKSPACES\``,
      );
    if (status === 404) {
      console.log(`The workspace ${workspace.name} does not exist any more, and its endpoints with it.`);
      return null;
    }
    if (status !== 200)
      throw new Error(`ARM answered ${status}: ${body?.error?.message ?? 'no reason given'}`);
    names.push(...body.value.filter((endpoint) => isOurs(endpoint, owner)).map(({ name }) => name));
    if (!body.nextLink) return names;
    const next = new URL(body.nextLink);
    if (next.origin !== new URL(arm).origin) throw new Error('ARM points to another host for its next page.');
    address = next.pathname + next.search;
  }
  throw new Error(`it lists more than ${PAGES_LIMIT} pages of endpoints, which cannot be`);
}

/**
 * A 404 for what stands above the workspace, or one without a code, which ARM never sends: it was asked in the wrong
 * place, or somebody else answered. What the workspace holds is not known then. The app tells the same by
 * `isParentMissing` in src/azure/arm-error.ts.
 */
function isAboveMissing(answer) {
  return (
    answer.status === 404 &&
    /^(|SubscriptionNotFound|ResourceGroupNotFound|InvalidResourceNamespace)$/.test(codeOf(answer))
  );
}

function codeOf({ body }) {
  return body?.error?.code ?? '';
}

function isOurs({ tags }, owner) {
  return tags?.[TOOL_TAG[0]] === TOOL_TAG[1] && tags[OWNER_TAG] === owner;
}

async function call(method, address) {
  const answer = await fetch(arm + address, {
    method,
    redirect: 'error',
    headers: { authorization: `Bearer ${await token()}` },
    signal: AbortSignal.timeout(CALL_MS),
  });
  const text = await answer.text();
  let body = null;
  try {
    body = JSON.parse(text);
  } catch {
    // A deletion answers with nothing.
  }
  return { status: answer.status, body };
}

let cached = { value: '', untilMs: 0 };

async function token() {
  if (isLocal) return 'local';
  if (performance.now() > cached.untilMs)
    cached = { value: await signIn(), untilMs: performance.now() + TOKEN_MS };
  return cached.value;
}

/** A token for ARM of whoever is signed in with azd, otherwise with az. */
async function signIn() {
  const ways = [
    [
      'azd',
      ['auth', 'token', '--output', 'json', '--scope', 'https://management.azure.com/.default'],
      'token',
    ],
    [
      'az',
      ['account', 'get-access-token', '--output', 'json', '--resource', 'https://management.azure.com'],
      'accessToken',
    ],
  ];
  for (const [command, args, field] of ways) {
    try {
      // On Windows az is a batch file, which only a shell starts; the arguments are ours alone.
      const { stdout } = await run(command, args, {
        timeout: SIGN_IN_MS,
        shell: process.platform === 'win32',
      });
      const value = JSON.parse(stdout)[field];
      if (typeof value === 'string' && value !== '') return value;
    } catch {
      // The next way is tried; what went wrong may hold a token and is not shown.
    }
  }
  throw new Error('Nobody is signed in; run `azd auth login` or `az login`, then `azd down` again.');
}
