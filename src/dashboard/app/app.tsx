/** The whole page: what host this is, which view is shown, and the questions that views ask. */
import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { createApi } from './api.ts';
import { ComparisonPage } from './comparison-page.tsx';
import { Comparisons } from './comparisons.tsx';
import type { EndpointView } from './endpoints.tsx';
import { Overview } from './overview.tsx';
import { usePolled } from './poll.ts';
import { createQuestions, QuestionDialog } from './questions.tsx';
import { RunPage } from './run-view.tsx';
import { SchedulePage } from './schedule-page.tsx';
import { Schedules } from './schedules.tsx';
import { StartComparison } from './start-comparison.tsx';
import { StartRun } from './start-run.tsx';

/** What `GET /api/health` answers. */
interface Health {
  readonly version: string;
  readonly simulated: boolean;
  readonly simulatorGpuSpeed: number | null;
  readonly degraded: readonly string[];
}

const HEALTH_POLL_MS = 30_000;

/** Views of one thing are told apart by its id. */
type View = { readonly kind: keyof typeof PLACES } | ViewOfOne;

interface ViewOfOne {
  readonly kind: 'run' | 'comparison' | 'schedule';
  readonly id: string;
}

/** Hashes of the views that are of no thing of their own, and the titles of their documents. */
const PLACES = {
  overview: ['#/', 'Runs'],
  new: ['#/new', 'Start a run'],
  comparisons: ['#/comparisons', 'Comparisons'],
  newComparison: ['#/comparisons/new', 'Start a comparison'],
  schedules: ['#/schedules', 'Schedules'],
} as const;

export function App() {
  const questions = useMemo(createQuestions, []);
  const api = useMemo(() => createApi((wasRefused) => questions.askForKey(wasRefused)), [questions]);
  const { value: health } = usePolled(
    'health',
    () => api.read<Health>('/api/health'),
    () => HEALTH_POLL_MS,
  );
  const view = useView();
  const main = useRef<HTMLElement>(null);
  const isFirst = useRef(true);
  const viewName = 'id' in view ? `${view.kind} ${view.id}` : view.kind;

  const onTitle = useCallback((title: string) => {
    document.title = `${title} - foundry-bench`;
  }, []);
  // Another view is what the focus moves for.
  useEffect(() => {
    if (!('id' in view)) onTitle(PLACES[view.kind][1]);
    if (isFirst.current) {
      isFirst.current = false;
      return;
    }
    scrollTo(0, 0);
    main.current?.querySelector<HTMLElement>('[data-view-title]')?.focus();
  }, [viewName]);

  const deleteEndpoint = async ({ name, workspace }: EndpointView) => {
    const text = `${name} in workspace ${workspace} is deleted with everything deployed on it.`;
    if (!(await questions.confirm({ title: 'Delete this endpoint?', text, yes: 'Delete it' }))) return false;
    await api.send('DELETE', `/api/endpoints/${encodeURIComponent(name)}`);
    return true;
  };

  return (
    <>
      <Header view={view} />
      {health !== null && <HealthBanners health={health} />}
      <main ref={main}>
        {view.kind === 'overview' && (
          <Titled title="Runs">
            <Overview api={api} deleteEndpoint={deleteEndpoint} />
          </Titled>
        )}
        {view.kind === 'new' && <StartRun api={api} onStarted={(id) => goTo('runs', id)} />}
        {view.kind === 'run' && (
          <RunPage
            key={view.id}
            id={view.id}
            api={api}
            questions={questions}
            deleteEndpoint={deleteEndpoint}
            onTitle={onTitle}
          />
        )}
        {view.kind === 'comparisons' && (
          <Titled title="Comparisons">
            <Comparisons api={api} />
          </Titled>
        )}
        {view.kind === 'newComparison' && (
          <StartComparison api={api} onStarted={(id) => goTo('comparisons', id)} />
        )}
        {view.kind === 'comparison' && (
          <ComparisonPage
            key={view.id}
            id={view.id}
            api={api}
            questions={questions}
            deleteEndpoint={deleteEndpoint}
            onTitle={onTitle}
          />
        )}
        {view.kind === 'schedules' && (
          <Titled title="Schedules">
            <Schedules api={api} />
          </Titled>
        )}
        {view.kind === 'schedule' && (
          <SchedulePage key={view.id} name={view.id} api={api} onTitle={onTitle} />
        )}
      </main>
      <footer>
        <p>
          The same data as JSON: <a href="/api/runs">/api/runs</a>
          <a href="/api/comparisons">/api/comparisons</a>
          <a href="/api/schedules">/api/schedules</a>
          {health !== null && <span class="version">version {health.version}</span>}
        </p>
      </footer>
      <QuestionDialog questions={questions} />
    </>
  );
}

function goTo(nouns: 'runs' | 'comparisons', id: string): void {
  location.hash = `#/${nouns}/${encodeURIComponent(id)}`;
}

function Titled({ title, children }: { title: string; children: preact.ComponentChildren }) {
  return (
    <>
      <h2 tabIndex={-1} data-view-title>
        {title}
      </h2>
      {children}
    </>
  );
}

function Header({ view }: { view: View }) {
  return (
    <header>
      <h1>
        <a href="#/">foundry-bench</a>
      </h1>
      <nav aria-label="Views">
        {(['overview', 'comparisons', 'schedules', 'new'] as const).map((kind) => (
          <a key={kind} href={PLACES[kind][0]} aria-current={view.kind === kind ? 'page' : undefined}>
            {PLACES[kind][1]}
          </a>
        ))}
      </nav>
    </header>
  );
}

function HealthBanners({ health }: { health: Health }) {
  const speed =
    (health.simulatorGpuSpeed ?? 1) === 1
      ? ''
      : ` at ${health.simulatorGpuSpeed} times the speed of the GPU it models`;
  if (!health.simulated && health.degraded.length === 0) return null;
  return (
    <section class="banners" aria-label="About this host">
      {health.simulated && (
        <p class="banner simulated">
          SIMULATED: this host talks to a simulator{speed}, not to Azure. Nothing here is a measurement of a
          real GPU.
        </p>
      )}
      {health.degraded.length > 0 && <p class="banner">Degraded: {health.degraded.join(' ')}</p>}
    </section>
  );
}

function useView(): View {
  const [view, setView] = useState(readView);
  useEffect(() => {
    const onHash = () => setView(readView());
    addEventListener('hashchange', onHash);
    return () => removeEventListener('hashchange', onHash);
  }, []);
  return view;
}

function readView(): View {
  const { hash } = location;
  const place = (Object.keys(PLACES) as (keyof typeof PLACES)[]).find((kind) => PLACES[kind][0] === hash);
  if (place !== undefined) return { kind: place };
  const [, kind, id] = /^#\/(run|comparison|schedule)s\/([^/]+)$/.exec(hash) ?? [];
  if (kind === undefined || id === undefined) return { kind: 'overview' };
  return { kind: kind as ViewOfOne['kind'], id: decode(id) };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
