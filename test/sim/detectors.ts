import { type Level, levels, type Policy, type Signal } from '@relaycore/rules';
import { assess, type ModelState, newModelState } from '../../controller/src/assess/assess.ts';
import type { Assessment, SignalReadings } from '../../controller/src/types.ts';

export const detectorNames = ['ours', 'naive', 'naive-for-5m', 'wilson-3', 'wilson-5'] as const;
export type DetectorName = (typeof detectorNames)[number];

/** What a detector says about one model after a tick. */
export interface Alarm {
  /** The verdict of that level came up in this tick. */
  readonly fired: Readonly<Record<Level, boolean>>;
  readonly stands: Readonly<Record<Level, boolean>>;
  /** No request came for longer than it ever should: people are told, whatever the level. */
  readonly silent?: boolean;
}

export interface Watched {
  readonly policy: Policy;
  readonly signals: readonly Signal[];
  readonly model: string;
}

/** The controller's own, one model. */
export function ours({ policy, signals, model }: Watched): (at: number, readings: SignalReadings) => Alarm {
  let state: ModelState | undefined;
  return (at, readings) => {
    state ??= newModelState(at);
    return alarmOf(assess(state, { model, signals, policy, readings, at }), state);
  };
}

/** From the state itself: what an assessment shows of it would take longer than the assessing. */
export function alarmOf({ at, verdict, silence }: Assessment, { signals }: ModelState): Alarm {
  const alarm = {
    fired: { warning: false, critical: false },
    stands: { warning: false, critical: false },
    silent: silence !== undefined,
  };
  for (const name in signals)
    for (const level of levels) {
      const { stands, fired } = signals[name]!.streams[level];
      if (stands) alarm.stands[level] = true;
      if (fired?.at === at) alarm.fired[level] = true;
    }
  // That of a model without requests is not among them.
  if (verdict.kind === 'degraded') {
    alarm.stands[verdict.level] = true;
    if (verdict.since === at) alarm.fired[verdict.level] = true;
  }
  return alarm;
}

export interface Windowed {
  tick(readings: SignalReadings): Alarm;
}

const windowMs = 600_000;
const forMs = 300_000;

/** Detectors that compare the last ten minutes with the threshold: what people write into their alert rules. */
export function windowed(name: Exclude<DetectorName, 'ours'>, { policy, signals }: Watched): Windowed {
  const { tickMs } = policy.detection;
  const ticks = Math.max(1, Math.round(windowMs / tickMs));
  const forTicks = name === 'naive-for-5m' ? Math.round(forMs / tickMs) : 0;
  const exceeded = comparison(name, policy.alerts.minRequests);
  const parts = signals.flatMap(signal => levels.map(level => ({ signal, level, part: windowPart(ticks) })));
  return {
    tick(readings) {
      const alarm = {
        fired: { warning: false, critical: false },
        stands: { warning: false, critical: false },
      };
      for (const { signal, level, part } of parts) {
        const reading = readings[signal.name];
        if (reading?.kind === 'counts') part.add(reading.levels[level]);
        else part.add([]);
        const is = exceeded(part.requests(), part.bad(), signal.levels[level].allowedBad);
        const stood = part.heldTicks > forTicks;
        part.heldTicks = is ? part.heldTicks + 1 : 0;
        const stands = part.heldTicks > forTicks;
        if (stands) alarm.stands[level] = true;
        if (stands && !stood) alarm.fired[level] = true;
      }
      return alarm;
    },
  };
}

function comparison(
  name: Exclude<DetectorName, 'ours'>,
  minRequests: number,
): (requests: number, bad: number, allowedBad: number) => boolean {
  switch (name) {
    case 'naive':
    case 'naive-for-5m':
      return (requests, bad, allowedBad) => requests >= minRequests && bad > allowedBad * requests;
    case 'wilson-3':
      return (requests, bad, allowedBad) => wilsonLower(requests, bad, 3) > allowedBad;
    case 'wilson-5':
      return (requests, bad, allowedBad) => wilsonLower(requests, bad, 5) > allowedBad;
  }
}

/** Lower end of the Wilson score interval of a share (1927), z standard deviations wide. */
function wilsonLower(requests: number, bad: number, z: number): number {
  if (requests === 0) return 0;
  const share = bad / requests;
  const z2 = (z * z) / requests;
  const half = z * Math.sqrt((share * (1 - share)) / requests + z2 / (4 * requests));
  return (share + z2 / 2 - half) / (1 + z2);
}

/** Sums over the last ticks. */
function windowPart(ticks: number) {
  const requests = new Float64Array(ticks);
  const bad = new Float64Array(ticks);
  let slot = 0;
  let requestSum = 0;
  let badSum = 0;
  return {
    heldTicks: 0,
    requests: () => requestSum,
    // Tenths do not add up exactly, and a sum at the threshold is not beyond it.
    bad: () => Math.round(badSum * 1e6) / 1e6,
    add(observations: readonly { readonly badness: number; readonly count: number }[]) {
      requestSum -= requests[slot]!;
      badSum -= bad[slot]!;
      requests[slot] = 0;
      bad[slot] = 0;
      for (const { badness, count } of observations) {
        requests[slot]! += count;
        bad[slot]! += badness * count;
      }
      requestSum += requests[slot]!;
      badSum += bad[slot]!;
      slot = (slot + 1) % ticks;
    },
  };
}
