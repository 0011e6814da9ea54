/** The page's style. Colours have at least the contrast of WCAG AA on their ground, in light and in dark. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --ground: #fff; --panel: #f5f6f8; --line: #d5d9e0; --text: #16191f; --quiet: #565e6c;
  --accent: #0b57b0; --on-accent: #fff;
  --good: #14682f; --good-ground: #e2f4e7; --bad: #a11a1a; --bad-ground: #fdeaea;
  --warn: #7a4a00; --warn-ground: #fff2d6; --busy: #0b4a94; --busy-ground: #e4eefb;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #12151a; --panel: #1b2027; --line: #343c48; --text: #e8eaee; --quiet: #a3acba;
    --accent: #7fb5ff; --on-accent: #0d1826;
    --good: #82d89b; --good-ground: #14301d; --bad: #ff9c9c; --bad-ground: #3d1a1a;
    --warn: #f3c366; --warn-ground: #372805; --busy: #9cc6ff; --busy-ground: #152b48;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--text); font: 15px/1.5 system-ui, sans-serif; }
header, main, footer { max-width: 84rem; margin: 0 auto; padding: 0 1.25rem; }
header { display: flex; flex-wrap: wrap; align-items: baseline; justify-content: space-between; gap: 0 1rem; padding-top: 1rem; }
h1 { font-size: 1.25rem; margin: 0; }
h1 a { color: inherit; text-decoration: none; }
h2 { font-size: 1.2rem; margin: 1.75rem 0 .5rem; overflow-wrap: anywhere; }
h3 { font-size: 1rem; margin: 1.5rem 0 .5rem; }
h2:focus { outline: none; }
a { color: var(--accent); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-radius: 3px; }
footer { margin-top: 2.5rem; padding-bottom: 2rem; border-top: 1px solid var(--line); color: var(--quiet); font-size: .85rem; }
#health { margin: 0; }
#health, .quiet { color: var(--quiet); font-size: .9rem; }
.quiet { margin: .25rem 0; }
[hidden] { display: none !important; }

.banner { max-width: 81.5rem; margin: .75rem auto 0; padding: .6rem 1rem; border-radius: 6px; background: var(--warn-ground); color: var(--warn); overflow-wrap: anywhere; }
@media (max-width: 84rem) { .banner { margin-inline: 1.25rem; } }
main .banner { max-width: none; margin-inline: 0; }
.banner.problem { background: var(--bad-ground); color: var(--bad); }
.banner.simulated { border: 2px dashed currentColor; font-weight: 600; }
.banner ul { margin: .25rem 0 0; padding-left: 1.25rem; }
.problem-text { color: var(--bad); }

.badge { display: inline-block; padding: 0 .55em; border-radius: 1em; font-size: .85em; font-weight: 600; white-space: nowrap; background: var(--panel); color: var(--quiet); }
.badge.completed { background: var(--good-ground); color: var(--good); }
.badge.failed, .badge.leaked { background: var(--bad-ground); color: var(--bad); }
.badge.canceled, .badge.simulated { background: var(--warn-ground); color: var(--warn); }
.badge.provisioning, .badge.warming, .badge.measuring, .badge.releasing { background: var(--busy-ground); color: var(--busy); }

.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: 6px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .45rem .6rem; text-align: left; vertical-align: top; border-top: 1px solid var(--line); }
thead th { border-top: 0; background: var(--panel); font-size: .85rem; font-weight: 600; vertical-align: bottom; }
thead th small { display: block; font-weight: 400; color: var(--quiet); }
tbody th { font-weight: 500; }
td small, th small { display: block; color: var(--quiet); font-weight: 400; font-size: .85rem; overflow-wrap: break-word; }
.nowrap { white-space: nowrap; }
.number { text-align: right; white-space: nowrap; }
thead .number { white-space: normal; }
.reason { white-space: normal; min-width: 12rem; text-align: left; }
td small.reason { color: var(--text); }
.new-workload > * { border-top-width: 3px; }
main li small { color: var(--quiet); }
tbody th:first-child { position: sticky; left: 0; background: var(--ground); min-width: 9rem; max-width: 22rem; overflow-wrap: break-word; }
.results th:first-child { min-width: 0; white-space: nowrap; }
.best th, .best td { background: var(--good-ground); }
tbody tr.best th:first-child { background: var(--good-ground); }
caption { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
time { white-space: nowrap; }

.stages { display: flex; flex-wrap: wrap; gap: .25rem .5rem; margin: 1rem 0 .5rem; padding: 0; list-style: none; font-size: .9rem; color: var(--quiet); }
.stages li + li::before { content: "\\2192"; margin-right: .5rem; }
.stages li[aria-current] { color: var(--busy); font-weight: 700; }
progress { width: 100%; max-width: 36rem; height: .8rem; accent-color: var(--accent); }
.progress-text { margin: .25rem 0; }

dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .3rem 1.25rem; margin: 1rem 0; }
dt { color: var(--quiet); }
dd { margin: 0; overflow-wrap: anywhere; }
@media (max-width: 34rem) {
  th, td { padding-inline: .4rem; }
  tbody th:first-child { min-width: 8rem; max-width: 11rem; overflow-wrap: anywhere; }
  tbody th small { overflow-wrap: anywhere; }
}
@media (max-width: 34rem) { dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: .5rem; } }
pre { margin: .5rem 0; padding: .75rem 1rem; border-radius: 6px; background: var(--panel); font-size: .85rem; white-space: pre-wrap; overflow-wrap: anywhere; }
code { overflow-wrap: anywhere; }
summary { cursor: pointer; }
details { margin: .75rem 0; }
p.back { margin: 1rem 0 -.75rem; }
.empty { margin: 0; padding: 1rem 1.25rem; border: 1px dashed var(--line); border-radius: 6px; }
.empty p { margin: .25rem 0; }

.actions { display: flex; flex-wrap: wrap; gap: .5rem; margin: 1rem 0; }
button { min-height: 2.25rem; padding: .3rem .9rem; border: 1px solid var(--line); border-radius: 6px; background: var(--panel); color: var(--text); font: inherit; cursor: pointer; }
button:hover { border-color: var(--quiet); }
button:disabled { color: var(--quiet); cursor: default; }
button.primary { background: var(--accent); border-color: var(--accent); color: var(--on-accent); }
button.danger { border-color: var(--bad); color: var(--bad); background: var(--ground); }
dialog { max-width: 28rem; width: calc(100vw - 2.5rem); padding: 1.25rem; border: 1px solid var(--line); border-radius: 8px; background: var(--ground); color: var(--text); }
dialog::backdrop { background: rgb(0 0 0 / .45); }
dialog h2 { margin-top: 0; }
label { display: block; margin-bottom: .25rem; }
input { width: 100%; min-height: 2.25rem; padding: .3rem .6rem; border: 1px solid var(--quiet); border-radius: 6px; background: var(--ground); color: var(--text); font: inherit; }
`;
