/** The routes' states: in memory for every request, and in the file for the next start. */

import type { Log, Route } from './options.ts';
import { type ChangeResult, changeRoute, initialState, type RouteChange, type RouteState } from './state.ts';
import { prepareFolder, readStateFile, writeStateFile } from './state-file.ts';

export interface Store {
  state(route: string): RouteState;
  states(): readonly RouteState[];
  /**
   * Applies a change once the file holds it; changes take turns. Never rejects: when the file cannot be written the
   * result is `not kept` and the old state stays. The disk has no deadline of its own, the caller's request has.
   */
  change(route: string, change: RouteChange, ifMatch: readonly string[] | undefined): Promise<StoreResult>;
  /**
   * Applies a change that is kept elsewhere already: it serves at once, and the file follows. While that cannot be
   * written, each further call tries again.
   */
  adopt(route: string, change: RouteChange): ChangeResult;
  /** Resolves when no change is being written. */
  settled(): Promise<void>;
}

export type StoreResult =
  | ChangeResult
  | { readonly kind: 'not kept'; readonly state: RouteState; readonly cause: unknown };

/** @throws Error when the folder of `stateFile` is missing and cannot be created. */
export function openStore(routes: ReadonlyMap<string, Route>, stateFile: string, log: Log): Store {
  prepareFolder(stateFile);
  const states = restore(routes, stateFile, log);
  let lastTurn: Promise<unknown> = Promise.resolve();
  /** Whether the file lacks something that was adopted. */
  let fileIsBehind = false;
  let saidBehind = false;

  function state(route: string): RouteState {
    const found = states.get(route);
    if (!found)
      throw new Error(`relay: no state for route "${route}"; known: ${[...states.keys()].join(', ')}`);
    return found;
  }

  async function takeTurn(route: string, change: RouteChange, ifMatch: readonly string[] | undefined) {
    const result = changeRoute(state(route), change, ifMatch, Date.now());
    return result.kind === 'changed' ? keep(result) : result;
  }

  async function keep(changed: ChangeResult): Promise<StoreResult> {
    const next = changed.state;
    try {
      await writeStateFile(stateFile, new Map(states).set(next.route, next).values());
    } catch (cause) {
      const message = `route "${next.route}" stays as it was: ${stateFile} could not be written`;
      log({ kind: 'state not kept', level: 'error', route: next.route, message, cause });
      return { kind: 'not kept', state: state(next.route), cause };
    }
    // What was adopted in the meantime is newer.
    if (next.generation > state(next.route).generation) set(next);
    return changed;
  }

  function set(next: RouteState): void {
    states.set(next.route, next);
    log({ kind: 'route changed', level: 'info', route: next.route, message: describe(next) });
  }

  async function catchUp(): Promise<void> {
    if (!fileIsBehind) return;
    fileIsBehind = false;
    try {
      await writeStateFile(stateFile, states.values());
      saidBehind = false;
    } catch (cause) {
      fileIsBehind = true;
      const message = `${stateFile} could not be written; the routes serve as they are, but a restart would not know them`;
      if (!saidBehind) log({ kind: 'state not kept', level: 'error', message, cause });
      saidBehind = true;
    }
  }

  return {
    state,
    states: () => [...states.values()],
    change(route, change, ifMatch) {
      const turn = lastTurn.then(() => takeTurn(route, change, ifMatch));
      lastTurn = turn;
      return turn;
    },
    adopt(route, change) {
      const result = changeRoute(state(route), change, undefined, Date.now());
      if (result.kind === 'changed') {
        set(result.state);
        fileIsBehind = true;
      }
      if (fileIsBehind) lastTurn = lastTurn.then(catchUp);
      return result;
    },
    settled: async () => void (await lastTurn),
  };
}

function restore(routes: ReadonlyMap<string, Route>, stateFile: string, log: Log): Map<string, RouteState> {
  const { states, warnings } = readStateFile(stateFile, routes);
  for (const message of warnings) log({ kind: 'state unusable', level: 'warning', message });
  for (const kept of states.values())
    log({ kind: 'state restored', level: 'info', route: kept.route, message: describe(kept) });
  return new Map(
    [...routes.values()].map(route => [route.name, states.get(route.name) ?? initialState(route)]),
  );
}

function describe({ route, weights, generation, reason }: RouteState): string {
  const shares = Object.entries(weights).map(([model, weight]) => `${model} ${weight / 100} %`);
  return `route "${route}" is at generation ${generation}: ${shares.join(', ')} (${reason})`;
}
