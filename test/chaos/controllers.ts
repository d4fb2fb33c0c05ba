import { type Logger, pino } from 'pino';
import type { HandParts } from '../../controller/src/api/by-hand.ts';
import { createLoop, type Loop, type LoopParts } from '../../controller/src/loop.ts';
import { probeResult } from '../../controller/src/read/probe-result.ts';
import type { Prober } from '../../controller/src/read/probes.ts';
import { type Reader, readerOf } from '../../controller/src/read/prometheus.ts';
import type { Telemetry } from '../../controller/src/telemetry.ts';
import type { ProbeResult } from '../../controller/src/types.ts';
import { driverFor } from './gateway.ts';
import type { Watch } from './invariants.ts';
import { type Life, newLife } from './life.ts';
import type { Outside } from './outside.ts';
import type { Scene } from './scene.ts';
import { models, probeEveryMs } from './stage.ts';

/** One process of the controller: the real loop, on parts that go to what is outside of this play. */
export interface Controller {
  readonly life: Life;
  readonly hands: HandParts;
  readonly stopping: AbortController;
  readonly looked: Looked;
}

/** The probes as the controller last looked at them. */
interface Looked {
  probes: ReadonlyMap<string, ProbeResult>;
  at: number;
}

export interface Controllers {
  start(): void;
  /** Those that have neither crashed nor been told to stop, oldest first. */
  working(): readonly Controller[];
  named(name: string): Controller;
}

export interface ControllersParts {
  readonly scene: Scene;
  readonly outside: Outside;
  readonly guard: Watch;
  readonly tamper: (parts: LoopParts) => LoopParts;
  /** A round is over. */
  readonly onRest: (name: string, loop: Loop) => void;
}

const prometheusTimeoutMs = 10_000;

export function controllersOf({ scene, outside, guard, tamper, onRest }: ControllersParts): Controllers {
  const all: Controller[] = [];
  const { time, policy, count, tell, stream } = scene;

  function start(): void {
    const name = `controller ${all.length + 1}`;
    let loop: Loop | undefined;
    const onSleep = () => loop && onRest(name, loop);
    const life = newLife({ name, time, random: stream(name), onSleep });
    const looked: Looked = { probes: new Map(), at: time.now() };
    const parts = tamper(partsOf(life, looked));
    loop = createLoop(parts);
    const stopping = new AbortController();
    all.push({ life, hands: { ...parts, loop }, stopping, looked });
    life.onCrash(() => {
      count('crashes');
      tell(() => `${name} CRASHES`);
      guard.judged(name, undefined);
    });
    tell(() => `${name} starts`);
    void loop.run(stopping.signal);
  }

  function partsOf(life: Life, looked: Looked): LoopParts {
    const { prometheus, database, gateways } = outside;
    const client = prometheus.connect(life, prometheusTimeoutMs);
    const reader = readerOf('prometheus', { needed: client, optional: client });
    return {
      policy,
      clock: life.clock,
      database: database.connect(life),
      drivers: new Map([...gateways].map(([route, list]) => [route, driverFor(list, life)])),
      reader: observed(reader, (at, isWhole) => guard.read(life.name, at, isWhole)),
      prober: proberOf(scene, outside, life, looked),
      telemetry: unseen,
      log: logOf(scene, life),
    };
  }

  return {
    start,
    working: () => all.filter(({ life, stopping }) => life.isAlive() && !stopping.signal.aborted),
    named: name => all.find(({ life }) => life.name === name)!,
  };
}

function observed(reader: Reader, onRead: (at: number, isWhole: boolean) => void): Reader {
  return {
    async read(policy, at) {
      const readings = await reader.read(policy, at);
      onRead(at, readings.problem === undefined);
      return readings;
    },
  };
}

function proberOf({ now, time }: Scene, { truth }: Outside, life: Life, looked: Looked): Prober {
  const results = new Map<string, ProbeResult>();
  const round = () => {
    if (!life.isAlive()) return;
    const late = new Set(now('probes').flatMap(({ how, model }) => (how === 'are late' ? model : [])));
    for (const model of models) {
      if (late.has(model)) continue;
      const outcome = truth.probeFails(model) ? { failure: 'answered 503' } : { durationMs: 12 };
      results.set(model, probeResult(results.get(model), time.now(), outcome));
    }
    time.after(probeEveryMs, round);
  };
  time.after(50, round);
  return {
    results() {
      looked.probes = new Map(results);
      looked.at = time.now();
      return results;
    },
    probe: async model => results.get(model.id)!,
    stop: async () => undefined,
  };
}

function logOf({ count, tell }: Scene, { name }: Life): Logger {
  const write = (line: string) => {
    const { level: _level, msg, ...rest } = JSON.parse(line);
    if (msg.startsWith('another controller decided first')) count('lost to another');
    tell(() => `${name}: ${msg} ${JSON.stringify(rest)}`);
  };
  return pino({ level: 'warn', base: null, timestamp: false }, { write });
}

/** Nobody looks at the metrics of a simulation. */
const unseen: Telemetry = {
  ticked: () => undefined,
  queried: () => undefined,
  applied: () => undefined,
  switched: () => undefined,
  handle: () => undefined,
  close: async () => undefined,
};
