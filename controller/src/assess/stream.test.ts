import { describe, expect, test } from 'vitest';
import { type DetectorSettings, detectorParameters } from './detector.ts';
import { newStream, restart, type Stream, type StreamTick, step, streamView } from './stream.ts';

const tickMs = 5000;
const settings: DetectorSettings = {
  allowedBad: 0.1,
  kind: 'rate',
  yearsPerFalseAlarm: 1000,
  streams: 6,
  tickMs,
  agreementMs: { mild: 60_000, severe: 15_000 },
};
const parameters = detectorParameters(settings);

describe('a verdict', () => {
  test('fires when the evidence reaches the threshold, and keeps what it fired on', () => {
    const { stream, at } = outage();
    expect(stream).toMatchObject({
      stands: true,
      fired: { at, rule: 'shiryaev-roberts', since: at - 3 * tickMs },
    });
    expect(stream.fired!.evidence).toBeGreaterThanOrEqual(parameters.threshold);
    expect(stream.fired!.counts).toMatchObject({ requests: 150, bad: 150 });
  });

  test('waits for the minimum of requests', () => {
    const waiting = run(newStream(parameters, 0), 0, 100, { good: 0, bad: 10 }, { enoughRequests: false });
    expect(waiting.stream.stands).toBe(false);
    expect(run(waiting.stream, waiting.at, 1, { good: 0, bad: 10 }).stream.stands).toBe(true);
  });

  test('stands through a silence', () => {
    const { stream, at } = outage();
    const later = run(stream, at, 1000, { good: 0, bad: 0 });
    expect(later.stream).toMatchObject({ stands: true, fired: stream.fired });
  });

  test('stands until the recovery is proven, and no longer', () => {
    const { stream, at } = outage();
    const almost = run(stream, at, 1, { good: 60, bad: 0 });
    expect(almost.stream.stands).toBe(true);
    const { stream: recovered } = run(almost.stream, almost.at, 1, { good: 60, bad: 0 });
    expect(recovered.stands).toBe(false);
    expect(view(recovered)).toMatchObject({ stands: false, firedAt: at });
    expect(view(recovered).standsSince).toBeUndefined();
  });

  test('fires again while the trouble goes on; the change and the verdict keep their time', () => {
    const { stream, at } = outage();
    const later = run(stream, at, 60, { good: 0, bad: 50 });
    expect(view(later.stream).firedAt).toBeGreaterThan(at + 45 * tickMs);
    expect(view(later.stream)).toMatchObject({ since: view(stream).since, standsSince: at });
  });

  test('after a recovery it is another verdict, with another time', () => {
    const { stream, at } = outage();
    const good = run(stream, at, 100, { good: 50, bad: 0 });
    expect(good.stream.stands).toBe(false);
    const again = run(good.stream, good.at, 3, { good: 0, bad: 50 });
    expect(view(again.stream)).toMatchObject({ stands: true, since: good.at, standsSince: again.at });
  });
});

describe('the evidence starts with the change', () => {
  test.each([1, 5, 50])('at %i requests a tick, a day of good ones before it is not counted', perTick => {
    const day = run(newStream(parameters, 0), 0, 17_280, { good: perTick, bad: 0 });
    let bad = day;
    while (!bad.stream.stands) bad = run(bad.stream, bad.at, 1, { good: 0, bad: perTick });
    expect(bad.stream.fired).toMatchObject({ since: day.at });
    const { requests, bad: failures } = bad.stream.fired!.counts;
    expect(failures / requests).toBe(1);
  });
});

describe('hard down', () => {
  test('fires without any minimum of requests, and once', () => {
    const { stream, at } = run(newStream(parameters, 0), 0, 3, { good: 0, bad: 4 }, down);
    expect(stream.fired).toMatchObject({ rule: 'hard-down', at: tickMs, counts: { requests: 4, bad: 4 } });
    expect(run(stream, at, 100, { good: 0, bad: 0 }, down).stream.fired).toEqual(stream.fired);
  });

  test('fires anew after a restart: what stands is the trouble from before', () => {
    const { stream, at } = run(newStream(parameters, 0), 0, 3, { good: 0, bad: 4 }, down);
    const tried = restarted(stream, at + 10 * tickMs);
    expect(tried).toMatchObject({ stands: true, fired: stream.fired });
    const again = run(tried, at + 10 * tickMs, 5, { good: 0, bad: 2 }, down);
    expect(again.stream.fired).toMatchObject({
      at: at + 11 * tickMs,
      since: at + 10 * tickMs,
      standsSince: tickMs,
    });
  });
});

describe('a restart', () => {
  test('forgets evidence and recovery, keeps the verdict', () => {
    const { stream, at } = outage();
    const later = run(stream, at, 1, { good: 50, bad: 2 });
    const fresh = restarted(later.stream, later.at);
    expect(view(fresh)).toMatchObject({ stands: true, recovery: 0, recoverySince: later.at, firedAt: at });
    expect(fresh.evidence).toEqual(newStream(parameters, 0).evidence);
  });
});

