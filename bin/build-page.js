// Bundles the page's script: everything under src/dashboard/app with Preact, as one module that the page holds inside
// itself. `npm run build` calls it; the tests of the page call `bundlePage` to run what the sources say now.
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const ROOT = new URL('..', import.meta.url);
const ENTRY = fileURLToPath(new URL('src/dashboard/app/main.tsx', ROOT));
const OUTPUT = new URL('dist/dashboard/app.bundle.js', ROOT);

/** The bundle as text. Throws where it could not stand inside a script element. */
export async function bundlePage() {
  const bundle = await rolldown({
    input: ENTRY,
    platform: 'browser',
    tsconfig: fileURLToPath(new URL('tsconfig.page.json', ROOT)),
    treeshake: { moduleSideEffects: false },
  });
  try {
    const { output } = await bundle.generate({ format: 'es', minify: true });
    const [chunk, ...others] = output;
    if (others.length > 0) throw new Error('The page must be one file, and more than one came out.');
    const code = chunk.code.trim();
    if (/<\/script|<!--/i.test(code))
      throw new Error('The script holds "</script" or "<!--", which ends it early.');
    return code;
  } finally {
    await bundle.close();
  }
}

/** Bundles to where the built page looks for it. */
export async function writePage() {
  mkdirSync(new URL('.', OUTPUT), { recursive: true });
  writeFileSync(OUTPUT, await bundlePage());
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await writePage();
