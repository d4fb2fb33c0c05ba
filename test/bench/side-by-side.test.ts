import { expect, test } from 'vitest';
import { sideBySide } from './side-by-side.ts';

test('figures of one run, side by side', async () => {
  const order: string[] = [];
  const from = (name: string, figures: number[]) => () => {
    order.push(name);
    return figures.shift()!;
  };
  const result = await sideBySide({
    name: 'example',
    unit: 'ms',
    rounds: 3,
    ours: from('ours', [4, 2, 3]),
    peers: { naive: from('naive', [9, 12, 6]), other: from('other', [1, 1, 2]) },
  });
  expect(result).toMatchObject({ ours: 3, highest: 4, rounds: 3, peers: { naive: 9, other: 1 } });
  expect(result.ratio).toEqual({ naive: 3, other: 1 / 3 });
  expect(result.spread).toBeCloseTo((3.8 - 2.2) / 3, 10);
  expect(order.join(' ')).toBe('ours naive other naive other ours other ours naive');
});
