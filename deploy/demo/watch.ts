import { setTimeout as delay } from 'node:timers/promises';

/** One switch event as the controller's API gives it, with the fields that the demo shows. */
export interface SwitchEvent {
  readonly id: number;
  readonly route: string;
  readonly generation: number;
  readonly kind: 'failover' | 'probe' | 'ramp' | 'failback' | 'balance' | 'manual' | 'adopt' | 'restore';
  readonly from_model: string;
  readonly to_model: string;
  readonly reason: string;
  readonly signal: string | null;
  readonly switch_timestamp: string;
  readonly applied_at: string | null;
  readonly outcome: string;
  readonly decision: {
    readonly evidence: {
      readonly levels: { readonly critical: { readonly since?: number; readonly firedAt?: number } };
    } | null;
  };
}

interface Level {
  readonly evidence_nats: number;
  readonly evidence_threshold_nats: number;
  readonly fired_at: string | null;
}

export interface ModelStatus {
  readonly model_id: string;
  readonly verdict: 'healthy' | 'warning' | 'critical' | 'unknown';
  readonly reason: string | null;
  readonly signals: readonly {
    readonly signal: string;
    readonly verdict: string;
    readonly warning: Level;
    readonly critical: Level;
  }[];
}

export interface RouteStatus {
  readonly route: string;
  readonly weights: Readonly<Record<string, number>>;
  readonly generation: number;
  readonly phase: string;
  readonly decision: { readonly kind: string; readonly reason: string; readonly words: string };
  readonly proposal: { readonly id: number; readonly kind: string; readonly to: string } | null;
}

export interface ControllerStatus {
  readonly evaluated_at: string | null;
  readonly problem: string | null;
  readonly routes: readonly RouteStatus[];
  readonly models: readonly ModelStatus[];
}

/** What the controller says, looked at four times a second, as any client of its API could. */
export interface Watch {
  status(): ControllerStatus | undefined;
  readonly events: readonly SwitchEvent[];
  /** Resolves with the first event, past or coming, that fits. */
  event(fits: (event: SwitchEvent) => boolean, within: Within): Promise<SwitchEvent>;
  /** Resolves when the status fits. */
  until(fits: (status: ControllerStatus) => boolean, within: Within): Promise<ControllerStatus>;
  stop(): void;
}

interface Within {
  readonly ms: number;
  /** For the error when it never happens. */
  readonly what: string;
}

const lookEveryMs = 250;

export function watchController(url: string, onEvent: (event: SwitchEvent) => void): Watch {
  const stopped = new AbortController();
  const events: SwitchEvent[] = [];
  let status: ControllerStatus | undefined;

  async function look(): Promise<void> {
    const signal = AbortSignal.any([stopped.signal, AbortSignal.timeout(2000)]);
    const ask = async (path: string) => (await fetch(`${url}/api/v1/performance/${path}`, { signal })).json();
    status = (await ask('model-status')) as ControllerStatus;
    const history = (await ask('switch-history?limit=500')) as { events: SwitchEvent[] };
    for (const event of history.events.toReversed()) {
      const known = events.findIndex(({ id }) => id === event.id);
      if (known >= 0) events[known] = event;
      else {
        events.push(event);
        onEvent(event);
      }
    }
  }

  void (async () => {
    while (!stopped.signal.aborted) {
      // While the controller is away there is nothing to see; the story goes on.
      await look().catch(() => undefined);
      await delay(lookEveryMs, undefined, { signal: stopped.signal }).catch(() => undefined);
    }
  })();

  async function waitFor<T>(find: () => T | undefined, { ms, what }: Within): Promise<T> {
    const deadline = performance.now() + ms;
    for (;;) {
      const found = find();
      if (found !== undefined) return found;
      if (performance.now() > deadline) throw new Error(`${what} did not happen within ${ms / 1000} s`);
      await delay(lookEveryMs, undefined, { signal: stopped.signal });
    }
  }

  return {
    status: () => status,
    events,
    event: (fits, within) => waitFor(() => events.find(fits), within),
    until: (fits, within) => waitFor(() => (status && fits(status) ? status : undefined), within),
    stop: () => stopped.abort(),
  };
}
