import { userInfo } from 'node:os';
import type { Command } from 'commander';
import { asksController, type ControllerOptions, controllerClient } from './controller-client.ts';
import { wrongUsage } from './exit.ts';
import { print } from './text.ts';
import { ending, until } from './times.ts';

/* What a person does to routes. Every action says who and why, and comes down to one request. */

export function addActions(program: Command): void {
  onRoute(program, 'switch', 'move a route to a target; after that it goes on by itself')
    .argument('<target>')
    .option('--force', 'also to a target that is degraded')
    .action(switchRoute);
  timed(onRoute(program, 'pin', 'keep a route on one target until then'))
    .argument('[target]', 'the one that serves, when left out')
    .option('--force', 'also to a target that is degraded')
    .action(pin);
  onRoute(program, 'unpin', 'lift a pin; the route goes on by itself').action(unpin);
  timed(onRouteOrAll(program, 'freeze', 'no automatic change until then; a person may still switch'))
    .option('--all', 'every route: stop the line')
    .action(freeze);
  onRouteOrAll(program, 'unfreeze', 'lift a freeze')
    .option('--all', 'every freeze, whoever laid it')
    .action(unfreeze);
  signed(program, 'approve', 'make a proposed change, if it is still what would be decided')
    .argument('<id>', 'of the proposal')
    .option('--reason <text>', 'for the record')
    .action(approve);
  signed(program, 'reject', 'refuse a proposed change; it is not proposed again for a while')
    .argument('<id>', 'of the proposal')
    .requiredOption('--reason <text>', 'why, for the record')
    .action(reject);
}

interface Signed extends ControllerOptions {
  readonly actor: string;
  readonly reason?: string;
  readonly generation?: string;
}

function signed(program: Command, name: string, description: string): Command {
  return asksController(program.command(name).description(description))
    .option('--actor <name>', 'who does it', loginName())
    .option('--generation <number>', 'only if the route is still at this generation');
}

const onRoute = (program: Command, name: string, description: string) =>
  signed(program, name, description)
    .argument('<route>')
    .requiredOption('--reason <text>', 'why, for the record');

const onRouteOrAll = (program: Command, name: string, description: string) =>
  signed(program, name, description)
    .argument('[route]')
    .requiredOption('--reason <text>', 'why, for the record');

const timed = (command: Command) =>
  command
    .option('--for <span>', 'how long, such as 30m, 2h, 1d')
    .option('--until <time>', 'or until when, such as 2026-11-01T18:00');

function loginName(): string {
  try {
    return userInfo().username;
  } catch {
    return 'relayctl';
  }
}

/** What every request says. */
function bodyOf({ actor, reason, generation }: Signed): object {
  if (generation !== undefined && !/^\d+$/.test(generation))
    throw wrongUsage(`--generation ${generation} is not one; "relayctl status" shows it`);
  return {
    actor,
    ...(reason !== undefined && { reason }),
    ...(generation !== undefined && { expected_generation: Number(generation) }),
  };
}

const pathOf = (route: string, hand: string) => `routes/${encodeURIComponent(route)}/${hand}`;

interface Moved {
  readonly route: string;
  readonly target: string;
  readonly generation: number;
  readonly outcome: string;
}

async function switchRoute(route: string, target: string, options: Signed & { force?: boolean }) {
  const body = { ...bodyOf(options), route, target, force: options.force ?? false };
  const moved = await controllerClient(options).post<Moved>('switch-model', body);
  print(moved, options, () => `${route} is served by ${target}${asTold(moved)}`);
}

type Ending = { readonly for?: string; readonly until?: string };

async function pin(
  route: string,
  target: string | undefined,
  options: Signed & Ending & { force?: boolean },
) {
  const expires_at = ending(options, Date.now());
  const body = { ...bodyOf(options), ...(target && { target }), expires_at, force: options.force ?? false };
  const moved = await controllerClient(options).post<Moved>(pathOf(route, 'pin'), body);
  const end = until(expires_at, Date.now());
  print(moved, options, () => `${route} is pinned to ${moved.target} until ${end}${asTold(moved)}`);
}