test('what is seen while nothing stands: the window, and evidence that is never below zero', () => {
  const { stream } = run(newStream(parameters, 0), 0, 1000, { good: 50, bad: 0 });
  const shown = streamView(stream, parameters, { requests: 6000, bad: 30 });
  expect(shown).toMatchObject({
    stands: false,
    evidence: 0,
    counts: { requests: 6000, bad: 30 },
    allowedBad: 0.1,
  });
  expect(shown.firedAt).toBeUndefined();
  expect(JSON.parse(JSON.stringify(shown))).toEqual(shown);
});

test('a recovery bet that is lost starts again later, so that an old outage does not count against the recovery', () => {
  const { stream, at } = outage();
  const worse = run(stream, at, 2, { good: 0, bad: 50 }, { enoughRequests: false });
  expect(worse.stream.recoverySince).toBe(worse.at);
  expect(view(worse.stream).recovery).toBe(0);
});

describe('a healthy model, for a month', () => {
  test.each([
    { successRate: 0.99, level: 'warning', allowedBad: 0.05, yearsPerFalseAlarm: 1 },
    { successRate: 0.99, level: 'critical', allowedBad: 0.1, yearsPerFalseAlarm: 1000 },
    { successRate: 0.96, level: 'warning', allowedBad: 0.05, yearsPerFalseAlarm: 1 },
    { successRate: 0.96, level: 'critical', allowedBad: 0.1, yearsPerFalseAlarm: 1000 },
  ])('succeeds at $successRate: no $level', ({ successRate, allowedBad, yearsPerFalseAlarm }) => {
    const parameters = detectorParameters({ ...settings, allowedBad, yearsPerFalseAlarm });
    const failures = binomial(50, 1 - successRate, seeded(2026));
    const ticks = (30 * 86_400_000) / tickMs;
    const stream = newStream(parameters, 0);
    for (let tick = 1; tick <= ticks && !stream.fired; tick++) {
      const bad = failures();
      stepOnce(stream, tick * tickMs, { good: 50 - bad, bad }, {}, parameters);
    }
    expect(stream.fired).toBeUndefined();
  });

  test('and the same month with a success rate of 0.88 is critical within the hour', () => {
    const failures = binomial(50, 0.12, seeded(2026));
    const stream = newStream(parameters, 0);
    for (let tick = 1; tick <= 720 && !stream.fired; tick++) {
      const bad = failures();
      stepOnce(stream, tick * tickMs, { good: 50 - bad, bad }, {}, parameters);
    }
    expect(stream.fired?.rule).toBe('shiryaev-roberts');
  });
});

function restarted(stream: Stream, at: number): Stream {
  const tried = structuredClone(stream);
  restart(tried, at, parameters);
  return tried;
}

interface PerTick {
  readonly good: number;
  readonly bad: number;
}

const down = { hardDown: true, enoughRequests: false };

function stepOnce(
  stream: Stream,
  at: number,
  { good, bad }: PerTick,
  more: Partial<StreamTick> = {},
  judged = parameters,
): void {
  const observations = [
    { badness: 0, count: good },
    { badness: 1, count: bad },
  ].filter(({ count }) => count > 0);
  const tick = { at, previousAt: at - tickMs, enoughRequests: true, hardDown: false, ...more };
  step(stream, tick, observations, { requests: good + bad, bad }, judged);
}

/** Goes on from a copy, so that what was before can still be looked at. */
function run(
  from: Stream,
  startsAt: number,
  ticks: number,
  perTick: PerTick,
  more: Partial<StreamTick> = {},
) {
  const stream = structuredClone(from);
  let at = startsAt;
  for (let i = 0; i < ticks; i++) {
    at += tickMs;
    stepOnce(stream, at, perTick, more);
  }
  return { stream, at };
}

/** Good for an hour at ten requests a second, then everything fails until the verdict fires. */
function outage() {
  let state = run(newStream(parameters, 0), 0, 720, { good: 50, bad: 0 });
  while (!state.stream.stands) state = run(state.stream, state.at, 1, { good: 0, bad: 50 });
  return state;
}

const view = (stream: Stream) => streamView(stream, parameters, { requests: 0, bad: 0 });

/** mulberry32. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Successes of n trials, by inversion. */
function binomial(n: number, p: number, random: () => number): () => number {
  const upTo: number[] = [];
  let probability = (1 - p) ** n;
  for (let k = 0, sum = 0; k <= n; k++) {
    sum += probability;
    upTo.push(sum);
    probability *= ((n - k) / (k + 1)) * (p / (1 - p));
  }
  return () => {
    const drawn = random();
    const k = upTo.findIndex(sum => drawn < sum);
    return k < 0 ? n : k;
  };
}
