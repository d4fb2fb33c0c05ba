import { expect, test } from 'vitest';
import { addToDispersion, type Dispersion, noDispersion, temperingBy } from './tempering.ts';

const blockMs = 5 * 60_000;
const dayBlocks = 288;

/** So many blocks of 1000 requests, each with its own number of failures. */
function after(
  blocks: number,
  failures: (block: number) => number,
  frozen: (block: number) => boolean = () => false,
): Dispersion {
  const dispersion = noDispersion(0);
  for (let block = 0; block < blocks; block++) {
    const bad = failures(block);
    const observations = [
      { badness: 0, count: 1000 - bad },
      { badness: 1, count: bad },
    ];
    addToDispersion(dispersion, (block + 1) * blockMs, observations, frozen(block));
  }
  return dispersion;
}

/** A binomial with mean 40 and variance 38.4, by its two-point caricature. */
const independent = (block: number) => 40 + (block % 2 === 0 ? 6 : -6);
const everyTenthBurst = (block: number) => (block % 10 === 0 ? 100 : 33);

test('failures that come independently temper nothing', () => {
  const { phi } = after(7 * dayBlocks, independent);
  expect(phi).toBeGreaterThan(0.8);
  expect(phi).toBeLessThan(1.25);
  expect(temperingBy(after(7 * dayBlocks, independent))).toBe(1);
});

test('failures that come in bursts temper, the more of them the more, up to a limit', () => {
  const bursts = temperingBy(after(7 * dayBlocks, everyTenthBurst));
  const moreBursts = temperingBy(after(7 * dayBlocks, block => (block % 3 === 0 ? 100 : 10)));
  expect(bursts).toBeGreaterThan(1.5);
  expect(moreBursts).toBeGreaterThan(bursts);
  expect(temperingBy(after(70 * dayBlocks, block => (block % 2 === 0 ? 1000 : 0)))).toBeLessThanOrEqual(10);
});

test('an hour of trouble after a steady week hardly counts', () => {
  const week = 7 * dayBlocks;
  expect(temperingBy(after(week + 12, block => (block < week ? independent(block) : 500)))).toBeLessThan(1.6);
});

test('what happens while it is frozen counts for nothing', () => {
  const frozen = (block: number) => block % 10 === 0;
  expect(temperingBy(after(7 * dayBlocks, block => (frozen(block) ? 900 : independent(block)), frozen))).toBe(
    1,
  );
});

test('a slow change over the hours of a day is no burst', () => {
  const overTheDay = (block: number) => Math.round(40 + 8 * Math.sin((2 * Math.PI * block) / dayBlocks));
  expect(temperingBy(after(14 * dayBlocks, overTheDay))).toBe(1);
});

test('scores are measured by their own variance, not by that of failures', () => {
  const dispersion = noDispersion(0);
  for (let block = 0; block < 7 * dayBlocks; block++) {
    // Blocks of 100 scores around 0.9, half of them 0.85 and half 0.95 on average; far less variance than 0 and 1 have.
    const high = 50 + (block % 3 === 0 ? 20 : -10);
    addToDispersion(
      dispersion,
      (block + 1) * blockMs,
      [
        { badness: 0.05, count: high },
        { badness: 0.15, count: 100 - high },
      ],
      false,
    );
  }
  expect(temperingBy(dispersion)).toBeGreaterThan(1.25);
});

test('blocks without requests and a model that never fails keep it at 1', () => {
  expect(after(1000, () => 0).phi).toBe(1);
  const idle = noDispersion(0);
  for (let block = 0; block < 1000; block++) addToDispersion(idle, (block + 1) * blockMs, [], false);
  expect(idle.phi).toBe(1);
});
