/**
 * Whether this Node can run the project. It is asked before anything else is loaded, since an older Node fails while
 * it loads (`node:sqlite`), with a message that helps nobody.
 */

/** The least version, as in `engines` of package.json. */
const LEAST = { major: 22, minor: 19 } as const;

/** The sentence that says what to do, or null where the version will do. `version` is such as `v24.21.0`. */
export function explainNodeVersion(version: string): string | null {
  const [major = 0, minor = 0] = version.replace(/^v/, '').split('.').map(Number);
  if (major > LEAST.major || (major === LEAST.major && minor >= LEAST.minor)) return null;
  return (
    `foundry-bench needs Node ${LEAST.major}.${LEAST.minor} or later and this is ${version}. ` +
    '`npm ci` brings Node 24 with it: start with `npm start`, `npm run demo` or `npx foundry-bench`, not with `node`. ' +
    'Where install scripts are switched off, run `npm rebuild node` once after `npm ci`.'
  );
}
