import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

/*
 * The main job as a newcomer runs it: `npm run demo -- --once --report F`, on real Prometheus and Alertmanager. A real
 * classifier gets worse because the mail changes, and nothing is injected.
 */

const root = fileURLToPath(new URL('../..', import.meta.url));

interface Report {
  readonly healthySeconds: number;
  readonly falseSwitches: number;
  readonly switches: readonly {
    readonly kind: string;
    readonly from: string;
    readonly to: string;
    readonly signal: string | null;
    readonly generation: number;
    readonly firstBadAt: number | null;
    readonly decidedAt: number;
    readonly appliedAt: number;
    readonly firstServedAt: number;
  }[];
  readonly alerts: readonly {
    readonly name: string;
    readonly severity: string;
    readonly route: string;
    readonly model: string;
    readonly conditionAt: number;
    readonly deliveredAt: number;
    readonly annotations: Readonly<Record<string, string>>;
  }[];
  readonly client: {
    readonly sent: number;
    readonly answered: number;
    readonly failed: number;
    readonly lost: number;
    readonly accuracy: {
      readonly healthy: number;
      readonly before: number;
      readonly during: number;
      readonly after: number;
    };
  };
}

describe('the demo', () => {
  let folder: string;
  let report: Report;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'relaycore-e2e-'));
    const file = join(folder, 'report.json');
    const demo = spawn('npm', ['run', '--silent', 'demo', '--', '--once', '--report', file], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [demo.stdout, demo.stderr]) stream.on('data', chunk => (output += chunk));
    const [status] = await once(demo, 'exit');
    expect(status, output).toBe(0);
    report = JSON.parse(await readFile(file, 'utf8'));
  }, 600_000);

  afterAll(() => rm(folder, { recursive: true, force: true }));

  const switched = (kind: string) => report.switches.filter(change => change.kind === kind);

  test('nothing moves in a minute of healthy traffic', () => {
    expect(report.healthySeconds).toBeGreaterThanOrEqual(60);
    expect(report.falseSwitches).toBe(0);
  });

  test('the route moves once, because of accuracy, from evidence gathered after the mail changed', () => {
    expect(switched('failover')).toHaveLength(1);
    const [failover] = switched('failover');
    expect(failover).toMatchObject({ from: 'spam-v1', to: 'spam-v2', signal: 'accuracy' });
    expect(failover!.firstBadAt).toBeLessThan(failover!.decidedAt);
  });

  test('the backup serves within five seconds of the decision', () => {
    const [failover] = switched('failover');
    expect(failover!.appliedAt).toBeGreaterThanOrEqual(failover!.decidedAt);
    expect(failover!.firstServedAt - failover!.decidedAt).toBeLessThan(5000);
  });

  test('people are told once, within thirty seconds, with what they need to know', () => {
    const told = report.alerts.filter(({ name }) => name === 'ModelInaccurate');
    expect(told.map(({ severity }) => severity)).toEqual(['critical']);
    const [alert] = told;
    expect(alert).toMatchObject({ route: 'mail-filter', model: 'spam-v1' });
    expect(alert!.deliveredAt - alert!.conditionAt).toBeLessThan(30_000);
    expect(alert!.deliveredAt).toBeGreaterThan(alert!.conditionAt);
    const { value, threshold, evidence, evidence_threshold, active_target, history_url } = alert!.annotations;
    expect(Number(value)).toBeLessThan(Number(threshold));
    expect(Number(evidence)).toBeGreaterThan(Number(evidence_threshold));
    expect(active_target).toBe('spam-v2');
    expect(history_url).toContain('route=mail-filter');
  });

  test('callers get better answers after the switch than before it', () => {
    const { healthy, before, after } = report.client.accuracy;
    expect(healthy).toBeGreaterThan(0.95);
    expect(before).toBeLessThan(0.85);
    expect(after).toBeGreaterThan(before + 0.1);
  });

  test('the primary comes back step by step', () => {
    expect(report.switches.map(({ kind }) => kind)).toEqual(['failover', 'ramp', 'ramp', 'failback']);
    expect(report.switches.map(({ generation }) => generation)).toEqual([1, 2, 3, 4]);
  });

  test('no request is lost', () => {
    const { sent, answered, failed, lost } = report.client;
    expect({ failed, lost }).toEqual({ failed: 0, lost: 0 });
    expect(answered).toBe(sent);
    expect(sent).toBeGreaterThan(10_000);
  });
});
