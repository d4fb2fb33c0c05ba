import type { Observation } from '../types.ts';

/**
 * How much more the badness of a model varies between blocks of five minutes than independent requests would: the
 * overdispersion φ of quasi-likelihood (McCullagh and Nelder, "Generalized Linear Models", 1989, section 4.5). A model
 * whose failures come in bursts while it is healthy has a large φ, and evidence against it is divided by it. It follows
 * from the past alone, which keeps the detector's guarantee. Brought up to date in place.
 */
export interface Dispersion {
  /** When the block under way began, and what it has so far: observations, the sum of their badness and of its square. */
  since: number;
  count: number;
  sum: number;
  squares: number;
  /** Blocks seen, and the running mean of the badness and of its square. */
  blocks: number;
  mean: number;
  meanSquare: number;
  phi: number;
}

const blockMs = 5 * 60_000;
/** Weight of a block: a day of bursts counts, an hour of trouble hardly. */
const weight = 0.005;
/** The mean may follow the hours of the day, so that these are not taken for bursts. */
const meanWeight = 0.02;
/** Blocks that only show the mean; what a block differs from it by is worth something from then on. */
const learningBlocks = 12;
/** One block is no proof: beyond this it counts no more. */
const mostOfBlock = 10;
/** Chance alone brings φ this far above 1. */
const usedFrom = 1.25;

export const noDispersion = (at: number): Dispersion => ({
  since: at,
  count: 0,
  sum: 0,
  squares: 0,
  blocks: 0,
  mean: 0,
  meanSquare: 0,
  phi: 1,
});

/** What evidence is divided by, at least 1. */
export const temperingBy = ({ phi }: Dispersion): number => (phi > usedFrom ? phi : 1);

/**
 * @param frozen evidence is building or a verdict stands: what may be real trouble must not excuse itself
 */
export function addToDispersion(
  dispersion: Dispersion,
  at: number,
  observations: readonly Observation[],
  frozen: boolean,
): void {
  if (frozen) {
    begin(dispersion, at);
    return;
  }
  for (let i = 0; i < observations.length; i++) {
    const { badness, count } = observations[i]!;
    dispersion.count += count;
    dispersion.sum += count * badness;
    dispersion.squares += count * badness * badness;
  }
  if (at - dispersion.since < blockMs) return;
  if (dispersion.count > 0) closeBlock(dispersion);
  begin(dispersion, at);
}

function begin(dispersion: Dispersion, at: number): void {
  dispersion.since = at;
  dispersion.count = 0;
  dispersion.sum = 0;
  dispersion.squares = 0;
}

function closeBlock(dispersion: Dispersion): void {
  const { count, sum, squares, mean, meanSquare } = dispersion;
  const variance = meanSquare - mean * mean;
  if (dispersion.blocks >= learningBlocks && variance > 0) {
    const excess = Math.min((sum - count * mean) ** 2 / (count * variance), mostOfBlock);
    dispersion.phi += weight * (excess - dispersion.phi);
  }
  dispersion.blocks++;
  const share = Math.max(meanWeight, 1 / dispersion.blocks);
  dispersion.mean += share * (sum / count - mean);
  dispersion.meanSquare += share * (squares / count - meanSquare);
}
