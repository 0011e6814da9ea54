import { describe, expect, it } from 'vitest';
import { ConfigError, readConfig } from '../../src/config.ts';
import { parseComparison } from '../../src/core/comparison/comparison.ts';
import { parseSchedule } from '../../src/core/schedule/schedule.ts';

const IN_AZURE = { INSTALLATION_ID: 'test', TABLES_ENDPOINT: 'https://a.table.core.windows.net' };
const SIMULATED = { ...IN_AZURE, SIMULATOR_GPU_SPEED: '1' };

const scheduleOf = (settings: Record<string, string>) => readConfig(settings).defaultSchedule;

function faultsOf(settings: Record<string, string>): readonly string[] {
  try {
    readConfig({ ...IN_AZURE, ...settings });
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.faults;
    throw error;
  }
}

describe('the schedule of the settings', () => {
  it('is off in Azure until it is set', () => {
    expect(scheduleOf(IN_AZURE)).toBeNull();
    const spec = { targets: [] };
    const set = { COMPARISON_SCHEDULE: '0 0 6 * * 1', COMPARISON_SPEC: JSON.stringify(spec) };
    expect(scheduleOf({ ...IN_AZURE, ...set })).toEqual({ schedule: '0 0 6 * * 1', spec });
  });

  it('is on against the simulator, with a comparison that can be planned, until it is turned off', () => {
    const { schedule, spec } = scheduleOf(SIMULATED) ?? { schedule: '', spec: {} };
    expect(parseSchedule('default', { schedule, comparison: spec }, 0).parsed.ok).toBe(true);
    expect(parseComparison(spec)).toMatchObject({ ok: true });
    expect(scheduleOf({ ...SIMULATED, COMPARISON_SCHEDULE: 'off' })).toBeNull();
  });

  it.each([
    [{ COMPARISON_SCHEDULE: '0 0 6 * * 1' }, 'belong together'],
    [{ COMPARISON_SPEC: '{}' }, 'belong together'],
    [{ COMPARISON_SCHEDULE: 'daily', COMPARISON_SPEC: '{}' }, 'COMPARISON_SCHEDULE must be an NCRONTAB'],
    [{ COMPARISON_SCHEDULE: '0 0 6 * * 1', COMPARISON_SPEC: '{"a"' }, 'COMPARISON_SPEC must be the body'],
    [{ COMPARISON_SCHEDULE: '0 0 6 * * 1', COMPARISON_SPEC: '[1]' }, 'COMPARISON_SPEC must be the body'],
    [{ WEBHOOK_HOSTS: '10.0.0.1' }, 'WEBHOOK_HOSTS holds "10.0.0.1"'],
    [{ WEBHOOK_HOSTS: '.com' }, 'WEBHOOK_HOSTS holds ".com"'],
    [{ ALLOW_LOOPBACK_WEBHOOKS: 'yes' }, 'ALLOW_LOOPBACK_WEBHOOKS must be true or false'],
  ])('is refused as %j with a sentence', (settings, told) => {
    expect(faultsOf(settings).join('\n')).toContain(told);
  });
});
