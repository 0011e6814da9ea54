/**
 * The style of the page and of the mailed report. Colours have at least the contrast of WCAG AA on their ground, in
 * light and in dark; the eight of the charts have 3 to 1 on it, and are never the only thing that tells two apart.
 */
export const STYLE = `
:root {
  color-scheme: light dark;
  --ground: #fff; --panel: #f5f6f8; --line: #d5d9e0; --text: #16191f; --quiet: #565e6c;
  --accent: #0b57b0; --on-accent: #fff;
  --good: #14682f; --good-ground: #e2f4e7; --bad: #a11a1a; --bad-ground: #fdeaea;
  --warn: #7a4a00; --warn-ground: #fff2d6; --busy: #0b4a94; --busy-ground: #e4eefb;
  --s1: #1763c6; --s2: #c04a06; --s3: #1c7a3a; --s4: #8338b3; --s5: #946800; --s6: #b4226b; --s7: #087580; --s8: #5a6472;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #12151a; --panel: #1b2027; --line: #343c48; --text: #e8eaee; --quiet: #a3acba;
    --accent: #7fb5ff; --on-accent: #0d1826;
    --good: #82d89b; --good-ground: #14301d; --bad: #ff9c9c; --bad-ground: #3d1a1a;
    --warn: #f3c366; --warn-ground: #372805; --busy: #9cc6ff; --busy-ground: #152b48;
    --s1: #74aeff; --s2: #ff9a5c; --s3: #6fd08c; --s4: #cf9dff; --s5: #ecc15a; --s6: #ff8dbf; --s7: #5fd0db; --s8: #b3bcc9;
  }
}
* { box-sizing: border-box; }
html { scrollbar-gutter: stable; }
body { margin: 0; background: var(--ground); color: var(--text); font: 15px/1.5 system-ui, sans-serif; }
header, main, footer, .banners { max-width: 84rem; margin: 0 auto; padding: 0 1.25rem; }
header { display: flex; flex-wrap: wrap; align-items: center; gap: .25rem 1.5rem; padding-block: .9rem .6rem; border-bottom: 1px solid var(--line); }
h1 { font-size: 1.25rem; margin: 0; overflow-wrap: anywhere; }
h1 a { color: inherit; text-decoration: none; }
nav { display: flex; flex-wrap: wrap; gap: .25rem; }
nav a { padding: .35rem .7rem; border-radius: 6px; text-decoration: none; }
nav a:hover { background: var(--panel); }
nav a[aria-current] { background: var(--busy-ground); color: var(--busy); font-weight: 600; }
main > h1 { font-size: 1.5rem; margin: 1.25rem 0 0; }
h2 { font-size: 1.35rem; margin: 1.5rem 0 .6rem; overflow-wrap: anywhere; }
h3 { font-size: 1.1rem; margin: 2rem 0 .6rem; }
h3 small { color: var(--quiet); font-weight: 400; font-size: .85rem; margin-left: .35rem; }
h4 { font-size: 1rem; margin: 0; }
h2:focus { outline: none; }
a { color: var(--accent); }
a, code, strong, small { unicode-bidi: isolate; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-radius: 3px; }
footer { margin-top: 3rem; padding-block: .75rem 2rem; border-top: 1px solid var(--line); color: var(--quiet); font-size: .85rem; }
footer p { display: flex; flex-wrap: wrap; gap: .25rem 1rem; }
.version { margin-left: auto; }
.brand { margin: 0; font-weight: 700; }
.quiet { color: var(--quiet); font-size: .9rem; margin: .25rem 0; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }

.banner { margin: .75rem 0; padding: .6rem 1rem; border-radius: 6px; background: var(--warn-ground); color: var(--warn); overflow-wrap: anywhere; }
.banner p { margin: 0; }
.banner.problem { background: var(--bad-ground); color: var(--bad); }
.banner.leak { border-left: 5px solid currentColor; }
.banner.simulated { border: 2px dashed currentColor; font-weight: 600; }
main section .banner.simulated { border-width: 1px; padding-block: .3rem; font-size: .9rem; }
.banner ul { margin: .25rem 0 0; padding-left: 1.25rem; }
.banner button { margin-top: .4rem; }
noscript .banner { margin: 1.25rem; }
.problem-text { color: var(--bad); }
.loading { padding: 1.5rem 0; }

.badge { display: inline-block; padding: 0 .55em; border-radius: 1em; font-size: .85em; font-weight: 600; white-space: nowrap; background: var(--panel); color: var(--quiet); }
.badge.completed, .badge.better, .badge.won, .badge.improvement, .badge.delivered { background: var(--good-ground); color: var(--good); }
.badge.failed, .badge.leaked, .badge.regression, .badge.given-up { background: var(--bad-ground); color: var(--bad); }
.badge.canceled, .badge.simulated, .badge.worse, .badge.dropped, .badge.paused, .badge.too-dear, .badge.not-started, .badge.skipped { background: var(--warn-ground); color: var(--warn); }
.badge.provisioning, .badge.warming, .badge.measuring, .badge.releasing, .badge.running, .badge.enabled { background: var(--busy-ground); color: var(--busy); }

.scroll { position: relative; overflow-x: auto; border: 1px solid var(--line); border-radius: 6px; }
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
.made td:not(.number), .verdicts td:not(.number), .targets td:last-child { min-width: 12rem; }
.history td:nth-child(3) { min-width: 16rem; }
.new-workload > * { border-top-width: 3px; }
main li small { color: var(--quiet); }
tbody th:first-child { position: sticky; left: 0; background: var(--ground); min-width: 9rem; max-width: 22rem; overflow-wrap: break-word; }
.results th:first-child, .values th:first-child { min-width: 0; white-space: nowrap; }
.best th, .best td, tbody .best th:first-child { background: var(--good-ground); }
.leaked-row th, .leaked-row td, tbody .leaked-row th:first-child { background: var(--bad-ground); color: var(--bad); }
.leaked-row small { color: inherit; }
caption { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
time { white-space: nowrap; }
td progress { display: block; width: 8rem; height: .5rem; margin: .3rem 0 .2rem; }
td .actions { margin: .4rem 0 0; }

.stages { display: flex; flex-wrap: wrap; gap: .25rem .5rem; margin: 1rem 0 .5rem; padding: 0; list-style: none; font-size: .9rem; color: var(--quiet); }
.stages li + li::before { content: "\\2192"; margin-right: .5rem; }
.stages li[aria-current] { color: var(--busy); font-weight: 700; }
progress { width: 100%; height: .8rem; accent-color: var(--accent); }
.progress-text { margin: .25rem 0; }
.tiles { display: flex; flex-wrap: wrap; gap: .75rem; margin: 1rem 0; }
.tiles > div { flex: 1 1 9rem; max-width: 18rem; padding: .6rem .9rem; border: 1px solid var(--line); border-radius: 8px; background: var(--panel); }
.tiles dt { font-size: .85rem; }
.tiles dd { font-size: 1.45rem; font-weight: 650; line-height: 1.25; font-variant-numeric: tabular-nums; margin: 0; }
.dates dd { font-size: 1.1rem; line-height: 1.6; }
.tiles small { display: block; font-size: .85rem; font-weight: 400; color: var(--quiet); line-height: 1.4; }

dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .3rem 1.25rem; margin: 1rem 0; }
dt { color: var(--quiet); }
dd { margin: 0; overflow-wrap: anywhere; }
@media (max-width: 34rem) {
  body { font-size: 16px; }
  header, main, footer, .banners { padding-inline: 1rem; }
  nav { gap: 0; margin-inline: -.3rem; }
  nav a { padding: .45rem .3rem; font-size: .9rem; }
  th, td { padding-inline: .4rem; }
  tbody th time { white-space: normal; }
  tbody th:first-child { min-width: 8rem; max-width: 11rem; overflow-wrap: anywhere; }
  .results th:first-child { min-width: 0; }
  .values th:first-child { min-width: 0; white-space: normal; }
  tbody th small { overflow-wrap: anywhere; }
  dl { grid-template-columns: 1fr; gap: 0; }
  dd { margin-bottom: .5rem; }
  .tiles { gap: .5rem; }
  .tiles > div { flex-basis: 8rem; padding: .5rem .7rem; }
}
pre { margin: .5rem 0; padding: .75rem 1rem; border-radius: 6px; background: var(--panel); font-size: .85rem; white-space: pre-wrap; overflow-wrap: anywhere; }
code { overflow-wrap: anywhere; }
summary { cursor: pointer; padding: .2rem 0; }
details { margin: .5rem 0; }
p.back { margin: 1rem 0 -.75rem; }
.empty { margin: 0; padding: 1rem 1.25rem; border: 1px dashed var(--line); border-radius: 6px; }
.empty p { margin: .25rem 0; }
.welcome { padding: 2rem 1.5rem; max-width: 44rem; }
.answers { padding: .75rem 1.1rem; border-left: 4px solid var(--accent); background: var(--panel); border-radius: 0 6px 6px 0; overflow-wrap: anywhere; }
.answers p { margin: .2rem 0; }
.answers p + p { margin-top: .5rem; }
.answer { font-weight: 600; }
.notes li { margin: .25rem 0; overflow-wrap: anywhere; }

.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 30rem), 1fr)); gap: 1rem; margin: .6rem 0 1.25rem; }
.chart { container-type: inline-size; margin: 0; padding: .9rem 1rem .6rem; border: 1px solid var(--line); border-radius: 8px; min-width: 0; }
.beside .tiles { margin-top: 0; }
.chart .quiet { max-width: 40rem; }
.chart .narrow { display: none; }
.plot { display: block; width: 100%; max-width: 640px; height: auto; margin: .5rem 0 0; }
@container (max-width: 29rem) {
  .chart .wide { display: none; }
  .chart .narrow { display: block; }
}
.plot text { fill: var(--quiet); font: 12px system-ui, sans-serif; font-variant-numeric: tabular-nums; }
.plot text.title { fill: var(--text); }
.plot text.label { fill: var(--text); paint-order: stroke; stroke: var(--ground); stroke-width: 3px; }
.grid, .tick { stroke: var(--line); }
.axis { stroke: var(--quiet); }
.front { fill: none; stroke: var(--text); stroke-dasharray: 2 3; stroke-width: 1.5; }
.rule { stroke: var(--text); stroke-dasharray: 2 3; }
.s1 { --series: var(--s1); } .s2 { --series: var(--s2); } .s3 { --series: var(--s3); } .s4 { --series: var(--s4); }
.s5 { --series: var(--s5); } .s6 { --series: var(--s6); } .s7 { --series: var(--s7); } .s8 { --series: var(--s8); }
.line { fill: none; stroke: var(--series); stroke-width: 2; stroke-linejoin: round; }
.dashed { stroke-dasharray: 7 4; }
.dotted { stroke-dasharray: 2 4; }
.band { fill: var(--series); fill-opacity: .14; }
.whisker { stroke: var(--series); stroke-width: 1.5; stroke-opacity: .65; }
.mark { fill: var(--series); stroke: var(--ground); }
.mark.hollow { fill: var(--ground); stroke: var(--series); stroke-width: 2; }
.mark:hover { stroke: var(--text); stroke-width: 2; }
.bar { fill: var(--series); stroke: var(--ground); }
.interval { stroke: var(--text); stroke-width: 2; }
.legend { display: flex; flex-wrap: wrap; gap: .1rem 1.1rem; margin: .35rem 0 0; padding: 0; list-style: none; font-size: .9rem; overflow-wrap: anywhere; }
.legend svg { vertical-align: -2px; margin-right: .4rem; }

.actions { display: flex; flex-wrap: wrap; gap: .5rem; margin: 1rem 0; }
button, .button { display: inline-block; min-height: 2.4rem; padding: .4rem .95rem; border: 1px solid var(--line); border-radius: 6px; background: var(--panel); color: var(--text); font: inherit; text-decoration: none; cursor: pointer; }
button:hover, .button:hover { border-color: var(--quiet); }
button:disabled { color: var(--quiet); cursor: default; opacity: 1; }
.primary { background: var(--accent); border-color: var(--accent); color: var(--on-accent); font-weight: 600; }
button.primary:disabled { background: var(--panel); border-color: var(--line); color: var(--quiet); }
button.danger { border-color: var(--bad); color: var(--bad); background: var(--ground); }
button.link { min-height: 0; padding: 0; border: 0; background: none; color: inherit; text-decoration: underline; }
.banner button:not(.link) { background: var(--ground); color: var(--text); }
dialog { max-width: 28rem; width: calc(100vw - 2.5rem); padding: 1.25rem; border: 1px solid var(--line); border-radius: 8px; background: var(--ground); color: var(--text); overflow-wrap: anywhere; }
dialog::backdrop { background: rgb(0 0 0 / .45); }
dialog h2 { margin-top: 0; }
label { display: block; margin-bottom: .25rem; }
input { width: 100%; min-height: 2.4rem; padding: .3rem .6rem; border: 1px solid var(--quiet); border-radius: 6px; background: var(--ground); color: var(--text); font: inherit; }
textarea { width: 100%; padding: .6rem .75rem; border: 1px solid var(--quiet); border-radius: 6px; background: var(--ground); color: var(--text); font: .88rem/1.5 ui-monospace, monospace; resize: vertical; }
input[type=radio], input[type=checkbox] { width: 1.15rem; height: 1.15rem; min-height: 0; margin: 0; accent-color: var(--accent); }

.start { max-width: 60rem; }
.start section > h3 { padding-bottom: .3rem; border-bottom: 1px solid var(--line); }
.field { margin: .75rem 0; }
.field label { font-weight: 600; }
.field label small { color: var(--quiet); font-weight: 400; font-size: .9rem; }
.hint { margin: .2rem 0 0; color: var(--quiet); font-size: .88rem; }
.faults { margin: .25rem 0 0; padding: 0; list-style: none; color: var(--bad); font-size: .92rem; overflow-wrap: anywhere; }
.wrong textarea, .wrong input:not([type=radio], [type=checkbox]) { border-color: var(--bad); outline: 1px solid var(--bad); }
.row { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 12rem), 1fr)); gap: 0 1.25rem; align-items: start; }
.row.four { grid-template-columns: repeat(auto-fit, minmax(min(100%, 9.5rem), 1fr)); }
fieldset { min-width: 0; margin: 1rem 0; padding: 0; border: 0; }
legend { padding: 0; font-weight: 600; }
legend small { color: var(--quiet); font-weight: 400; }
.choices { display: grid; gap: .35rem; margin-top: .4rem; }
.choices.two { grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr)); }
.skus .choices { max-height: 21rem; overflow-y: auto; padding: 3px; border: 1px solid var(--line); border-radius: 8px; }
.choice { display: grid; grid-template-columns: auto minmax(0, 1fr); gap: .1rem .7rem; align-items: center; align-content: start; margin: 0; padding: .5rem .7rem; border: 1px solid var(--line); border-radius: 6px; cursor: pointer; }
.skus .choice { grid-template-columns: auto 5fr 4fr 2.6fr 4fr; border-color: transparent; }
.skus .choice:has(input:checked) { border-color: var(--accent); }
.choice:has(input:checked) { border-color: var(--accent); background: var(--busy-ground); }
.choice:has(input:focus-visible) { outline: 3px solid var(--accent); outline-offset: -1px; }
.choice input:focus-visible { outline: none; }
.choice-name { font-weight: 600; overflow-wrap: anywhere; }
.choice-name .badge { margin-right: .4rem; }
.choice-facts, .choice-quota { color: var(--quiet); font-size: .9rem; }
.choice-price { font-variant-numeric: tabular-nums; }
.choice-quota.problem-text { color: var(--bad); }
.choices.two .choice-facts { grid-column: 2; }
@media (max-width: 50rem) {
  .skus .choice { grid-template-columns: auto minmax(0, 1fr); }
  .skus .choice > span { grid-column: 2; }
}
.check { display: flex; cursor: pointer; gap: .6rem; align-items: center; margin: .6rem 0; }
.plan { margin-top: 2rem; padding: .25rem 1.1rem .5rem; border: 1px solid var(--line); border-radius: 8px; }
.plan > h3 { margin-top: .75rem; border: 0; }
.warnings { color: var(--warn); padding-left: 1.25rem; overflow-wrap: anywhere; }
@media (prefers-reduced-motion: no-preference) {
  button, .button, .choice { transition: border-color .12s, background-color .12s; }
}
@media print {
  .chart, tr { break-inside: avoid; }
  .scroll { overflow: visible; }
}
`;
