/*
 * What a latency or a score is distributed as, by formulas: the simulation draws counts between edges, never single
 * requests, so all it needs is the probability of each bucket.
 */

export type Distribution =
  | { readonly kind: 'lognormal'; readonly median: number; readonly sigma: number }
  | { readonly kind: 'beta'; readonly mean: number; readonly sd: number }
  | { readonly kind: 'constant'; readonly value: number }
  | { readonly kind: 'bernoulli'; readonly p: number }
  | {
      readonly kind: 'mixture';
      readonly parts: readonly { readonly weight: number; readonly of: Distribution }[];
    }
  | {
      readonly kind: 'tokens';
      readonly base: number;
      readonly perContext: number;
      readonly perGenerated: number;
      readonly sigma: number;
    };

/** Requests that really came, for a latency that follows from their size. */
export interface Sizes {
  readonly context: Uint32Array;
  readonly generated: Uint32Array;
}

/** P(X > x). A latency from tokens is averaged over the sizes of the trace. */
export function exceeds(distribution: Distribution, x: number, sizes?: Sizes): number {
  switch (distribution.kind) {
    case 'lognormal':
      return 1 - normalCdf(Math.log(x / distribution.median) / distribution.sigma);
    case 'beta':
      return 1 - betaCdf(x, ...betaShape(distribution));
    case 'constant':
      return distribution.value > x ? 1 : 0;
    case 'bernoulli':
      return x < 0 ? 1 : x < 1 ? distribution.p : 0;
    case 'mixture':
      return weighted(distribution.parts, part => exceeds(part, x, sizes));
    case 'tokens': {
      const { context, generated } = sizes!;
      let sum = 0;
      for (let i = 0; i < context.length; i++)
        sum += exceedsTokens(distribution, x, context[i]!, generated[i]!);
      return sum / context.length;
    }
  }
}

/** P(latency > x) of one request of that size. */
export function exceedsTokens(
  { base, perContext, perGenerated, sigma }: Extract<Distribution, { kind: 'tokens' }>,
  x: number,
  context: number,
  generated: number,
): number {
  const typical = base + perContext * context + perGenerated * generated;
  return sigma === 0 ? Number(typical > x) : 1 - normalCdf(Math.log(x / typical) / sigma);
}

/**
 * A score in [0, 1] rounded to a multiple of 1/steps, up or down with the probabilities that keep the mean, as the
 * instrumentation records it: the probability of each edge 0, 1/steps, … 1.
 */
export function roundedScores(distribution: Distribution, steps: number): Float64Array {
  const chances = new Float64Array(steps + 1);
  addRounded(chances, distribution, 1);
  return chances;
}

function addRounded(chances: Float64Array, distribution: Distribution, weight: number): void {
  switch (distribution.kind) {
    case 'constant':
      addPoint(chances, distribution.value, weight);
      return;
    case 'bernoulli':
      addPoint(chances, 1, weight * distribution.p);
      addPoint(chances, 0, weight * (1 - distribution.p));
      return;
    case 'mixture':
      for (const part of distribution.parts) addRounded(chances, part.of, weight * part.weight);
      return;
    case 'beta':
    case 'lognormal':
      addSmooth(chances, distribution, weight);
      return;
    case 'tokens':
      throw new Error('a score cannot follow from tokens');
  }
}

function addPoint(chances: Float64Array, value: number, weight: number): void {
  const scaled = Math.min(1, Math.max(0, value)) * (chances.length - 1);
  const lower = Math.min(Math.floor(scaled), chances.length - 2);
  chances[lower]! += weight * (lower + 1 - scaled);
  chances[lower + 1]! += weight * (scaled - lower);
}

/** From the distribution and the partial mean at the edges: within a step the chance to be rounded up is linear. */
function addSmooth(
  chances: Float64Array,
  distribution: Extract<Distribution, { kind: 'beta' | 'lognormal' }>,
  weight: number,
): void {
  const steps = chances.length - 1;
  let below = 0;
  let meanBelow = 0;
  for (let j = 1; j <= steps; j++) {
    const mass = 1 - exceeds(distribution, j / steps);
    const mean = partialMean(distribution, j / steps);
    const up = (mean - meanBelow) * steps - (mass - below) * (j - 1);
    chances[j]! += weight * up;
    chances[j - 1]! += weight * (mass - below - up);
    below = mass;
    meanBelow = mean;
  }
  chances[steps]! += weight * (1 - below);
}

/** E[X; X ≤ x] */
function partialMean(distribution: Extract<Distribution, { kind: 'beta' | 'lognormal' }>, x: number): number {
  if (distribution.kind === 'beta') {
    const [a, b] = betaShape(distribution);
    return distribution.mean * betaCdf(x, a + 1, b);
  }
  const { median, sigma } = distribution;
  return median * Math.exp(sigma ** 2 / 2) * normalCdf(Math.log(x / median) / sigma - sigma);
}

