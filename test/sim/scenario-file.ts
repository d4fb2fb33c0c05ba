import { z } from 'zod';

/** A scenario as people write it (YAML). */

const millisecondsOf = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** `90s`, `1h30m`, `250ms`; a plain number is seconds. Gives milliseconds. */
const duration = z
  .union([z.number().min(0), z.string().regex(/^(\d+(\.\d+)?(ms|[smhd]))+$|^\d+(\.\d+)?$/)])
  .transform(written => {
    if (typeof written === 'number') return written * 1000;
    const parts = [...written.matchAll(/([\d.]+)(ms|[smhd])?/g)];
    return parts.reduce(
      (sum, [, count, unit = 's']) =>
        sum + Number(count) * millisecondsOf[unit as keyof typeof millisecondsOf],
      0,
    );
  });
const aWhile = duration.refine(ms => ms > 0, 'is zero');
const fraction = z.number().min(0).max(1);
const positive = z.number().positive();

const lognormal = z
  .strictObject({
    p50: positive,
    p95: positive.optional(),
    p99: positive.optional(),
    sigma: positive.optional(),
  })
  .refine(
    ({ p50, p95, p99, sigma }) =>
      [p95, p99, sigma].filter(given => given !== undefined).length === 1 && (p95 ?? p99 ?? p50 + 1) > p50,
    'needs exactly one of p95, p99 (above p50) and sigma beside p50',
  )
  .transform(({ p50, p95, p99, sigma }) => ({
    kind: 'lognormal' as const,
    median: p50,
    sigma:
      sigma ?? (p95 ? Math.log(p95 / p50) / 1.6448536269514722 : Math.log(p99! / p50) / 2.3263478740408408),
  }));
const beta = z
  .strictObject({ mean: z.number().gt(0).lt(1), sd: positive })
  .refine(
    ({ mean, sd }) => sd ** 2 < mean * (1 - mean),
    'has a larger sd than any score with that mean can have',
  )
  .transform(({ mean, sd }) => ({ kind: 'beta' as const, mean, sd }));
/** By its mean and spread, or by the two shape parameters of the textbooks. */
const anyBeta = z.union([
  beta,
  z.strictObject({ alpha: positive, beta: positive }).transform(({ alpha: a, beta: b }) => ({
    kind: 'beta' as const,
    mean: a / (a + b),
    sd: Math.sqrt((a * b) / ((a + b) ** 2 * (a + b + 1))),
  })),
]);
const constant = z.number().min(0);
const tokens = z
  .strictObject({
    base_ms: z.number().min(0),
    per_context_ms: z.number().min(0),
    per_generated_ms: z.number().min(0),
    sigma: z.number().min(0).default(0),
  })
  .transform(written => ({
    kind: 'tokens' as const,
    base: written.base_ms,
    perContext: written.per_context_ms,
    perGenerated: written.per_generated_ms,
    sigma: written.sigma,
  }));

const simple = {
  lognormal: lognormal.optional(),
  beta: anyBeta.optional(),
  constant: constant.optional(),
  bernoulli: z.union([fraction, z.strictObject({ p: fraction }).transform(({ p }) => p)]).optional(),
};
type Simple = {
  lognormal?: z.output<typeof lognormal> | undefined;
  beta?: z.output<typeof anyBeta> | undefined;
  constant?: number | undefined;
  bernoulli?: number | undefined;
};

const oneOf = (written: object, besides: readonly string[] = []) =>
  Object.entries(written).filter(([key, value]) => value !== undefined && !besides.includes(key)).length ===
  1;

function simpleOf(written: Simple) {
  if (written.lognormal) return written.lognormal;
  if (written.beta) return written.beta;
  if (written.constant !== undefined) return { kind: 'constant' as const, value: written.constant };
  return { kind: 'bernoulli' as const, p: written.bernoulli! };
}

const mixture = z
  .array(
    z
      .strictObject({ weight: positive, ...simple })
      .refine(part => oneOf(part, ['weight']), 'needs one distribution beside its weight'),
  )
  .min(1)
  .transform(parts => {
    const total = parts.reduce((sum, { weight }) => sum + weight, 0);
    return {
      kind: 'mixture' as const,
      parts: parts.map(part => ({ weight: part.weight / total, of: simpleOf(part) })),
    };
  });

