// The first line of `npm test`: an old Node would fail later, with messages that help nobody. Plain JavaScript of any
// age, because it runs before anything is built and on whatever Node there is.
const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 22 || (major === 22 && minor < 19)) {
  console.error(
    'foundry-bench needs Node 22.19 or later and this is ' +
      process.version +
      '. `npm ci` brings Node 24 with it; where install scripts are switched off, run `npm rebuild node` once after it.',
  );
  process.exit(2);
}
