/** The file of last known routes: whole or not at all, on disk before anyone is told. */

import { mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Route } from './options.ts';
import { type Problem, parseKeptState, type RouteState, toWire } from './state.ts';
import { writeWhole } from './whole-file.ts';

/**
 * Reads what `writeStateFile` wrote. A missing file is a first start and no problem; whatever else cannot be used
 * becomes a warning, and the routes concerned are absent from `states`.
 */
export function readStateFile(
  path: string,
  routes: ReadonlyMap<string, Route>,
): { states: ReadonlyMap<string, RouteState>; warnings: readonly string[] } {
  const states = new Map<string, RouteState>();
  const content = readRoutes(path);
  const warnings = [...content.warnings];
  for (const [name, kept] of Object.entries(content.routes)) {
    const route = routes.get(name);
    const parsed = route ? parseKeptState(route, kept) : undefined;
    if (parsed?.kind === 'valid') states.set(name, parsed.state);
    else
      warnings.push(
        `${path}: route "${name}" is not used: ${parsed ? list(parsed.problems) : 'not configured'}`,
      );
  }
  return { states, warnings };
}

/** Replaces the file in one step. Rejects if any of it fails. */
export async function writeStateFile(path: string, states: Iterable<RouteState>): Promise<void> {
  const routes = Object.fromEntries([...states].map(state => [state.route, toWire(state)]));
  try {
    await writeWhole(path, `${JSON.stringify({ routes }, undefined, 2)}\n`, 0o600);
  } catch (cause) {
    throw new Error(`could not write the routes to ${path}`, { cause });
  }
}

/** @throws Error when the folder is missing and cannot be created, before the first change would find out. */
export function prepareFolder(path: string): void {
  try {
    mkdirSync(dirname(path), { recursive: true });
  } catch (cause) {
    throw new Error(`relay: no folder for stateFile ${path}; create it or name another file`, { cause });
  }
}

function readRoutes(path: string): { routes: Record<string, unknown>; warnings: readonly string[] } {
  try {
    const parsed: unknown = JSON.parse(readFileSync(path, 'utf8'));
    const routes = (parsed as { routes?: unknown } | null)?.routes;
    if (typeof routes === 'object' && routes !== null && !Array.isArray(routes))
      return { routes: { ...routes }, warnings: [] };
    return { routes: {}, warnings: [unusable(path, 'it has no "routes" object')] };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { routes: {}, warnings: [] };
    return { routes: {}, warnings: [unusable(path, (error as Error).message)] };
  }
}

function unusable(path: string, why: string): string {
  return `${path} cannot be used (${why}); every route starts with its initial weights until the controller sets it`;
}

function list(problems: readonly Problem[]): string {
  return `${problems.map(({ path, message }) => `${path} ${message}`).join('; ')}; it starts with its initial weights`;
}
