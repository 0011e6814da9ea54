/** A report that grows while somebody looks at it. */
import { useRef } from 'preact/hooks';
import { type Api, noneYet } from './api.ts';

export type Growing<Report> = Report & { readonly partial?: boolean };

/**
 * Gives what reads the results under a path: anew only when `progress` is another than at the last reading, since a
 * report is large and is asked for every few seconds. Null while there is none yet.
 */
export function useGrowingReport<Report>(
  api: Api,
  path: string,
): (progress: string) => Promise<Growing<Report> | null> {
  const last = useRef<{ of: string; report: Growing<Report> | null }>({ of: '', report: null });
  return async (progress) => {
    const of = `${path} ${progress}`;
    if (last.current.of !== of) {
      const report = await api.read<Growing<Report>>(`${path}/results`).catch(noneYet);
      last.current = { of, report };
    }
    return last.current.report;
  };
}
