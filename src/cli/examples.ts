/** What `--help` shows below each command: lines that can be copied. */

/** By command; a test holds that none is without. */
export const COMMAND_EXAMPLES: Readonly<Record<string, string>> = {
  plan: `
Examples:
  $ npx foundry-bench plan -f spec.json
  $ npx foundry-bench plan -f comparison.json              a comparison, as compare takes it
  $ echo '{"target":{"kind":"endpoint","name":"prod"}}' | npx foundry-bench plan -f - --json`,
  run: `
Examples:
  $ npx foundry-bench run -f spec.json --watch             Ctrl-C cancels it and waits until its endpoint is gone
  $ npx foundry-bench run -f spec.json --idempotency-key "$GITHUB_RUN_ID"
  $ npx foundry-bench run -f spec.json --watch --json > result.json

With --watch it ends with 1 where the run fails, or where a workload has no level that is shown to meet the objectives.`,
  compare: `
Examples:
  $ npx foundry-bench compare comparison.json --watch
  $ npx foundry-bench compare comparison.json --watch --json > result.json`,
  watch: `
Examples:
  $ npx foundry-bench watch ID                             a run or a comparison; Ctrl-C leaves it running
  $ npx foundry-bench watch ID 2>progress.log >results.txt`,
  cancel: `
Examples:
  $ npx foundry-bench cancel ID
  $ npx foundry-bench cancel ID && npx foundry-bench watch ID`,
  results: `
Examples:
  $ npx foundry-bench results ID                           a table; ends with 1 where the objectives are missed
  $ npx foundry-bench results ID --format md >> "$GITHUB_STEP_SUMMARY"
  $ npx foundry-bench results ID -o report.html
  $ npx foundry-bench results ID --format vllm > ID.jsonl  a line a cell, as vllm bench serve writes them
  $ npx foundry-bench results ID --baseline main           a comparison; ends with 1 where a target is worse`,
  runs: `
Examples:
  $ npx foundry-bench runs --state measuring
  $ npx foundry-bench runs --limit 5 --json`,
  models: `
Examples:
  $ npx foundry-bench models phi
  $ npx foundry-bench models llama --registry azureml-meta --json`,
  skus: `
Examples:
  $ npx foundry-bench skus                                 in the region of the default workspace
  $ npx foundry-bench skus --region westus3 --json`,
  endpoints: `
Examples:
  $ npx foundry-bench endpoints
  $ npx foundry-bench endpoints delete NAME`,
  reap: `
Examples:
  $ npx foundry-bench reap                                 what was left behind
  $ npx foundry-bench reap --all --wait                    everything, and fail if anything is left`,
  start: `
Examples:
  $ npx foundry-bench start
  $ PORT=8080 npx foundry-bench start
  $ npx foundry-bench start --azure --i-will-reap          real Azure ML, in the workspace that the settings name`,
  demo: `
Examples:
  $ npx foundry-bench demo
  $ npx foundry-bench demo --compare`,
};
