import { runAll } from '../pool.ts';
import { frequentBoundaries, hardDownBoundaries, rareBoundaries } from './boundaries.ts';
import { type Boundary, type Setting, settingOf } from './boundary.ts';
import { type Direct, playDirectly } from './direct.ts';
import { gapsOf } from './gaps.ts';
import { hardDownPerTick } from './hard-down.ts';
import {
  type Estimate,
  estimateOf,
  halfInterval95,
  type Method,
  type Tally,
  together,
  trialOf,
} from './paths.ts';
import type { PathsTask } from './worker.ts';

export interface GuaranteeOptions extends PathsOptions {
  /** Model-years of plain simulation at each rate. */
  readonly years: number;
}

interface PathsOptions {
  /** Of importance sampling, at each boundary; plain simulation beside it takes more of them. */
  readonly paths: number;
  readonly seed: number;
  readonly threads: number;
  /** Share of a part that is done. */
  readonly progress: (part: string) => (share: number) => void;
}

/** All that speaks for the false-alarm budget, and what of it was not shown. */
export interface Guarantee {
  readonly rare: readonly Rare[];
  readonly agreement: readonly Agreement[];
  readonly direct: Direct;
  readonly hardDown: readonly HardDown[];
  /** A sentence each; none where all of it is shown. */
  readonly notShown: readonly string[];
}

/** A budget that only importance sampling reaches. */
export interface Rare extends Boundary {
  /** False alarms per 1000 model-years that the budget of the model leaves to this stream. */
  readonly allowed: number;
  /** The estimate in the same unit, and its interval. */
  readonly estimated: number;
  readonly low95: number;
  readonly high95: number;
  readonly shareOfBudget: number;
  readonly paths: number;
  readonly alarms: number;
  /** The heaviest alarm as a share of what the theorem allows. */
  readonly heaviestShare: number;
  readonly horizonDays: number;
}

/** The probability of one event, found in both ways. */
export interface Agreement extends Boundary {
  readonly tilted: Estimate;
  readonly plain: Estimate;
  /** Their difference in its standard errors. */
  readonly difference: number;
}

/** What the rule on failures in a row adds, which has no budget. */
export interface HardDown extends Boundary {
  readonly per1000Years: number;
}

/** Plain paths a path of importance sampling: that many see about a hundred alarms. */
const plainPerTilted = 20;

export async function guarantee(options: GuaranteeOptions): Promise<Guarantee> {
  const rare = await estimateRare(rareBoundaries, options);
  const agreement = await compare(frequentBoundaries, options);
  const direct = await playDirectly(options);
  const hardDown = hardDownBoundaries.map(hardDownAt);
  return { rare, agreement, direct, hardDown, notShown: gapsOf(rare, agreement, direct) };
}

export async function estimateRare(boundaries: readonly Boundary[], options: PathsOptions): Promise<Rare[]> {
  const jobs = boundaries.map(boundary => ({
    boundary,
    method: 'tilted' as const,
    paths: options.paths,
  }));
  const tallies = await tallyAll(jobs, options, 'importance sampling');
  return boundaries.map((boundary, i) => rareOf(settingOf(boundary), tallies[i]!));
}

/** The estimate as a rate over the second half of the horizon, where alarms are counted. */
export function rareOf(setting: Setting, tally: Tally): Rare {
  const { boundary, alarmsPerYear, ticksPerYear } = setting;
  const { horizonTicks, heaviest } = trialOf(setting);
  const estimate = estimateOf(tally);
  const per1000Years = (1000 * ticksPerYear) / (horizonTicks / 2);
  const estimated = estimate.probability * per1000Years;
  const half = halfInterval95(estimate, tally.paths, heaviest) * per1000Years;
  const allowed = 1000 * alarmsPerYear;
  return {
    ...boundary,
    allowed: rounded(allowed),
    estimated: rounded(estimated),
    low95: rounded(Math.max(0, estimated - half)),
    high95: rounded(estimated + half),
    shareOfBudget: rounded(estimated / allowed),
    paths: tally.paths,
    alarms: tally.alarms,
    heaviestShare: tally.heaviestShare,
    horizonDays: rounded((horizonTicks * boundary.tickSeconds) / 86_400),
  };
}

async function compare(boundaries: readonly Boundary[], options: PathsOptions): Promise<Agreement[]> {
  const jobs = boundaries.flatMap(boundary => [
    { boundary, method: 'tilted' as const, paths: 2 * options.paths },
    { boundary, method: 'plain' as const, paths: plainPerTilted * options.paths },
  ]);
  const tallies = await tallyAll(jobs, options, 'agreement');
  return boundaries.map((boundary, i) => agreementOf(boundary, tallies[2 * i]!, tallies[2 * i + 1]!));
}

export function agreementOf(boundary: Boundary, ofTilted: Tally, ofPlain: Tally): Agreement {
  const [tilted, plain] = [estimateOf(ofTilted), estimateOf(ofPlain)];
  const error = Math.hypot(tilted.standardError, plain.standardError);
  const difference = rounded((tilted.probability - plain.probability) / error);
  return { ...boundary, tilted, plain, difference };
}

function hardDownAt(boundary: Boundary): HardDown {
  const { requestsPerTick, allowedBad, ticksPerYear, hardDown } = settingOf(boundary);
  const failing = { requestsPerTick, failureChance: allowedBad, tickMs: boundary.tickSeconds * 1000 };
  return { ...boundary, per1000Years: rounded(1000 * ticksPerYear * hardDownPerTick(failing, hardDown)) };
}

interface PathsJob {
  readonly boundary: Boundary;
  readonly method: Method;
  readonly paths: number;
}

const worker = new URL('./worker.ts', import.meta.url);
/** Small enough that no thread waits long for the last. */
const pathsPerTask = 10;

/** One tally a job, the same whatever the number of threads. */
async function tallyAll(
  jobs: readonly PathsJob[],
  { seed, threads, progress }: PathsOptions,
  part: string,
): Promise<Tally[]> {
  const tasks = jobs.flatMap(({ boundary, method, paths }, job) =>
    Array.from({ length: Math.ceil(paths / pathsPerTask) }, (_, i) => {
      const first = i * pathsPerTask;
      return { job, boundary, method, first, count: Math.min(pathsPerTask, paths - first), seed };
    }),
  );
  const show = progress(part);
  const costs = jobs.map(({ boundary }) => trialOf(settingOf(boundary)).horizonTicks);
  const cost = ({ job, count }: { job: number; count: number }) => costs[job]! * count;
  const total = tasks.reduce((sum, task) => sum + cost(task), 0);
  let done = 0;
  const tallies = await runAll<PathsTask & { job: number }, Tally>(worker, null, tasks, threads, task => {
    done += cost(task);
    show(done / total);
  });
  return jobs.map((_, job) => tallies.filter((_, i) => tasks[i]!.job === job).reduce(together));
}

const rounded = (value: number) => Number(value.toPrecision(6));
