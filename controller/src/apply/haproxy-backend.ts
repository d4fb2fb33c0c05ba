import type { Desired } from './driver.ts';
import { askHaproxy } from './haproxy-socket.ts';

/** A backend of HAProxy at one moment. */
export interface HaproxyBackend {
  readonly socket: string;
  readonly name: string;
  readonly servers: readonly HaproxyServer[];
  /** What it was told last; absent when it was told nothing since HAProxy started. */
  readonly told?: Told;
}

export interface HaproxyServer {
  readonly name: string;
  /** 0 to 256. */
  readonly weight: number;
  /** `UP`, `no check`, `DOWN`, `MAINT`, `DRAIN` and their kin. */
  readonly status: string;
  /** What its last check said, when there is one. */
  readonly check: string;
  /** HAProxy's own backups serve only when nobody else can. */
  readonly backup: boolean;
}

export type Told = Pick<Desired, 'weights' | 'generation'>;

/** Known to HAProxy, and not what was asked for: asking again will not help. */
export class UnknownBackend extends Error {}

export async function readBackend(
  socket: string,
  name: string,
  signal: AbortSignal,
): Promise<HaproxyBackend> {
  const answer = await askHaproxy(socket, [`show stat ${name} 4 -1`, `get var ${variableOf(name)}`], signal);
  if (answer.startsWith('No such proxy'))
    throw new UnknownBackend(
      `the HAProxy at ${socket} has no backend "${name}"; add it, or name the right one as driver.backend`,
    );
  const told = toldIn(answer);
  return { socket, name, servers: serversIn(answer), ...(told && { told }) };
}

/**
 * Sets the weights in the given order and then notes what was told, in one line.
 *
 * @returns what HAProxy objects to; undefined when it took everything
 * @throws Error when it is unknown whether it took everything
 */
export async function tellBackend(
  { socket, name }: HaproxyBackend,
  weights: readonly (readonly [server: string, weight: number])[],
  told: Told,
  signal: AbortSignal,
): Promise<string | undefined> {
  const note = [`${told.generation}`, ...Object.entries(told.weights).map(entry => entry.join('='))].join(
    '|',
  );
  const commands = [
    'experimental-mode on', // for the variable
    ...weights.map(([server, weight]) => `set weight ${name}/${server} ${weight}`),
    `set var ${variableOf(name)} str(${note})`,
  ];
  const answer = await askHaproxy(socket, commands, signal);
  if (answer.trim() !== '') return answer.trim().replaceAll(/\n+/g, ' ');
  if (answer.length === commands.length) return undefined;
  throw new Error(`the HAProxy at ${socket} answered ${answer.length} of ${commands.length} commands`);
}

/** Variables have names of letters, digits, dots and underscores. */
function variableOf(backend: string): string {
  const escaped = backend.replaceAll(
    /[^A-Za-z0-9]/g,
    character => `_${character.charCodeAt(0).toString(16)}`,
  );
  return `proc.relaycore.${escaped}`;
}

function toldIn(answer: string): Told | undefined {
  const [generation, ...entries] = /type=str value=<([^>]*)>/.exec(answer)?.[1]?.split('|') ?? [];
  if (generation === undefined) return undefined;
  const weights = entries.map(entry => entry.split('=')).map(([model, weight]) => [model!, Number(weight)]);
  return { generation: Number(generation), weights: Object.fromEntries(weights) };
}

/** The CSV of `show stat`. */
function serversIn(answer: string): readonly HaproxyServer[] {
  const [header, ...lines] = answer.slice(0, answer.indexOf('\n\n')).split('\n');
  if (!header?.startsWith('# pxname,'))
    throw new Error(`not an answer to "show stat": ${answer.slice(0, 200)}`);
  const names = header.slice('# '.length).split(',');
  return lines.map(line => {
    const cells = cellsOf(line);
    const cell = (name: string) => cells[names.indexOf(name)] ?? '';
    return {
      name: cell('svname'),
      weight: Number(cell('uweight')),
      status: cell('status'),
      check: [cell('check_status'), cell('last_chk')].filter(Boolean).join(': '),
      backup: cell('bck') === '1',
    };
  });
}

/** A quote inside a quoted cell is doubled. */
function cellsOf(line: string): string[] {
  return [...line.matchAll(/("(?:[^"]|"")*"|[^,]*)(?:,|$)/g)].map(([, cell]) =>
    cell!.startsWith('"') ? cell!.slice(1, -1).replaceAll('""', '"') : cell!,
  );
}
