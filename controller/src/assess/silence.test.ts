import { describe, expect, test } from 'vitest';
import { addToTraffic, noTraffic, silenceOf, type Traffic } from './silence.ts';

const tickMs = 5000;
const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const threshold = 24;
const monday = Date.UTC(2026, 0, 5);

/** Ticks until then; `perTick` is asked for the time of each. */
function pass(traffic: Traffic, from: number, until: number, perTick: (at: number) => number): void {
  for (let at = from + tickMs; at <= until; at += tickMs) addToTraffic(traffic, at, tickMs, perTick(at));
}

function afterDays(days: number, perTick: (at: number) => number) {
  const traffic = noTraffic(monday);
  const until = monday + days * dayMs + hourMs;
  pass(traffic, monday, until, perTick);
  const silentAfter = (ms: number) => silenceOf(traffic, traffic.lastAt + ms, threshold);
  return { traffic, silentAfter };
}

describe('silence', () => {
  test('is believed once even the quietest hour does not explain it', () => {
    // One request a second, one in five between two and three at night.
    const atNight = (at: number) => Math.floor((at % dayMs) / hourMs) === 2;
    const { traffic, silentAfter } = afterDays(2, at => (atNight(at) ? 1 : 5));
    expect(silentAfter((24 / 0.2) * 1000 - tickMs)).toBeUndefined();
    expect(silentAfter((24 / 0.2) * 1000 + tickMs)).toMatchObject({ since: traffic.lastAt });
  });

  test('of a busy model takes half a minute at least', () => {
    const { silentAfter } = afterDays(2, () => 500);
    expect(silentAfter(29_000)).toBeUndefined();
    expect(silentAfter(30_000)).toMatchObject({ believedAfterMs: 30_000 });
  });

  test('is not believed before a whole day was seen', () => {
    expect(afterDays(0.5, () => 500).silentAfter(hourMs)).toBeUndefined();
  });

  test('is never believed of a model that has idle hours', () => {
    const { silentAfter } = afterDays(3, at => (Math.floor((at % dayMs) / hourMs) === 3 ? 0 : 50));
    expect(silentAfter(10 * hourMs)).toBeUndefined();
  });

  test('remembers a quiet Sunday for a week', () => {
    const sunday = monday + 6 * dayMs;
    const perTick = (at: number) => (at >= sunday && at < sunday + dayMs ? 1 : 50);
    const { silentAfter } = afterDays(12, perTick);
    expect(silentAfter(60_000)).toBeUndefined();
    expect(silentAfter(121_000)).toBeDefined();
    expect(afterDays(15, perTick).silentAfter(60_000)).toBeDefined();
  });

  test('an hour that was hardly seen is no quiet hour', () => {
    const traffic = noTraffic(monday);
    pass(traffic, monday, monday + 5 * hourMs, () => 50);
    // Nothing was read for most of the sixth hour.
    pass(traffic, monday + 5.8 * hourMs, monday + 25 * hourMs, () => 50);
    expect(silenceOf(traffic, traffic.lastAt + 60_000, threshold)).toMatchObject({ believedAfterMs: 30_000 });
  });
});
