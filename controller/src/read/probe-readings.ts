import type { Counts, ProbeResult, Reading, Readings, SignalReadings } from '../types.ts';

/** What the probes had said at the reading before. */
export type ProbeMemory = ReadonlyMap<string, Pick<ProbeResult, 'sent'>>;

/**
 * Golden requests are readings of success as any other, for a model of which neither a gateway nor its server says how
 * many requests succeed: some servers count no failures. They never stand beside requests of callers, and their scores
 * never count as accuracy, as they are always of the same few requests.
 */
export function withProbes(
  readings: Readings,
  results: ReadonlyMap<string, ProbeResult>,
  before: ProbeMemory,
): Readings {
  if (readings.problem !== undefined || results.size === 0) return readings;
  const models = new Map(readings.models);
  for (const [model, { sent }] of results) {
    const signals = models.get(model);
    if (signals?.success.kind !== 'absent' || !sent || sent.requests === 0) continue;
    models.set(model, withSuccess(signals, since(before.get(model)?.sent, sent)));
  }
  return { ...readings, models };
}

const since = (before: Counts = { requests: 0, bad: 0 }, sent: Counts): Counts => ({
  requests: sent.requests - before.requests,
  bad: sent.bad - before.bad,
});

function withSuccess(signals: SignalReadings, { requests, bad }: Counts): SignalReadings {
  const observations = [
    { badness: 0, count: requests - bad },
    { badness: 1, count: bad },
  ].filter(({ count }) => count > 0);
  const success: Reading = {
    kind: 'counts',
    vantage: 'probe',
    levels: { warning: observations, critical: observations },
  };
  return { ...signals, success };
}