async function unpin(route: string, options: Signed) {
  const done = await controllerClient(options).post(pathOf(route, 'unpin'), bodyOf(options));
  print(done, options, () => `${route} is no longer pinned and goes on by itself`);
}

async function freeze(route: string | undefined, options: Signed & Ending & { all?: boolean }) {
  const one = oneOrAll(route, options);
  const expires_at = ending(options, Date.now());
  const body = { ...bodyOf(options), expires_at };
  const client = controllerClient(options);
  const end = until(expires_at, Date.now());
  if (one !== undefined) {
    const done = await client.post(pathOf(one, 'freeze'), body);
    print(done, options, () => `${one} is frozen until ${end}: nothing moves it but a person`);
    return;
  }
  const done = await client.post<Stopped>('freeze', body);
  print(done, options, ({ routes, frozen_for_longer, not_taken_over }) =>
    [
      `${listed(routes)} frozen until ${end}: nothing moves but by a person`,
      ...(frozen_for_longer.length > 0 ? [`already frozen for longer: ${frozen_for_longer.join(', ')}`] : []),
      ...(not_taken_over.length > 0
        ? [`not frozen, because their gateway has not answered yet: ${not_taken_over.join(', ')}`]
        : []),
    ].join('\n'),
  );
}

interface Stopped {
  readonly routes: readonly string[];
  readonly frozen_for_longer: readonly string[];
  readonly not_taken_over: readonly string[];
}

async function unfreeze(route: string | undefined, options: Signed & { all?: boolean }) {
  const one = oneOrAll(route, options);
  const client = controllerClient(options);
  if (one !== undefined) {
    const done = await client.post(pathOf(one, 'unfreeze'), bodyOf(options));
    print(done, options, () => `${one} is no longer frozen and goes on by itself`);
    return;
  }
  const done = await client.post<Pick<Stopped, 'routes'>>('unfreeze', bodyOf(options));
  print(done, options, ({ routes }) =>
    routes.length === 0 ? 'no route was frozen' : `${listed(routes)} no longer frozen`,
  );
}

function oneOrAll(
  route: string | undefined,
  { all, generation }: Signed & { all?: boolean },
): string | undefined {
  if ((route === undefined) !== (all === true)) throw wrongUsage('name a route, or give --all');
  if (all && generation !== undefined) throw wrongUsage('--generation belongs to one route, not to --all');
  return route;
}

const listed = (routes: readonly string[]) =>
  routes.length === 1 ? `${routes[0]} is` : `${routes.length} routes are (${routes.join(', ')})`;

interface Answered extends Moved {
  readonly kind: string;
  readonly from: string;
  readonly to: string;
  readonly not_proposed_before: string;
}

async function approve(id: string, options: Signed) {
  const path = `proposals/${numbered(id)}/approve`;
  const done = await controllerClient(options).post<Answered>(path, bodyOf(options));
  print(done, options, ({ route, kind, from, to }) => `${route}: ${kind} ${from} → ${to}${asTold(done)}`);
}

async function reject(id: string, options: Signed) {
  const path = `proposals/${numbered(id)}/reject`;
  const done = await controllerClient(options).post<Answered>(path, bodyOf(options));
  print(
    done,
    options,
    ({ route, kind, to, not_proposed_before }) =>
      `${route}: ${kind} to ${to} is rejected, and not proposed again before ${until(not_proposed_before, Date.now())}`,
  );
}

function numbered(id: string): string {
  if (/^\d+$/.test(id)) return id;
  throw wrongUsage(`"${id}" is not the number of a proposal; "relayctl proposals" shows them`);
}

const asTold = ({ generation, outcome }: Moved) =>
  outcome === 'applied'
    ? ` (generation ${generation}, held by the gateway)`
    : ` (generation ${generation}; the gateway does not hold it yet, see "relayctl status")`;
