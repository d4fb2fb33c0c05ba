import type { Command } from 'commander';
import type { auditView, modelView, proposalView, routeView, switchEventView } from '../api/views.ts';
import type { Decision } from '../types.ts';
import { asksController, type ControllerOptions, controllerClient } from './controller-client.ts';
import { Ended, exits, wrongUsage } from './exit.ts';
import { bold, dim, indented, print, type Row, red, table } from './text.ts';
import { ago, instant, local, until, withLocalTimes } from './times.ts';

/* What a person looks at. Each command is one request, set as a table. */

export function addLooks(program: Command): void {
  const look = (name: string, description: string) =>
    asksController(program.command(name).description(description));
  const list = (name: string, description: string) =>
    look(name, description)
      .option('--route <route>', 'of this route only')
      .option('--limit <number>', 'at most so many, newest first', '20');

  look('status', 'every route and model now').action(status);
  look('explain', 'what a route does, or did at a time, and why')
    .argument('<route>')
    .option('--at <time>', 'ISO 8601, epoch milliseconds, or a time ago such as 2h')
    .action(explain);
  list('proposals', 'changes that wait for a person')
    .option('--all', 'also those that are closed')
    .action(proposals);
  list('history', 'changes of routes').action(history);
  list('audit', 'who did what')
    .option('--verify', 'check that nothing was changed or taken out')
    .action(audit);
}

type RouteView = ReturnType<typeof routeView>;
type ModelView = ReturnType<typeof modelView>;
type ProposalView = ReturnType<typeof proposalView>;

interface StatusAnswer {
  readonly evaluated_at: string | null;
  readonly problem: string | null;
  readonly routes: readonly RouteView[];
  readonly models: readonly ModelView[];
}

async function status(options: ControllerOptions): Promise<void> {
  const answer = await controllerClient(options).get<StatusAnswer>('model-status');
  print(answer, options, ({ evaluated_at, problem, routes, models }) =>
    [
      evaluated_at === null ? 'not assessed yet' : dim(`assessed ${ago(evaluated_at, Date.now())}`),
      ...(problem === null ? [] : [red(problem)]),
      '',
      table(['ROUTE', 'SERVES', 'PHASE', 'SINCE', 'MODE', 'GENERATION', 'DECISION'], routes.map(routeRow)),
      '',
      table(['MODEL', 'VERDICT', 'HEALTH', 'PROBE', 'BAD / ALLOWED'], models.map(modelRow)),
    ].join('\n'),
  );
}

function routeRow(view: RouteView): Row {
  if (!('weights' in view))
    return { cells: [view.route, '–', view.phase, '–', view.mode, '–', '–'], notes: [view.note] };
  const { gateway, decision, proposal, traffic } = view;
  const phase = view.phase;
  return {
    cells: [
      view.route,
      shares(view.weights),
      phase,
      ago(view.phase_since, Date.now()),
      view.mode,
      String(view.generation),
      proposal ? `${proposal.kind} proposed` : `${decision.kind}, ${decision.reason.replaceAll('_', ' ')}`,
    ],
    notes: [
      withLocalTimes(decision.words),
      ...(proposal ? [asked(proposal)] : []),
      ...('detail' in gateway ? [`the gateway does not hold it: ${gateway.detail}`] : []),
      ...(traffic === null ? [] : [`traffic: ${trafficWords(traffic)}`]),
    ],
  };
}

type TrafficView = NonNullable<Extract<RouteView, { weights: unknown }>['traffic']>;

function trafficWords({ state, since, detail }: TrafficView): string {
  if (state === 'confirmed') return `as told, confirmed ${ago(since!, Date.now())}`;
  if (state === 'not_followed') return red(`${detail}, since ${ago(since!, Date.now())}`);
  return `${state === 'untold' ? 'cannot be told' : 'not confirmed yet'}: ${detail}`;
}

function asked({ id, mode, kind, to, proposed_at, expires_at }: ProposalView): string {
  const end = expires_at === null ? '' : `, open until ${until(expires_at, Date.now())}`;
  const how = mode === 'approve' ? `: relayctl approve ${id}, or reject` : '';
  return `proposal ${id}, ${ago(proposed_at, Date.now())}: ${kind} to ${to}${end}${how}`;
}

function modelRow({ model_id, model_version, verdict, health_score, probe, signals }: ModelView): Row {
  return {
    cells: [
      model_version === null ? model_id : `${model_id} ${model_version}`,
      verdict,
      health_score === null ? '–' : health_score.toFixed(2),
      probe?.result ?? '–',
      signals.map(({ signal, critical }) => `${signal} ${badness(critical)}`).join('   '),
    ],
  };
}

const badness = ({ bad_fraction, allowed_bad_fraction }: ModelView['signals'][number]['critical']) =>
  bad_fraction === null ? '–' : `${percent(bad_fraction)} / ${percent(allowed_bad_fraction)} %`;

const percent = (share: number) => Number((100 * share).toFixed(1));

const shares = (weights: Readonly<Record<string, number>>) =>
  Object.entries(weights)
    .filter(([, weight]) => weight > 0)
    .map(([model, weight]) => (weight === 10_000 ? model : `${model} ${weight / 100} %`))
    .join(', ');

interface Explanation {
  readonly route: string;
  readonly at: string;
  readonly words: string;
  readonly decision: Decision;
}

