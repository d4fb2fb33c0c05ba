/** Which target gets a route's next attempt, as things stand in this process, and the count of how it went. */

import type { AttemptOutcome, Gateway, GatewayEventName } from '@neuroweaver/instrumentation';
import { createCapacity } from './capacity.ts';
import type { Log, Route, Target } from './options.ts';
import { createOutliers, type Turn } from './outliers.ts';
import { createRetryBudget } from './retry-budget.ts';

export interface Dispatch {
  /** Counts a caller's request in. Its targets come back with those that have just failed behind the others. */
  arrange(targets: readonly Target[]): readonly Target[];
  /** The first that has room. Where none has: the first, or undefined if the route refuses then. */
  choose(targets: readonly Target[]): Target | undefined;
  hasRoom(target: Target): boolean;
  /** Whether a request that this target may have begun to work on may be tried again; spends from the budget. */
  mayRepeat(target: Target): boolean;
  /** Begins an attempt, which takes a place at the target until it ends. */
  begin(target: Target, options?: { readonly shadow: boolean }): End;
  note(event: GatewayEventName, target: Target): void;
}

/** Counts an attempt. `retried`: another one follows, so that the caller sees nothing of this one. */
export type End = (outcome: AttemptOutcome, retried: boolean) => void;

interface Context {
  readonly telemetry: Gateway;
  readonly log: Log;
  readonly random: () => number;
}

export function createDispatch(route: Route, { telemetry, log, random }: Context): Dispatch {
  const capacity = createCapacity(route.targets, performance.now());
  const budget = createRetryBudget(route.retryBudget);
  const outliers = route.outliers && createOutliers(route.targets, route.outliers, random);

  function note(event: GatewayEventName, { model, version }: Target): void {
    telemetry.event({ route: route.name, model, version, event, shadow: event === 'shadow_dropped' });
  }

  function begin(target: Target, { shadow } = { shadow: false }): End {
    const begunMs = performance.now();
    const release = capacity.take(target, begunMs);
    const hear = outliers?.begin(target, begunMs);
    return (outcome, retried) => {
      const nowMs = performance.now();
      release();
      const turn = hear?.(outcome, nowMs);
      if (turn) log({ ...wordsFor(turn, target, route), route: route.name });
      const { model, version } = target;
      const seconds = (nowMs - begunMs) / 1_000;
      telemetry.attempt({ route: route.name, model, version, outcome, retried, seconds, shadow });
    };
  }

  return {
    arrange(targets) {
      const nowMs = performance.now();
      budget.request(nowMs);
      const arranged = outliers?.arrange(targets, nowMs) ?? targets;
      if (arranged[0] !== targets[0]) note('avoided', targets[0]!);
      return arranged;
    },
    choose(targets) {
      const [first] = targets;
      if (!first) return undefined;
      const nowMs = performance.now();
      const withRoom = targets.find(target => capacity.hasRoom(target, nowMs));
      if (withRoom === first) return first;
      note(withRoom ? 'spilled' : 'full', first);
      return withRoom ?? (route.whenFull === 'send' ? first : undefined);
    },
    hasRoom: target => capacity.hasRoom(target, performance.now()),
    mayRepeat(target) {
      const allowed = budget.spend(performance.now());
      if (!allowed) note('retry_withheld', target);
      return allowed;
    },
    begin,
    note,
  };
}

function wordsFor(turn: Turn, { model }: Target, { name, outliers }: Route) {
  if (turn.kind === 'trusted again') {
    const message = `${model} answers again and is tried in its turn for route "${name}"`;
    return { kind: 'target trusted again', level: 'info', message } as const;
  }
  const message = `${model} failed ${outliers?.failuresInRow} times in a row and is tried last for route "${name}", first for ${Math.round(turn.forMs)} ms; the weights stay as they are`;
  return { kind: 'target avoided', level: 'warning', message } as const;
}