const plain = z
  .number()
  .min(0)
  .transform(value => ({ constant: value }));
const latencyDistribution = z
  .union([plain, z.strictObject({ ...simple, mixture: mixture.optional(), tokens: tokens.optional() })])
  .refine(written => oneOf(written), 'needs exactly one distribution')
  .transform(written =>
    'mixture' in written && written.mixture
      ? written.mixture
      : 'tokens' in written && written.tokens
        ? written.tokens
        : simpleOf(written as Simple),
  );
const scoreDistribution = z
  .union([plain, z.strictObject({ ...simple, mixture: mixture.optional() })])
  .refine(written => oneOf(written), 'needs exactly one distribution')
  .transform(written =>
    'mixture' in written && written.mixture ? written.mixture : simpleOf(written as Simple),
  );

const conditions = {
  success: fraction.optional(),
  latency_ms: latencyDistribution.optional(),
  score: scoreDistribution.optional(),
  degraded: z.boolean().optional(),
};

const phase = z.strictObject({ at: duration, drift: duration.default(0), ...conditions });

/** P(X > x) = (min / x)^alpha. */
const pareto = z.union([
  z.strictObject({ min: positive, alpha: positive, max: positive.optional() }),
  z
    .strictObject({ scale: positive, shape: positive, max: positive.optional() })
    .transform(({ scale: min, shape: alpha, max }) => ({ min, alpha, max })),
]);

const bursts = z
  .strictObject({
    per_day: positive,
    seconds: z
      .strictObject({
        constant: positive.optional(),
        pareto: pareto.optional(),
      })
      .refine(written => oneOf(written), 'needs either constant or pareto'),
    error_rate: fraction.optional(),
    error_multiplier: z.number().min(0).optional(),
    gaps: z.enum(['exponential', 'pareto']).default('exponential'),
  })
  .refine(
    ({ error_rate, error_multiplier }) => (error_rate === undefined) !== (error_multiplier === undefined),
    'needs either error_rate or error_multiplier',
  );

const fault = z.strictObject({
  start: duration.default(0),
  period: aWhile,
  duty: fraction.default(1),
  phase: duration.default(0),
  replica: z.int().min(1).optional(),
  ...conditions,
});

const noise = z.strictObject({ logit_sd: z.number().min(0), tau: aWhile });

const listOf = <T extends z.ZodType>(item: T) =>
  z.union([z.array(item), item.transform(one => [one])]).default([]);

const behaviour = {
  phases: z.array(phase).min(1),
  faults: listOf(fault),
  bursts: bursts.optional(),
  noise: noise.optional(),
};

const backup = z.strictObject({ ...conditions, ...behaviour, phases: z.array(phase).default([]) });

export const scenarioSchema = z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.-]*$/),
  description: z.string().optional(),
  level: z.enum(['warning', 'critical']).default('critical'),
  policy: z.union([z.string(), z.record(z.string(), z.unknown())]).default({}),
  rates: z.union([z.array(positive).min(1), positive.transform(rate => [rate])]).optional(),
  arrivals: z.strictObject({ trace: z.string() }).optional(),
  diurnal: z
    .strictObject({ min: z.number().min(0), max: z.number().min(0) })
    .refine(({ min, max }) => min <= max, 'has a min above its max')
    .optional(),
  duration: aWhile,
  tick: aWhile.optional(),
  replicas: z.int().min(1).max(100).default(1),
  labels_per_request: fraction.default(1),
  label_delay: duration.default(0),
  ...behaviour,
  traffic: z.array(z.strictObject({ at: duration, multiplier: z.number().min(0), for: aWhile })).default([]),
  scrape: z
    .strictObject({
      interval: aWhile.optional(),
      jitter: duration.default(0),
      missed: fraction.default(0),
      gaps: z.array(z.strictObject({ at: duration, for: aWhile })).default([]),
    })
    .optional(),
  resets: z.strictObject({ every: aWhile, replica: z.int().min(1).optional() }).optional(),
  backups: z.array(backup).default([]),
  repeat: z.int().min(1).default(1),
});