async function explain(route: string, options: ControllerOptions & { at?: string }): Promise<void> {
  const at =
    options.at === undefined ? undefined : new Date(instant('--at', options.at, Date.now())).toISOString();
  const path = `routes/${encodeURIComponent(route)}/explain`;
  const answer = await controllerClient(options).get<Explanation>(path, { at });
  print(answer, options, ({ at, words, decision }) =>
    [
      dim(local(at)),
      ...withLocalTimes(words)
        .split('\n')
        .map((line, i) => (i === 0 ? bold(line) : indented(line))),
      ...alternatives(decision),
    ].join('\n'),
  );
}

/** What was thought of the other targets, also by what would be decided under a person's hand. */
function alternatives(decision: Decision): string[] {
  const weighed =
    ('otherwise' in decision ? decision.otherwise : undefined)?.alternatives ?? decision.alternatives;
  if (!weighed || weighed.length === 0) return [];
  const rows = weighed.map(({ model, chosen, why }) => ({ cells: [model, chosen ? 'chosen' : '', why] }));
  return ['', table(['OTHER TARGETS', '', ''], rows)];
}

interface ListOptions extends ControllerOptions {
  readonly route?: string;
  readonly limit: string;
}

async function proposals(options: ListOptions & { all?: boolean }): Promise<void> {
  const filter = { ...filterOf(options), status: options.all ? undefined : 'open' };
  const answer = await controllerClient(options).get<{ proposals: ProposalView[] }>('proposals', filter);
  print(answer, options, ({ proposals }) => {
    if (proposals.length === 0)
      return options.all ? 'nothing was ever proposed' : 'nothing waits for a person';
    const columns = ['ID', 'ROUTE', 'MODE', 'CHANGE', 'STATUS', 'PROPOSED'];
    const approvable = proposals.find(({ status, mode }) => status === 'open' && mode === 'approve');
    return [
      table(columns, proposals.map(proposalRow)),
      ...(approvable
        ? ['', dim(`relayctl approve ${approvable.id}, or relayctl reject ${approvable.id} --reason …`)]
        : []),
    ].join('\n');
  });
}

function proposalRow({
  id,
  route,
  mode,
  kind,
  from,
  to,
  status,
  proposed_at,
  words,
  actor,
  comment,
  expires_at,
}: ProposalView): Row {
  return {
    cells: [String(id), route, mode, `${kind} ${from} → ${to}`, status, ago(proposed_at, Date.now())],
    notes: [
      words,
      ...(status === 'open' && expires_at !== null ? [`open until ${until(expires_at, Date.now())}`] : []),
      ...(actor === null ? [] : [`${status} by ${actor}: ${comment}`]),
    ],
  };
}

async function history(options: ListOptions): Promise<void> {
  type Answer = { events: ReturnType<typeof switchEventView>[] };
  const answer = await controllerClient(options).get<Answer>('switch-history', filterOf(options));
  print(answer, options, ({ events }) =>
    events.length === 0
      ? 'no route was ever changed'
      : table(
          ['TIME', 'ROUTE', 'GENERATION', 'CHANGE', 'BY', 'OUTCOME'],
          events.map(event => ({
            cells: [
              local(event.switch_timestamp),
              event.route,
              String(event.generation),
              `${event.kind} ${event.from_model} → ${event.to_model}`,
              event.actor,
              event.outcome,
            ],
            notes: [event.reason],
          })),
        ),
  );
}

async function audit(options: ListOptions & { verify?: boolean }): Promise<void> {
  const client = controllerClient(options);
  if (options.verify) return verify(await client.get<Verified>('audit/verify'), options);
  const answer = await client.get<{ entries: ReturnType<typeof auditView>[] }>('audit', filterOf(options));
  print(answer, options, ({ entries }) =>
    entries.length === 0
      ? 'nobody has done anything yet'
      : table(
          ['TIME', 'WHO', 'WHAT', 'ROUTE', 'GENERATION', 'THROUGH', 'WHY'],
          entries.map(entry => ({
            cells: [
              local(entry.at),
              entry.actor,
              entry.action,
              entry.route,
              entry.generation_before === entry.generation_after
                ? String(entry.generation_after)
                : `${entry.generation_before} → ${entry.generation_after}`,
              entry.source,
              entry.reason,
            ],
          })),
        ),
  );
}

interface Verified {
  readonly entries: number;
  readonly head: { readonly id: number; readonly hash: string } | null;
  readonly broken: { readonly id: number; readonly problem: string } | null;
}

function verify(answer: Verified, options: ControllerOptions): void {
  print(answer, options, ({ entries, head, broken }) =>
    broken
      ? `${entries - 1} entries are intact`
      : `${entries} entries, intact${head ? `; the last one is ${head.id}, ${head.hash}` : ''}`,
  );
  if (answer.broken)
    throw new Ended(
      exits.refused,
      `entry ${answer.broken.id} breaks the chain: ${answer.broken.problem}; compare it with a backup of the database`,
    );
}

function filterOf({ route, limit }: ListOptions) {
  if (!/^\d+$/.test(limit) || Number(limit) < 1 || Number(limit) > 500)
    throw wrongUsage(`--limit ${limit} is not a number from 1 to 500`);
  return { route, limit };
}
