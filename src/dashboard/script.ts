/**
 * The page's script, as the text that the browser runs. It is plain JavaScript and holds neither a backtick nor a
 * placeholder. Everything that comes from the API reaches the document as a text node or as the value of a `data` or
 * `time` element; nothing is ever parsed as markup.
 */
import { REQUEST_FAILURES } from '../core/failure.ts';
import { LEAST_SAMPLES } from '../core/report.ts';
import { RUN_STATES } from '../core/run.ts';

/** What the script knows of the core, so that it is said once. */
const CONSTANTS = `
const RUN_STATES = ${JSON.stringify(RUN_STATES)};
const LEAST_SAMPLES = ${JSON.stringify(LEAST_SAMPLES)};
const REQUEST_FAILURES = ${JSON.stringify(REQUEST_FAILURES)};
`;

const PROGRAM = String.raw`
const FINAL_STATES = ['completed', 'failed', 'canceled'];
const STAGES = RUN_STATES.filter((state) => !FINAL_STATES.includes(state)).concat('completed');
const RUN_POLL_MS = 2000; // As often as the steps of a run write their progress.
const LIST_POLL_MS = 5000;
const IDLE_POLL_MS = 30000; // Nothing is alive: only a run that somebody else starts can change the list.
const CALL_TIMEOUT_MS = 30000; // The longest answer is a list of 50 runs.
const RUNS_PER_PAGE = 50;
const KEY_NAME = 'foundry-bench-key';
const NONE = '–';

// ---- The document --------------------------------------------------------------------------------------------------

const byId = (id) => document.getElementById(id);

/** An element with attributes and children; text stays text. */
function element(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name === 'onclick') made.addEventListener('click', value);
    else if (value === true) made.setAttribute(name, '');
    else if (value !== false && value !== null) made.setAttribute(name, String(value));
  }
  made.append(...children.filter((child) => child !== null).map((child) => (child instanceof Node ? child : String(child))));
  return made;
}

const lastShown = new WeakMap();

/**
 * Replaces what a place shows, unless it shows the same already: focus, selection, scrolling and opened details stay.
 * It is compared with what was shown last, not with the document, which the reader changes too.
 */
function show(place, ...children) {
  const next = element('div', null, ...children);
  const last = lastShown.get(place);
  if (last !== undefined && next.isEqualNode(last)) return;
  lastShown.set(place, next.cloneNode(true));
  const focused = document.activeElement !== null && place.contains(document.activeElement) ? document.activeElement.getAttribute('data-focus') : null;
  const scrolled = place.querySelector('.scroll');
  const left = scrolled === null ? 0 : scrolled.scrollLeft;
  place.replaceChildren(...next.childNodes);
  const scroller = place.querySelector('.scroll');
  if (scroller !== null) scroller.scrollLeft = left;
  if (focused === null) return;
  const again = [...place.querySelectorAll('[data-focus]')].find((candidate) => candidate.getAttribute('data-focus') === focused);
  if (again !== undefined) again.focus();
}

function banner(place, text) {
  place.hidden = text === null;
  if (text !== null) show(place, text);
}

function notice(problem) {
  const place = byId('notice');
  place.hidden = problem === null;
  if (problem === null) return;
  const faults = (problem.faults || []).map((fault) => element('li', null, fault.path + ' ' + fault.message));
  show(
    place,
    problem.message,
    faults.length === 0 ? null : element('ul', null, ...faults),
    problem.needsKey ? element('button', { type: 'button', onclick: () => refresh() }, 'Enter the key') : null,
  );
}

// ---- The API -------------------------------------------------------------------------------------------------------

let functionKey = sessionStorage.getItem(KEY_NAME);
let keyQuestion = null;

/**
 * The answer of the API; throws an Error with status and faults where it is a problem. A 401 asks for the key, and each
 * further turn needs a further key from the reader.
 */
async function call(path, options) {
  for (;;) {
    const usedKey = functionKey;
    const headers = usedKey === null ? {} : { 'x-functions-key': usedKey };
    let response;
    try {
      response = await fetch(path, { ...options, headers, cache: 'no-store', signal: AbortSignal.timeout(CALL_TIMEOUT_MS) });
    } catch (cause) {
      throw new Error('The host does not answer. What stands here is its last answer; the page keeps trying.', { cause });
    }
    if (response.ok) return response;
    if (response.status !== 401) throw await problemOf(response);
    if (functionKey !== usedKey) continue; // Another call has asked meanwhile.
    keyQuestion = keyQuestion || askForKey(usedKey !== null).finally(() => { keyQuestion = null; });
    if (!(await keyQuestion)) throw Object.assign(new Error('Without its function key this host shows nothing.'), { needsKey: true });
  }
}

async function problemOf(response) {
  let problem = {};
  try {
    problem = await response.json();
  } catch {
    // Not every proxy in between speaks JSON; the status says enough.
  }
  const message = problem.detail || problem.title || 'The host answered with status ' + response.status + '.';
  return Object.assign(new Error(message), { status: response.status, faults: problem.faults });
}

const read = async (path) => (await call(path)).json();

/** Asks once for the key and keeps it for this tab. False where the reader does not give one. */
async function askForKey(wasRefused) {
  byId('key-refused').hidden = !wasRefused;
  byId('key-input').value = '';
  const given = await answerOf(byId('key-dialog'));
  const key = byId('key-input').value.trim();
  byId('key-input').value = '';
  if (given !== 'use' || key === '') return false;
  functionKey = key;
  sessionStorage.setItem(KEY_NAME, key);
  return true;
}

/** The value of the button that closed a dialog; empty where it was dismissed. */
function answerOf(dialog) {
  dialog.returnValue = '';
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener('close', () => resolve(dialog.returnValue), { once: true }));
}

async function confirmed(title, text, yes) {
  byId('confirm-title').textContent = title;
  byId('confirm-text').textContent = text;
  byId('confirm-yes').textContent = yes;
  return (await answerOf(byId('confirm-dialog'))) === 'yes';
}

// ---- Values as text ------------------------------------------------------------------------------------------------

const digits = (value, significant) =>
  value.toLocaleString('en-US', { minimumSignificantDigits: significant, maximumSignificantDigits: significant });

/** A table cell with a number: what is shown is rounded, its value is exact. */
function numberCell(value, significant, instead) {
  const shown = value === null ? instead || NONE : element('data', { value }, digits(value, significant));
  return element('td', { class: 'number' }, shown);
}

function countCell(count, className) {
  return element('td', { class: 'number ' + (className || '') }, element('data', { value: count }, count.toLocaleString('en-US')));
}

/** A percentile, or the least number of samples that it would need. */
function percentileCell(quantiles, name) {
  const tooFew = quantiles.count > 0 && quantiles[name] === null;
  return numberCell(quantiles[name], 4, tooFew ? 'n<' + LEAST_SAMPLES[name] : NONE);
}

const dollars = (usd) => (usd === null ? 'unknown' : '$' + usd.toFixed(2));
const costOf = (cost) => dollars(cost.accruedUsd) + (cost.boundUsd === null ? '' : ' of at most ' + dollars(cost.boundUsd));

function timeOf(iso) {
  if (iso === null) return NONE;
  return element('time', { datetime: iso, title: iso }, new Date(iso).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' }));
}

function durationOf(seconds) {
  if (seconds < 90) return Math.round(seconds) + ' s';
  return seconds < 5400 ? Math.round(seconds / 60) + ' min' : (seconds / 3600).toFixed(1) + ' h';
}

const modelOf = (run) => (run.spec.model === null ? 'an existing endpoint' : run.spec.model.name + (run.spec.model.version ? ' version ' + run.spec.model.version : ''));
const badge = (name, text) => element('span', { class: 'badge ' + name }, text || name);
const isFinal = (state) => FINAL_STATES.includes(state);

/** As read back from ARM where the endpoint is known, otherwise as asked for. */
function machineOf(run) {
  const sku = (run.endpoint && run.endpoint.sku) || run.spec.target.sku;
  const instances = (run.endpoint && run.endpoint.instances) || run.spec.target.instances;
  if (sku === null) return run.spec.target.scoringUri || 'unknown SKU';
  return instances === null || instances === 1 ? sku : instances + ' x ' + sku;
}

const isSimulated = (run) => run.endpoint !== null && run.endpoint.simulated;

function headCell(title, unit, numeric) {
  return element('th', { scope: 'col', class: numeric ? 'number' : false }, title, unit === null ? null : element('small', null, unit));
}

/** A table in a region that scrolls sideways by itself, by keyboard too. */
function table(name, className, head, rows) {
  return element(
    'div',
    { class: 'scroll', role: 'region', 'aria-label': name, tabindex: 0 },
    element('table', { class: className }, element('caption', null, name), element('thead', null, element('tr', null, ...head)), element('tbody', null, ...rows)),
  );
}

// ---- All runs ------------------------------------------------------------------------------------------------------

function listView() {
  const title = element('h2', { tabindex: -1 }, 'Runs');
  const runsPlace = element('div', null, element('p', { class: 'quiet' }, 'Loading.'));
  const olderPlace = element('div');
  const endpointsPlace = element('div', null, element('p', { class: 'quiet' }, 'Loading.'));
  const known = new Map();
  let older = null; // The continuation of the oldest page that was read; null where there is no further one.
  let wasRead = false;
  let isBusy = true;

  async function readOlder() {
    try {
      const page = await read('/api/runs?limit=' + RUNS_PER_PAGE + '&continuation=' + encodeURIComponent(older));
      for (const run of page.runs) known.set(run.id, run);
      older = page.continuation;
      await refresh();
    } catch (problem) {
      notice(problem);
    }
  }

  return {
    title: 'Runs',
    nodes: [title, runsPlace, olderPlace, element('h2', null, 'Endpoints alive now'), endpointsPlace],
    async refresh() {
      const [page, alive] = await Promise.all([read('/api/runs?limit=' + RUNS_PER_PAGE), read('/api/endpoints')]);
      for (const run of page.runs) known.set(run.id, run);
      if (!wasRead) older = page.continuation;
      wasRead = true;
      // The id of a newer run sorts first.
      const runs = [...known.values()].sort((one, other) => (one.id < other.id ? -1 : 1));
      isBusy = alive.endpoints.length > 0 || runs.some((run) => !isFinal(run.state));
      show(runsPlace, runs.length === 0 ? noRunYet() : runsTable(runs, alive.endpoints));
      show(olderPlace, ...(older === null ? [] : [element('p', { class: 'actions' }, element('button', { type: 'button', 'data-focus': 'older', onclick: readOlder }, 'Show older runs'))]));
      show(endpointsPlace, endpointsOf(alive.endpoints, true));
    },
    pollMs: () => (isBusy ? LIST_POLL_MS : IDLE_POLL_MS),
  };
}

function runsTable(runs, endpoints) {
  const head = [
    headCell('Run', 'model, SKU', false),
    headCell('State', null, false),
    headCell('Cells', 'done of planned', true),
    headCell('Cost', 'so far', true),
    headCell('Created', null, false),
    headCell('Endpoint', null, false),
  ];
  const rows = runs.map((run) => {
    const alive = endpoints.filter((endpoint) => endpoint.runId === run.id);
    return element(
      'tr',
      null,
      element('th', { scope: 'row' }, element('a', { href: '#/runs/' + encodeURIComponent(run.id), 'data-focus': run.id }, modelOf(run)), element('small', null, machineOf(run))),
      element('td', null, badge(run.state), ' ', isSimulated(run) ? badge('simulated') : null),
      element('td', { class: 'number' }, run.progress.cellsDone + ' of ' + run.progress.cellsPlanned),
      element('td', { class: 'number' }, dollars(run.cost.accruedUsd), element('small', null, run.cost.boundUsd === null ? 'no bound known' : 'of ' + dollars(run.cost.boundUsd))),
      element('td', null, timeOf(run.createdAt)),
      element('td', null, alive.length > 0 ? alive.map((endpoint) => endpoint.name).join(', ') : isFinal(run.state) ? 'none left' : NONE),
    );
  });
  return table('Runs, newest first', 'runs', head, rows);
}

function noRunYet() {
  const body = JSON.stringify({ model: { name: 'Phi-4', version: '7' }, target: { kind: 'managed', sku: 'Standard_NC24ads_A100_v4' } });
  const key = functionKey === null ? '' : " -H 'x-functions-key: <key>'";
  return element(
    'div',
    { class: 'empty' },
    element('p', null, 'No run yet. This command starts one, with defaults for everything that it does not name:'),
    element('pre', null, 'curl -X POST ' + location.origin + '/api/runs' + key + " -H 'content-type: application/json' -d '" + body + "'"),
    element('p', { class: 'quiet' }, 'The same body to /api/plans tells first how long it can take and what it can cost.'),
  );
}

// ---- Endpoints -----------------------------------------------------------------------------------------------------

function endpointsOf(endpoints, withRun) {
  if (endpoints.length === 0) return element('p', { class: 'empty' }, 'None. This installation keeps nothing alive that costs money.');
  const head = [
    headCell('Endpoint', null, false),
    headCell('Clean-up', null, false),
    headCell('Cost', 'so far', true),
    headCell('SKU', null, false),
    headCell('Alive since', null, false),
    headCell('Deleted at the latest', null, false),
    withRun ? headCell('Run', null, false) : null,
  ].filter((cell) => cell !== null);
  const rows = endpoints.map((endpoint) =>
    element(
      'tr',
      null,
      element('th', { scope: 'row' }, endpoint.name, element('small', null, 'workspace ' + endpoint.workspace)),
      element('td', null, ...cleanUpOf(endpoint)),
      element('td', { class: 'number' }, dollars(endpoint.costUsd)),
      element('td', null, endpoint.instances + ' x ' + endpoint.sku),
      element('td', null, timeOf(endpoint.createdAt)),
      element('td', null, timeOf(endpoint.expiresAt)),
      withRun ? element('td', { class: 'nowrap' }, element('a', { href: '#/runs/' + encodeURIComponent(endpoint.runId), 'data-focus': 'run of ' + endpoint.name }, 'its run')) : null,
    ),
  );
  return table('Endpoints alive now', 'endpoints', head, rows);
}

function cleanUpOf(endpoint) {
  if (!endpoint.leaked) return ['by its run'];
  return [
    badge('leaked'),
    endpoint.releaseError === null ? null : element('small', null, endpoint.releaseError),
    element('p', { class: 'actions' }, element('button', { type: 'button', class: 'danger', 'data-focus': 'delete ' + endpoint.name, onclick: () => deleteEndpoint(endpoint) }, 'Delete')),
  ];
}

async function deleteEndpoint(endpoint) {
  const text = endpoint.name + ' in workspace ' + endpoint.workspace + ' is deleted with everything deployed on it.';
  if (!(await confirmed('Delete this endpoint?', text, 'Delete it'))) return;
  await act(() => call('/api/endpoints/' + encodeURIComponent(endpoint.name), { method: 'DELETE' }));
}

// ---- One run -------------------------------------------------------------------------------------------------------

function runView(id) {
  const path = '/api/runs/' + encodeURIComponent(id);
  const title = element('h2', { tabindex: -1 }, 'Run');
  const statePlace = element('div', null, element('p', { class: 'quiet' }, 'Loading.'));
  const progressPlace = element('div');
  const livePlace = element('p', { class: 'progress-text', role: 'status' });
  const etaPlace = element('p', { class: 'quiet' });
  const actionsPlace = element('div');
  const factsPlace = element('div');
  const resultsPlace = element('div');
  const morePlace = element('div');
  let resultsOf = ''; // The progress for which the results were read, so that they are read again only when there are more.
  let pollMs = RUN_POLL_MS;

  async function refreshResults(run) {
    const progress = run.state + ' ' + run.progress.cellsDone;
    if (progress === resultsOf) return;
    let report = null;
    try {
      report = await read(path + '/results');
    } catch (problem) {
      if (problem.status !== 404 && problem.status !== 409) throw problem;
    }
    resultsOf = progress;
    show(resultsPlace, element('h3', null, 'Results'), ...resultsNodes(run, report));
  }

  return {
    title: 'Run',
    nodes: [element('p', { class: 'back' }, element('a', { href: '#/' }, 'All runs')), title, statePlace, progressPlace, livePlace, etaPlace, actionsPlace, factsPlace, resultsPlace, morePlace],
    async refresh() {
      let run;
      try {
        run = await read(path);
      } catch (problem) {
        if (problem.status !== 404) throw problem;
        pollMs = null;
        show(statePlace, element('p', { class: 'empty' }, 'There is no run ' + id + '.'));
        return;
      }
      const { endpoints } = await read('/api/endpoints');
      const alive = endpoints.filter((endpoint) => endpoint.runId === run.id);
      if (title.textContent !== modelOf(run)) title.textContent = modelOf(run);
      document.title = run.state + ': ' + modelOf(run) + ' - foundry-bench';
      show(statePlace, ...stateNodes(run));
      show(progressPlace, ...progressNodes(run));
      const sentence = progressSentence(run);
      if (livePlace.textContent !== sentence) livePlace.textContent = sentence;
      etaPlace.textContent = isFinal(run.state) || run.progress.etaSeconds === null ? '' : 'About ' + durationOf(run.progress.etaSeconds) + ' left to measure.';
      show(actionsPlace, actionsOf(run, path));
      show(factsPlace, ...factsNodes(run, alive));
      show(morePlace, ...moreNodes(run, alive));
      pollMs = isFinal(run.state) ? null : RUN_POLL_MS;
      await refreshResults(run);
    },
    pollMs: () => pollMs,
  };
}

function stateNodes(run) {
  const nodes = [element('p', null, badge(run.state), ' ', isSimulated(run) ? badge('simulated') : null, ' ', element('code', null, machineOf(run)))];
  if (run.failure !== null) nodes.push(element('p', { class: 'banner problem', role: 'alert' }, run.failure.message + ' (' + run.failure.code + ')'));
  if (run.stoppedBy !== null) nodes.push(element('p', { class: 'banner' }, 'Measuring stopped early. ' + run.stoppedBy));
  return nodes;
}

function progressNodes(run) {
  const { cellsDone, cellsPlanned } = run.progress;
  const nodes = [];
  if (!isFinal(run.state)) {
    const stages = STAGES.filter((stage) => run.spec.target.kind === 'managed' || stage === run.state || !['provisioning', 'releasing'].includes(stage));
    nodes.push(element('ol', { class: 'stages', 'aria-label': 'Stages of the run' }, ...stages.map((stage) => element('li', { 'aria-current': stage === run.state ? 'step' : false }, stage))));
  }
  nodes.push(element('progress', { max: Math.max(1, cellsPlanned), value: cellsDone, 'aria-label': 'Cells measured' }));
  return nodes;
}

function progressSentence(run) {
  const { cellsDone, cellsPlanned, current } = run.progress;
  const cells = cellsDone + ' of ' + cellsPlanned + ' measurements done';
  if (isFinal(run.state)) return cells + '.';
  if (run.cancelRequestedAt !== null) return cells + '. A cancel was asked for; the endpoint is being deleted.';
  if (run.state === 'measuring') return cells + (current === null ? '.' : ', now ' + current + '.');
  if (run.state === 'provisioning' && run.endpoint !== null && run.endpoint.provisioningState !== null) return 'Azure ML says: ' + run.endpoint.provisioningState + '.';
  return cells + '.';
}

function actionsOf(run, path) {
  const buttons = [];
  if (!isFinal(run.state)) {
    const asked = run.cancelRequestedAt !== null;
    buttons.push(element('button', { type: 'button', class: 'danger', 'data-focus': 'cancel', disabled: asked, onclick: () => cancelRun(path) }, asked ? 'Cancel asked for' : 'Cancel the run'));
  }
  if (run.progress.cellsDone > 0) {
    for (const [format, name] of [['csv', 'CSV'], ['md', 'Markdown']]) {
      buttons.push(element('button', { type: 'button', 'data-focus': format, onclick: () => act(() => download(path, run.id, format)) }, 'Download ' + name));
    }
  }
  return element('p', { class: 'actions' }, ...buttons);
}

async function cancelRun(path) {
  const text = 'The load stops, the endpoint is deleted, and what was measured is kept.';
  if (!(await confirmed('Cancel this run?', text, 'Cancel the run'))) return;
  await act(() => call(path + '/cancel', { method: 'POST' }));
}

/** A link could not carry the key, so the file is fetched and handed to the browser. */
async function download(path, id, format) {
  const response = await call(path + '/results?format=' + format);
  const url = URL.createObjectURL(await response.blob());
  element('a', { href: url, download: 'foundry-bench-' + id + '.' + format }).click();
  URL.revokeObjectURL(url);
}

async function act(action) {
  try {
    await action();
    await refresh();
  } catch (problem) {
    notice(problem);
  }
}

function factsNodes(run, alive) {
  const { endpoint, cost, spec, plan } = run;
  const facts = [
    ['Cost so far', costOf(cost) + (cost.pricePerHourUsd === null ? '. ' + (cost.priceReason || '') : ', at ' + dollars(cost.pricePerHourUsd) + ' per hour and instance')],
    ['Time at the most', durationOf(cost.boundMinutes * 60)],
    ['Created', timeOf(run.createdAt)],
    ['Started', timeOf(run.startedAt)],
    ['Ended', timeOf(run.endedAt)],
  ];
  if (endpoint !== null) {
    facts.push(['Endpoint', endpoint.name + (endpoint.deployment === null ? '' : ', deployment ' + endpoint.deployment) + (endpoint.region === null ? '' : ', ' + endpoint.region)]);
    if (endpoint.scoringUri !== null) facts.push(['Scoring URI', element('code', null, endpoint.scoringUri)]);
    if (endpoint.route !== null) facts.push(['Route', endpoint.route]);
  }
  facts.push(['Alive now', alive.length === 0 ? 'nothing' : element('span', null, ...alive.flatMap((one) => [one.name + ', deleted at the latest ', timeOf(one.expiresAt), one.leaked ? badge('leaked') : null, ' ']))]);
  if (spec.target.kind === 'managed') {
    facts.push(['Settings', plan.maxConcurrentRequestsPerInstance + ' concurrent requests per instance, request timeout ' + plan.requestTimeoutSeconds + ' s, isolation ' + spec.isolation]);
  }
  facts.push(['Id', element('code', null, run.id)]);
  const leaked = alive.filter((one) => one.leaked);
  return [
    element('dl', null, ...facts.flatMap(([name, value]) => [element('dt', null, name), element('dd', null, value)])),
    leaked.length === 0 ? null : endpointsOf(leaked, false),
  ];
}

function moreNodes(run, alive) {
  const nodes = [];
  if (run.plan.warnings.length > 0) {
    nodes.push(element('details', null, element('summary', null, 'Warnings of the plan: ' + run.plan.warnings.length), element('ul', null, ...run.plan.warnings.map((text) => element('li', null, text)))));
  }
  if (run.endpoint !== null && run.endpoint.sampleCurl !== null && alive.length > 0) {
    nodes.push(element('details', null, element('summary', null, 'Ask the endpoint yourself'), element('pre', null, run.endpoint.sampleCurl)));
  }
  nodes.push(element('details', null, element('summary', null, 'Spec, with every default'), element('pre', null, JSON.stringify(run.spec, null, 2))));
  return nodes;
}

// ---- Results -------------------------------------------------------------------------------------------------------

function resultsNodes(run, report) {
  if (report === null || report.rows.length === 0) {
    return [element('p', { class: 'empty' }, isFinal(run.state) ? 'Nothing was measured.' : 'No cell is finished yet.')];
  }
  const nodes = [];
  if (report.simulated) nodes.push(element('p', { class: 'banner simulated' }, 'SIMULATED. A model of a GPU answered; the numbers say nothing about a real SKU.'));
  if (report.partial) nodes.push(element('p', { class: 'quiet' }, 'So far: cells and repeats are still to come.'));
  nodes.push(bestSentence(report), cellsTable(report), element('p', { class: 'quiet' }, footnote(report)), ...failureNodes(report.rows));
  nodes.push(element('ul', { class: 'quiet' }, ...[...report.findings.sentences, ...report.notes].map((text) => element('li', null, text))));
  return nodes;
}

function bestSentence(report) {
  if (report.best === null) return element('p', null, 'No request succeeded.');
  return element('p', null, 'Best throughput: ', element('strong', null, digits(report.best.outputTokensPerSecond, 4) + ' output tokens per second'), ' in cell ', element('code', null, report.best.cellId), '.');
}

function footnote(report) {
  const steady = report.rows.every((row) => row.steady || row.outputTokensPerSecond === null) ? '' : ' * over the whole measurement, without a steady window.';
  return NONE + ' no such value exists. n<' + LEAST_SAMPLES.p95 + ', n<' + LEAST_SAMPLES.p99 + ': too few samples for that percentile.' + steady;
}

function cellsTable(report) {
  const head = [
    headCell('Conc.', 'requests', true),
    headCell('Prompt', 'tokens', true),
    headCell('Output', 'tokens', true),
    headCell('Throughput', 'output tok/s', true),
    headCell('Failed', 'requests', true),
    headCell('Good', 'requests', true),
    headCell('Rate', 'requests/s', true),
    headCell('TTFT p50', 'ms', true),
    headCell('TTFT p95', 'ms', true),
    headCell('TPOT p50', 'ms', true),
    headCell('E2E p50', 'ms', true),
    headCell('E2E p95', 'ms', true),
    headCell('E2E p99', 'ms', true),
    headCell('Cost', 'USD per million output tok', true),
    headCell('Repeats', null, true),
  ];
  return table('Cells, by workload and concurrency', 'results', head, report.rows.map((row, index) => cellRow(row, report, report.rows[index - 1])));
}

function cellRow(row, report, above) {
  const throughput = numberCell(row.outputTokensPerSecond, 4);
  if (!row.steady && row.outputTokensPerSecond !== null) throughput.append(' *');
  const isBest = report.best !== null && report.best.cellId === row.cellId;
  const isNewWorkload = above !== undefined && (above.workload.promptTokens !== row.workload.promptTokens || above.workload.outputTokens !== row.workload.outputTokens);
  return element(
    'tr',
    { class: (isBest ? 'best ' : '') + (isNewWorkload ? 'new-workload' : '') },
    element('th', { scope: 'row', class: 'number' }, element('data', { value: row.level }, row.level)),
    countCell(row.workload.promptTokens),
    countCell(row.workload.outputTokens),
    throughput,
    countCell(row.failed, row.failed > 0 ? 'problem-text' : ''),
    countCell(row.succeeded),
    numberCell(row.requestsPerSecond, 3),
    numberCell(row.ttftMs.p50, 4, row.ttftReason),
    percentileCell(row.ttftMs, 'p95'),
    numberCell(row.tpotMs.p50, 3),
    numberCell(row.e2eMs.p50, 4),
    percentileCell(row.e2eMs, 'p95'),
    percentileCell(row.e2eMs, 'p99'),
    numberCell(row.usdPerMillionOutputTokens, 4),
    row.notMeasuredReason === null ? countCell(row.repeats) : element('td', { class: 'number' }, element('data', { value: row.repeats }, row.repeats), element('small', { class: 'reason' }, row.notMeasuredReason)),
  );
}

/** Each class of failure over all cells, with its meaning and the first words of one. */
function failureNodes(rows) {
  const classes = new Map();
  for (const row of rows) {
    for (const [name, count] of Object.entries(row.failures)) {
      const known = classes.get(name) || { count: 0, example: null };
      classes.set(name, { count: known.count + count, example: known.example || row.failureExamples[name] || null });
    }
  }
  if (classes.size === 0) return [];
  const items = [...classes].sort(([, one], [, other]) => other.count - one.count).map(([name, { count, example }]) =>
    element('li', null, element('strong', null, count + ' x ' + name), ' ', Object.hasOwn(REQUEST_FAILURES, name) ? REQUEST_FAILURES[name] : '', example === null ? null : element('small', null, ' Example: ', element('code', null, example))),
  );
  return [element('h3', null, 'Failed requests'), element('ul', null, ...items)];
}

// ---- Which view, and when it is read again ---------------------------------------------------------------------------

let view = null;
let timer = 0;
let turn = 0; // Counts refreshes, so that only the latest one sets the next.
let healthReadAt = 0;

async function refreshHealth() {
  if (Date.now() - healthReadAt < IDLE_POLL_MS) return;
  const health = await read('/api/health');
  healthReadAt = Date.now();
  byId('health').textContent = 'version ' + health.version;
  const speed = health.simulatorGpuSpeed === null || health.simulatorGpuSpeed === 1 ? '' : ' at ' + health.simulatorGpuSpeed + ' times the speed of the GPU it models';
  banner(byId('simulated'), health.simulated ? 'SIMULATED: this host talks to a simulator' + speed + ', not to Azure. Nothing here is a measurement of a real GPU.' : null);
  banner(byId('degraded'), health.degraded.length === 0 ? null : 'Degraded: ' + health.degraded.join(' '));
}

async function refresh() {
  clearTimeout(timer);
  turn += 1;
  const mine = turn;
  let problem = null;
  try {
    await refreshHealth();
    await view.refresh();
  } catch (thrown) {
    problem = thrown;
  }
  if (mine !== turn) return;
  notice(problem);
  const waitMs = problem === null ? view.pollMs() : LIST_POLL_MS;
  if (waitMs === null || document.hidden || (problem !== null && problem.needsKey)) return;
  timer = setTimeout(refresh, waitMs);
}

function route() {
  const isFirst = view === null;
  const run = /^#\/runs\/([^/]+)$/.exec(location.hash);
  view = run === null ? listView() : runView(decode(run[1]));
  document.title = view.title + ' - foundry-bench';
  byId('main').replaceChildren(...view.nodes);
  if (!isFirst) {
    scrollTo(0, 0);
    byId('main').querySelector('h2').focus();
  }
  refresh();
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

addEventListener('hashchange', route);
document.addEventListener('visibilitychange', () => {
  if (document.hidden) clearTimeout(timer);
  else refresh();
});
route();
`;

export const SCRIPT = CONSTANTS + PROGRAM;