/** On the way from one distribution to another: parameters move linearly, unlike kinds are mixed. */
export function between(from: Distribution, to: Distribution, share: number): Distribution {
  const mix = (a: number, b: number) => a + (b - a) * share;
  if (from.kind === 'lognormal' && to.kind === 'lognormal')
    return { kind: 'lognormal', median: mix(from.median, to.median), sigma: mix(from.sigma, to.sigma) };
  if (from.kind === 'beta' && to.kind === 'beta')
    return { kind: 'beta', mean: mix(from.mean, to.mean), sd: mix(from.sd, to.sd) };
  if (from.kind === 'constant' && to.kind === 'constant')
    return { kind: 'constant', value: mix(from.value, to.value) };
  if (from.kind === 'bernoulli' && to.kind === 'bernoulli')
    return { kind: 'bernoulli', p: mix(from.p, to.p) };
  return {
    kind: 'mixture',
    parts: [
      { weight: 1 - share, of: from },
      { weight: share, of: to },
    ],
  };
}

/** Scores of a model whose quality has moved by so much on the logit; the spread keeps its share of the possible. */
export function shiftedScores(distribution: Distribution, shift: number): Distribution {
  switch (distribution.kind) {
    case 'beta': {
      const mean = shiftedChance(distribution.mean, shift);
      const room = Math.sqrt((mean * (1 - mean)) / (distribution.mean * (1 - distribution.mean)));
      return { kind: 'beta', mean, sd: distribution.sd * room };
    }
    case 'bernoulli':
      return { kind: 'bernoulli', p: shiftedChance(distribution.p, shift) };
    case 'constant':
      return { kind: 'constant', value: shiftedChance(distribution.value, shift) };
    case 'mixture':
      return {
        kind: 'mixture',
        parts: distribution.parts.map(({ weight, of }) => ({ weight, of: shiftedScores(of, shift) })),
      };
    case 'lognormal':
    case 'tokens':
      return distribution;
  }
}

/** logistic(logit(p) + shift) */
export function shiftedChance(p: number, shift: number): number {
  if (shift === 0 || p <= 0 || p >= 1) return p;
  const odds = (p / (1 - p)) * Math.exp(shift);
  return odds / (1 + odds);
}

function weighted(
  parts: Extract<Distribution, { kind: 'mixture' }>['parts'],
  value: (part: Distribution) => number,
): number {
  return parts.reduce((sum, { weight, of }) => sum + weight * value(of), 0);
}

function betaShape({ mean, sd }: Extract<Distribution, { kind: 'beta' }>): [number, number] {
  const size = (mean * (1 - mean)) / sd ** 2 - 1;
  return [mean * size, (1 - mean) * size];
}

/** Φ through the incomplete gamma function: continued fraction in the tail, series near the middle; about 1e-14. */
export function normalCdf(z: number): number {
  if (Number.isNaN(z)) return Number.NaN;
  const tail = upperTail(Math.abs(z));
  return z > 0 ? 1 - tail : tail;
}

function upperTail(z: number): number {
  if (z > 38) return 0;
  const density = Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI);
  if (z < 3) {
    let term = z;
    let sum = z;
    for (let k = 1; Math.abs(term) > 1e-17 * Math.abs(sum); k++) {
      term *= (z * z) / (2 * k + 1);
      sum += term;
    }
    return 0.5 - density * sum;
  }
  let fraction = 0;
  for (let k = 60; k >= 1; k--) fraction = k / (z + fraction);
  return density / (z + fraction);
}

/** Regularised incomplete beta function I_x(a, b) by Lentz's continued fraction (Numerical Recipes, 6.4). */
export function betaCdf(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x));
  return x < (a + 1) / (a + b + 2)
    ? (front * betaFraction(x, a, b)) / a
    : 1 - (front * betaFraction(1 - x, b, a)) / b;
}

function betaFraction(x: number, a: number, b: number): number {
  const tiny = 1e-300;
  const guarded = (value: number) => (Math.abs(value) < tiny ? tiny : value);
  let c = 1;
  let d = 1 / guarded(1 - ((a + b) * x) / (a + 1));
  let result = d;
  for (let m = 1; m <= 500; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / guarded(1 + even * d);
    c = guarded(1 + even / c);
    result *= d * c;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / guarded(1 + odd * d);
    c = guarded(1 + odd / c);
    const change = d * c;
    result *= change;
    if (Math.abs(change - 1) < 1e-15) break;
  }
  return result;
}

const lanczos = [
  676.5203681218851, -1259.1392167224028, 771.3234287776531, -176.6150291621406, 12.507343278686905,
  -0.13857109526572012, 9.984369578019572e-6, 1.5056327351493116e-7,
];

/** ln Γ(x), x > 0 (Lanczos, g = 7). */
function logGamma(x: number): number {
  if (x < 0.5) return Math.log(Math.PI / Math.sin(Math.PI * x)) - logGamma(1 - x);
  let sum = 0.9999999999998099;
  for (const [i, factor] of lanczos.entries()) sum += factor / (x + i);
  const t = x + 6.5;
  return 0.5 * Math.log(2 * Math.PI) + (x - 0.5) * Math.log(t) - t + Math.log(sum);
}