export type ScenarioFile = z.output<typeof scenarioSchema>;
export type ConditionsFile = Pick<
  ScenarioFile['phases'][number],
  'success' | 'latency_ms' | 'score' | 'degraded'
>;

/** Every key of the format with what it takes: the help text, and the remedy of a mistake there. */
export const format: Readonly<Record<string, string>> = {
  name: 'letters, digits and _ . -, for example succ_85',
  description: 'a sentence for people',
  level: 'which verdict is judged: warning or critical (default)',
  policy: 'path of a policy file, from this file, or policy keys; default: the shipped thresholds',
  rates: 'requests a second: 10, or [1, 10] for one run each',
  arrivals: '{ trace: FILE } with real arrivals, in place of rates',
  'arrivals.trace': 'path of a CSV file, from this file: gap_ms,context_tokens,generated_tokens',
  diurnal: '{ min: 0.3, max: 1.7 }: what the rate is multiplied by at midnight and at noon',
  duration: 'simulated time of one repeat, for example 24h',
  tick: "time between two assessments, for example 5s (default: the policy's)",
  replicas: 'processes behind the model, 1 (default) to 100',
  labels_per_request: 'share of requests that get an accuracy score, 0 to 1 (default)',
  label_delay: 'time from a request to its score, for example 30s',
  phases: 'a list of { at, drift, success, latency_ms, score, degraded }; what is not named stays as it was',
  'phases.at': 'time from the start, for example 12h; the first one 0h, rising',
  'phases.drift': 'time to go there linearly, for example 1h',
  faults:
    'periodic: { start, period, duty, phase, replica, success, latency_ms, score, degraded }, or a list',
  'faults.start': 'when the first period begins, for example 1h',
  'faults.period': 'for example 20m',
  'faults.duty': 'share of each period that is bad, 0 to 1',
  'faults.phase': 'shifts the periods, for example 5m',
  'faults.replica': 'the one replica with the fault, 1 to replicas; all when omitted',
  bursts: '{ per_day: 6, seconds: { constant: 15 }, error_rate: 0.08 }',
  'bursts.per_day': 'bursts a day on average',
  'bursts.seconds': '{ constant: 15 } or { pareto: { min: 5, alpha: 1.5, max: 600 } }, max optional',
  'bursts.error_rate': 'share of requests that fail in a burst, 0 to 1',
  'bursts.error_multiplier': 'or: how many times more of them fail than otherwise',
  'bursts.gaps': 'exponential (default) or pareto: time from one burst to the next',
  noise: '{ logit_sd: 0.15, tau: 30s }: quality wanders around the stated one',
  'noise.logit_sd': 'standard deviation on the logit, for example 0.15',
  'noise.tau': 'how long it remembers, for example 30s',
  traffic: 'a list of { at: 6h, multiplier: 20, for: 10m }',
  scrape: '{ interval: 5s, jitter: 0s, missed: 0.0, gaps: [{ at: 3h, for: 5m }] }',
  'scrape.interval': 'time between two scrapes, for example 5s (default: the tick)',
  'scrape.jitter': 'each scrape is late by up to this, for example 500ms',
  'scrape.missed': 'share of scrapes that fail, 0 to 1',
  'scrape.gaps': 'when nothing is scraped at all: a list of { at: 3h, for: 5m }',
  resets: '{ every: 7m, replica: 3 }: counters start again from zero',
  'resets.every': 'for example 7m',
  'resets.replica': 'the one that restarts, 1 to replicas; all when omitted',
  backups: 'a list, one a backup: success, latency_ms, score, degraded, phases, faults, bursts, noise',
  repeat: 'seeds of one run, for example 30',
  success: 'share of requests that succeed, 0 to 1',
  latency_ms:
    '{ lognormal: { p50: 600, p95: 1500 } }, { constant: 300 }, { mixture: [{ weight, … }] }, { tokens: … }',
  score:
    '{ beta: { mean: 0.90, sd: 0.12 } }, { bernoulli: 0.9 }, { constant: 1 }, { mixture: [{ weight, … }] }',
  degraded: 'true or false: the label that verdicts are compared with',
};
