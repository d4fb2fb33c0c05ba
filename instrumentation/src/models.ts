// Not the global of this name: that one is a getter, and takes as long as the clock.
import { performance } from 'node:perf_hooks';
import { createModel, type Model, type ModelIdentity, type ObservedModel } from './model.ts';
import type { Recorder } from './record/recorder.ts';
import type { Rejections } from './rejections.ts';
import { createTicketPool } from './tickets.ts';

export interface ModelsContext {
  readonly recorder: Recorder;
  readonly rejections: Rejections;
  /** Models beyond it work, and are recorded nowhere: their series are refused. */
  readonly maximumModels: number;
  /** Aborted when nothing is recorded any more; without it that never happens. */
  readonly closing?: AbortSignal;
}

/** The models of a process: the same identity is the same model. */
export function createModels(context: ModelsContext): (identity: ModelIdentity) => Model {
  const { recorder, rejections } = context;
  const known = new Map<string, ObservedModel>();
  const maximumModels = Math.min(context.maximumModels, lastOwner);
  const shared = {
    recorder,
    rejections,
    tickets: createTicketPool({ clock: processClock }),
    random: Math.random,
    closing: context.closing ?? new AbortController().signal,
  };
  const updateGauges = () => {
    for (const model of known.values()) model.updateGauges();
  };
  recorder.beforeReading(updateGauges);

  return identity => {
    const key = keyOf(identity);
    const found = known.get(key);
    if (found !== undefined) return found.model;
    const isKept = known.size < maximumModels;
    const created = createModel(identity, { ...shared, owner: isKept ? known.size : lastOwner });
    if (isKept) known.set(key, created);
    return created.model;
  };
}

function processClock(times: Float64Array, at: number): void {
  times[at] = performance.now();
}

/** What a ticket can say of its owner, and the one of all models that are not kept. */
const lastOwner = 2 ** 16 - 1;

function keyOf(identity: ModelIdentity): string {
  const parts = [identity.name, identity.version, identity.operation, identity.provider];
  if (parts.every(part => typeof part === 'string' && part !== '')) return JSON.stringify(parts);
  throw new TypeError(
    `model(${JSON.stringify(identity)}): give name, version, operation and provider, each a text that is not empty`,
  );
}
