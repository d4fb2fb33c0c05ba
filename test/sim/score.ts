import type { Level } from '@relaycore/rules';
import type { Seen } from './operators.ts';
import type { Outcomes } from './requests.ts';
import type { Incident } from './truth.ts';

/** What one run showed; plain values, to be added up over runs. */
export interface Score {
  readonly simulatedMs: number;
  /** Time in which the primary was healthy. */
  readonly healthyMs: number;
  /** Times the judged verdict on the primary came up while it was healthy. */
  readonly falseAlarms: number;
  /** Times the traffic left a healthy target; without backups, critical verdicts that would have moved it. */
  readonly falseSwitches: number;
  readonly switches: number;
  readonly detections: readonly Detection[];
  readonly requests: number;
  readonly failed: number;
}

/** One incident of the primary, and when it was noticed, if it was. */
export interface Detection {
  readonly bound: number | null;
  readonly inTime: boolean;
  readonly delay?: { readonly ms: number; readonly requests: number };
}

export interface Scorekeeper {
  served(target: number, outcomes: Outcomes): void;
  tick(fromMs: number, toMs: number, seen: Seen): void;
  end(): Score;
}

/** Recall counts what is noticed within three times the bound and this long. */
const graceMs = 120_000;

export function scorekeeper(
  incidents: readonly (readonly Incident[])[],
  level: Level,
  durationMs: number,
): Scorekeeper {
  const truths = incidents.map(truthOf);
  const primary = incidents[0]!;
  const detections: Detection[] = [];
  const total = { requests: 0, failed: 0 };
  let [healthyMs, falseAlarms, falseSwitches, switches] = [0, 0, 0, 0];
  let arrived = 0;
  let wasSilent = false;
  let open: Open | undefined;
  let next = 0;

  return {
    served(target, { requests, failed }) {
      total.requests += requests;
      total.failed += failed;
      if (target === 0) arrived = requests;
    },
    tick(fromMs, toMs, { alarm, moved }) {
      const degraded = truths[0]!(fromMs, toMs);
      if (!degraded) {
        healthyMs += toMs - fromMs;
        if (alarm.fired[level] || (alarm.silent && !wasSilent)) falseAlarms++;
        if (incidents.length === 1 && alarm.fired.critical) falseSwitches++;
      }
      if (moved) {
        switches++;
        if (moved.to !== 0 && !truths[moved.from]!(fromMs, toMs)) falseSwitches++;
      }
      wasSilent = alarm.silent === true;
      follow(toMs, alarm.stands[level] || alarm.fired[level] || wasSilent);
    },
    end() {
      if (open) close(open);
      return {
        simulatedMs: durationMs,
        healthyMs,
        falseAlarms,
        falseSwitches,
        switches,
        detections,
        ...total,
      };
    },
  };

  function follow(toMs: number, noticed: boolean): void {
    const incident = primary[next];
    if (!open && incident && toMs > incident.startMs) {
      open = { incident, requests: 0 };
      next++;
    }
    if (!open) return;
    count(open, toMs);
    if (noticed) close(open, toMs);
    else if (toMs >= open.incident.endMs) close(open);
  }

  function count(incident: Open, toMs: number): void {
    incident.requests += arrived;
    const { bound, settledMs, startMs } = incident.incident;
    if (toMs <= settledMs && settledMs > startMs) return;
    incident.settledRequests = (incident.settledRequests ?? 0) + arrived;
    if (bound !== null && incident.dueMs === undefined && incident.settledRequests >= 3 * bound)
      incident.dueMs = toMs + graceMs;
  }

  function close({ incident, requests, dueMs }: Open, noticedMs?: number): void {
    open = undefined;
    detections.push({
      bound: incident.bound,
      inTime: noticedMs !== undefined && (dueMs === undefined || noticedMs <= dueMs),
      ...(noticedMs !== undefined && { delay: { ms: noticedMs - incident.startMs, requests } }),
    });
  }
}

interface Open {
  readonly incident: Incident;
  /** Since it began, and since it was as bad as it gets. */
  requests: number;
  settledRequests?: number;
  /** Noticed later than this, it does not count as recalled. */
  dueMs?: number;
}

/** Is any part of that tick in an incident? Asked in order of time. */
function truthOf(incidents: readonly Incident[]): (fromMs: number, toMs: number) => boolean {
  let index = 0;
  return (fromMs, toMs) => {
    while (index < incidents.length && incidents[index]!.endMs <= fromMs) index++;
    return index < incidents.length && incidents[index]!.startMs < toMs;
  };
}
