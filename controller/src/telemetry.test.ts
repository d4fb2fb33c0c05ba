import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import type { Status } from './status.ts';
import { createTelemetry } from './telemetry.ts';
import type { LevelAssessment, SignalAssessment } from './types.ts';

/** Bad ones: 30 of 1000. */
const level: LevelAssessment = {
  level: 'critical',
  stands: true,
  evidence: 30,
  evidenceThreshold: 25,
  recovery: 0,
  recoveryRise: 0,
  recoverySince: 0,
  counts: { requests: 1000, bad: 30 },
  allowedBad: 0.02,
  threshold: 0.02,
  unit: 'bad share',
};

const assessed = (signal: string, changed: Partial<LevelAssessment>): SignalAssessment => ({
  signal,
  verdict: { kind: 'degraded', level: 'critical', signal, since: 1 },
  levels: { warning: { ...level, ...changed, level: 'warning' }, critical: { ...level, ...changed } },
  requests: 1000,
});

/** The lines of the metrics page about these signals of one model, at critical. */
async function pageOf(signals: readonly SignalAssessment[]): Promise<string[]> {
  const verdict = { kind: 'healthy' } as const;
  const status: Status = {
    at: 1000,
    assessments: new Map([['chat', { model: 'chat', version: '1', at: 1000, verdict, signals }]]),
    routes: new Map(),
  };
  const telemetry = createTelemetry(() => status);
  const server = createServer((request, response) => telemetry.handle(request, response));
  onTestFinished(async () => {
    server.close();
    await telemetry.close();
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const answer = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  return (await answer.text())
    .split('\n')
    .filter(line => line.includes('signal=') && !line.includes('level="warning"'))
    .map(line => line.replace(/model="chat",version="1",/, '').replace(',level="critical"', ''));
}

test.each<[string, Partial<LevelAssessment>, number, number]>([
  ['success', { unit: 'success rate', threshold: 0.98 }, 0.97, 0.98],
  ['latency', { unit: 'ms', threshold: 5000 }, 0.03, 0.02],
  ['accuracy', { unit: 'score', threshold: 0.98 }, 0.97, 0.98],
  ['toxicity', { unit: 'bad share' }, 0.03, 0.02],
])(
  '%s is exported as its value and threshold, with its evidence',
  async (signal, changed, value, threshold) => {
    expect(await pageOf([assessed(signal, changed)])).toEqual([
      `relaycore_model_verdict{signal="${signal}"} 1`,
      `relaycore_model_known{signal="${signal}"} 1`,
      `relaycore_model_value{signal="${signal}"} ${value}`,
      `relaycore_model_threshold{signal="${signal}"} ${threshold}`,
      `relaycore_evidence_log_r{signal="${signal}"} 30`,
      `relaycore_evidence_log_a{signal="${signal}"} 25`,
    ]);
  },
);

test('a resource is exported by names of its own, without evidence', async () => {
  const memory = {
    ...assessed('memory', { unit: 'value', threshold: 12e9, counts: { requests: 0, bad: 0 } }),
    resource: { value: 13e9, seenAt: 1000, forMs: 60_000, clearBelow: 7e9 },
  };
  expect(await pageOf([memory])).toEqual([
    'relaycore_model_verdict{signal="memory"} 1',
    'relaycore_model_known{signal="memory"} 1',
    'relaycore_resource_value{signal="memory"} 13000000000',
    'relaycore_resource_threshold{signal="memory"} 12000000000',
  ]);
});

test('a level that a resource does not have, and a value that is not seen now, are not exported', async () => {
  const memory: SignalAssessment = {
    ...assessed('memory', { unit: 'value', threshold: Number.POSITIVE_INFINITY }),
    verdict: { kind: 'unknown', reason: 'no value' },
    resource: { value: 13e9, seenAt: 0, forMs: 60_000, clearBelow: 7e9 },
  };
  expect(await pageOf([memory])).toEqual(['relaycore_model_known{signal="memory"} 0']);
});
