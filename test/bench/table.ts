import { inColumns } from '../support/columns.ts';
import type { Result } from './side-by-side.ts';

/** The results for people, one line each. */
export function tableOf(results: readonly Result[]): string {
  const peers = [...new Set(results.flatMap(({ peers }) => Object.keys(peers)))];
  const headings = [
    'benchmark',
    'unit',
    'ours',
    'highest',
    'spread',
    ...peers.flatMap(peer => [peer, '× ours']),
  ];
  const rows = [headings, ...results.map(result => cells(result, peers))];
  return [...inColumns(rows, textColumns), '', legend].join('\n');
}

const textColumns = 2;

const legend = `ours, peers: median over the rounds; spread: (p90 − p10) / median; highest: the worst round; × ours: peer / ours,
above 1 where ours needs less`;

function cells(
  { name, unit, ours, highest, spread, peers, ratio }: Result,
  known: readonly string[],
): string[] {
  return [
    name,
    unit,
    figure(ours),
    figure(highest),
    `${(100 * spread).toFixed(0)} %`,
    ...known.flatMap(peer => (peer in peers ? [figure(peers[peer]!), ratio[peer]!.toFixed(2)] : ['-', '-'])),
  ];
}

const figure = (value: number) => (value < 100 ? value.toPrecision(3) : value.toFixed(0));
