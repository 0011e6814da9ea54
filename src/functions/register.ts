/**
 * The entry of the app on Azure Functions, local or real. One package is deployed as two apps: the setting
 * FOUNDRY_BENCH_ROLE decides which of them this process is, and only what that one needs is loaded. The watchdog
 * therefore knows neither durable-functions nor a table, and has no HTTP address.
 */
import { readConfig, readRole, readWatchdogConfig } from '../config.ts';

if (readRole(process.env) === 'watchdog') {
  const { registerWatchdog } = await import('./watchdog.ts');
  registerWatchdog(readWatchdogConfig(process.env));
} else {
  const { registerApp } = await import('./app.ts');
  registerApp(readConfig(process.env));
}
