import { loadPolicy, type Policy } from '@relaycore/rules';
import type { Prober } from '../../controller/src/read/probes.ts';
import type { Reader } from '../../controller/src/read/prometheus.ts';
import type { Readings, ResourceReadings, SignalReadings } from '../../controller/src/types.ts';

/** A policy from its YAML; throws with its problems when there are any. */
export function policyOf(yaml: string): Policy {
  const loaded = loadPolicy(yaml);
  if (loaded.kind === 'ok') return loaded.policy;
  throw new Error(loaded.problems.map(({ path, message }) => `${path}: ${message}`).join('\n'));
}

/** What callers of a model get, 100 requests a tick. */
export type Behaviour = 'good' | 'failing' | 'silent';

export interface ScriptedReader extends Reader {
  /** How each model behaves from now on; good unless stated. */
  behave(behaviours: Readonly<Record<string, Behaviour>>): void;
  /** How many requests each model gets in a tick from now on; a hundred unless stated. */
  gets(requests: Readonly<Record<string, number>>): void;
  /** Values of resources by model, from now on. */
  uses(resources: Readonly<Record<string, Readonly<Record<string, number>>>>): void;
  /** Why nothing can be read, until told otherwise. */
  fail(problem: string | undefined): void;
  /** How often it was read. */
  reads(): number;
}

/** Says what the test wants, without a Prometheus. */
export function scriptedReader(): ScriptedReader {
  let script: Readonly<Record<string, Behaviour>> = {};
  let used: Parameters<ScriptedReader['uses']>[0] = {};
  let traffic: Readonly<Record<string, number>> = {};
  let problem: string | undefined;
  let reads = 0;
  return {
    behave(behaviours) {
      script = { ...script, ...behaviours };
    },
    gets(requests) {
      traffic = requests;
    },
    uses(resources) {
      used = resources;
    },
    fail(reason) {
      problem = reason;
    },
    reads: () => reads,
    async read(policy, at): Promise<Readings> {
      reads += 1;
      const models = Object.keys(policy.models).map(
        model =>
          [
            model,
            signalReadings(
              problem === undefined ? (script[model] ?? 'good') : 'silent',
              traffic[model] ?? 100,
            ),
          ] as const,
      );
      return {
        at,
        queries: {},
        models: new Map(models),
        resources: resourceReadings(used),
        ...(problem !== undefined && { problem }),
      };
    },
  };
}

function resourceReadings(used: Parameters<ScriptedReader['uses']>[0]): ResourceReadings {
  const values = (resources: Readonly<Record<string, number>>) =>
    new Map(Object.entries(resources).map(([name, value]) => [name, { value, instance: 'a:1' }]));
  return new Map(Object.entries(used).map(([model, resources]) => [model, values(resources)]));
}

function signalReadings(behaviour: Behaviour, requests: number): SignalReadings {
  const absent = { kind: 'absent', reason: 'nothing was measured' } as const;
  const observed = [{ badness: behaviour === 'failing' ? 1 : 0, count: requests }];
  const success = {
    kind: 'counts',
    vantage: 'gateway',
    levels: { warning: observed, critical: observed },
  } as const;
  return {
    success: behaviour === 'silent' ? absent : success,
    latency: absent,
    accuracy: absent,
    feedback: absent,
  };
}

/** Nothing is probed: evidence from traffic has to vouch for the targets. */
export const noProber: Prober = {
  results: () => new Map(),
  probe: async () => ({ kind: 'passed', at: 0, durationMs: 1 }),
  stop: async () => undefined,
};
