/** The bundle of the page's script as text. Throws where it could not stand inside a script element. */
export function bundlePage(): Promise<string>;
/** Bundles to where the built page looks for it. */
export function writePage(): Promise<void>;
