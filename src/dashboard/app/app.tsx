/** The whole page: what host this is, which view is shown, and the questions that views ask. */
import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { createApi } from './api.ts';
import type { EndpointView } from './endpoints.tsx';
import { Overview } from './overview.tsx';
import { usePolled } from './poll.ts';
import { createQuestions, QuestionDialog } from './questions.tsx';
import { RunPage } from './run-view.tsx';
import { StartRun } from './start-run.tsx';

/** What `GET /api/health` answers. */
interface Health {
  readonly version: string;
  readonly simulated: boolean;
  readonly simulatorGpuSpeed: number | null;
  readonly degraded: readonly string[];
}

const HEALTH_POLL_MS = 30_000;

type View =
  | { readonly kind: 'overview' }
  | { readonly kind: 'new' }
  | { readonly kind: 'run'; readonly id: string };

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
  const viewName = view.kind === 'run' ? view.id : view.kind;

  const onTitle = useCallback((title: string) => {
    document.title = `${title} - foundry-bench`;
  }, []);
  // Another view is what the focus moves for.
  useEffect(() => {
    if (view.kind !== 'run') onTitle(view.kind === 'new' ? 'Start a run' : 'Runs');
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
          <>
            <h2 tabIndex={-1} data-view-title>
              Runs
            </h2>
            <Overview api={api} deleteEndpoint={deleteEndpoint} />
          </>
        )}
        {view.kind === 'new' && (
          <StartRun
            api={api}
            onStarted={(id) => {
              location.hash = `#/runs/${encodeURIComponent(id)}`;
            }}
          />
        )}
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
      </main>
      <footer>
        <p>
          The same data as JSON: <a href="/api/runs">/api/runs</a>
          {health !== null && <span class="version">version {health.version}</span>}
        </p>
      </footer>
      <QuestionDialog questions={questions} />
    </>
  );
}

function Header({ view }: { view: View }) {
  const link = (kind: View['kind'], href: string, words: string) => (
    <a href={href} aria-current={view.kind === kind ? 'page' : undefined}>
      {words}
    </a>
  );
  return (
    <header>
      <h1>
        <a href="#/">foundry-bench</a>
      </h1>
      <nav aria-label="Views">
        {link('overview', '#/', 'Runs')}
        {link('new', '#/new', 'Start a run')}
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
  if (location.hash === '#/new') return { kind: 'new' };
  const run = /^#\/runs\/([^/]+)$/.exec(location.hash)?.[1];
  return run === undefined ? { kind: 'overview' } : { kind: 'run', id: decode(run) };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
