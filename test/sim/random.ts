/** Gives a number in [0, 1), like `Math.random`, from a seed. */
export type Random = () => number;

/** The same words give the same numbers, on every machine: sfc32 (PractRand), seeded through a 32-bit hash (FNV-1a). */
export function seeded(...words: readonly (string | number)[]): Random {
  let [a, b, c, d] = [0, 1, 2, 3].map(lane => hash([lane, ...words].join('\u0000'))) as [
    number,
    number,
    number,
    number,
  ];
  const next = () => {
    const t = (((a + b) | 0) + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + t) | 0;
    return t >>> 0;
  };
  for (let i = 0; i < 16; i++) next();
  return () => ((next() >>> 5) * 67_108_864 + (next() >>> 6)) / 9_007_199_254_740_992;
}

function hash(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return h ^ (h >>> 15);
}

/** Number of events where `mean` are expected: search from zero when small, else Hörmann's PTRS (1993); both exact. */
export function poisson(random: Random, mean: number): number {
  if (mean <= 0) return 0;
  return mean < 12 ? poissonSmall(random, mean) : poissonLarge(random, mean);
}

function poissonSmall(random: Random, mean: number): number {
  let left = random();
  let p = Math.exp(-mean);
  let k = 0;
  while (left > p && k < 200) {
    left -= p;
    k++;
    p *= mean / k;
  }
  return k;
}

function poissonLarge(random: Random, mean: number): number {
  const b = 0.931 + 2.53 * Math.sqrt(mean);
  const a = -0.059 + 0.02483 * b;
  const vr = 0.9277 - 3.6224 / (b - 2);
  for (;;) {
    const u = random() - 0.5;
    const v = random();
    const us = 0.5 - Math.abs(u);
    const k = Math.floor(((2 * a) / us + b) * u + mean + 0.43);
    if (us >= 0.07 && v <= vr) return k;
    if (k < 0 || (us < 0.013 && v > us)) continue;
    const inverseAlpha = 1.1239 + 1.1328 / (b - 3.4);
    if (Math.log((v * inverseAlpha) / (a / (us * us) + b)) <= k * Math.log(mean) - mean - logFactorial(k))
      return k;
  }
}

/** Successes among `n` tries: search from zero when few are expected, else Hörmann's BTRS (1993); both exact. */
export function binomial(random: Random, n: number, p: number): number {
  if (n <= 0 || p <= 0) return 0;
  if (p >= 1) return n;
  if (p > 0.5) return n - binomial(random, n, 1 - p);
  return n * p < 12 ? binomialSmall(random, n, p) : binomialLarge(random, n, p);
}

function binomialSmall(random: Random, n: number, p: number): number {
  const odds = p / (1 - p);
  let left = random();
  let chance = Math.exp(n * Math.log1p(-p));
  let k = 0;
  while (left > chance && k < n) {
    left -= chance;
    k++;
    chance *= (odds * (n - k + 1)) / k;
  }
  return k;
}

function binomialLarge(random: Random, n: number, p: number): number {
  const spread = Math.sqrt(n * p * (1 - p));
  const b = 1.15 + 2.53 * spread;
  const a = -0.0873 + 0.0248 * b + 0.01 * p;
  const centre = n * p + 0.5;
  const vr = 0.92 - 4.2 / b;
  const alpha = (2.83 + 5.1 / b) * spread;
  const logOdds = Math.log(p / (1 - p));
  const mode = Math.floor((n + 1) * p);
  const atMode = logFactorial(mode) + logFactorial(n - mode);
  for (;;) {
    const v = random();
    const u = random() - 0.5;
    const us = 0.5 - Math.abs(u);
    const k = Math.floor(((2 * a) / us + b) * u + centre);
    if (us >= 0.07 && v <= vr) return k;
    if (k < 0 || k > n) continue;
    const bound = atMode - logFactorial(k) - logFactorial(n - k) + (k - mode) * logOdds;
    if (Math.log((v * alpha) / (a / (us * us) + b)) <= bound) return k;
  }
}

/** Box and Muller. */
export function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

export const exponential = (random: Random, mean: number): number => -mean * Math.log(1 - random());

/** Heavy-tailed: P(X > x) = (minimum / x)^shape, cut at `maximum`. */
export function pareto(random: Random, minimum: number, shape: number, maximum = Infinity): number {
  return Math.min(maximum, minimum * (1 - random()) ** (-1 / shape));
}

const tabled = 2048;
const logFactorials = new Float64Array(tabled);
for (let k = 2; k < tabled; k++) logFactorials[k] = logFactorials[k - 1]! + Math.log(k);

/** ln k!; beyond the table Stirling's series, good to 1e-15. */
function logFactorial(k: number): number {
  if (k < tabled) return logFactorials[k]!;
  const x = k + 1;
  return (x - 0.5) * Math.log(x) - x + 0.5 * Math.log(2 * Math.PI) + 1 / (12 * x) - 1 / (360 * x ** 3);
}
