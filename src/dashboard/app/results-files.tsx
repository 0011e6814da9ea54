/** The buttons that hand out results as files. */
import type { Api } from './api.ts';

const FORMATS = [
  ['csv', 'CSV'],
  ['md', 'Markdown'],
  ['html', 'HTML'],
  ['json', 'JSON'],
] as const;

export interface ResultsFilesProps {
  readonly api: Api;
  /** Of the run or comparison: `/api/runs/{id}`. */
  readonly path: string;
  readonly id: string;
  readonly act: (action: () => Promise<unknown>) => void;
}

export function ResultsFiles({ api, path, id, act }: ResultsFilesProps) {
  return (
    <>
      {FORMATS.map(([format, name]) => (
        <button type="button" key={format} onClick={() => act(() => download(api, path, id, format))}>
          Download {name}
        </button>
      ))}
    </>
  );
}

/** A link could not carry the key, so the file is fetched and handed to the browser. */
async function download(api: Api, path: string, id: string, format: string): Promise<void> {
  const url = URL.createObjectURL(await api.fetchFile(`${path}/results?format=${format}`));
  const link = document.createElement('a');
  link.href = url;
  link.download = `foundry-bench-${id}.${format}`;
  link.click();
  URL.revokeObjectURL(url);
}
