import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { formatProblems, type Level, loadPolicy, type Policy, type Problem } from '@relaycore/rules';
import { parseDocument } from 'yaml';
import type { Distribution } from './distributions.ts';
import { inconsistencies, problemsOf } from './scenario-checks.ts';
import { type ConditionsFile, format, type ScenarioFile, scenarioSchema } from './scenario-file.ts';
import { loadTrace, type Trace } from './trace.ts';

/** A scenario as the simulation runs it: plain values, times in milliseconds, every phase complete. */
export interface Scenario {
  readonly name: string;
  readonly level: Level;
  /** The policy in YAML, with the targets as models; `policyOf` reads it. */
  readonly policyText: string;
  readonly rates: readonly number[];
  readonly trace?: Trace;
  readonly diurnal?: { readonly min: number; readonly max: number };
  readonly durationMs: number;
  readonly tickMs: number;
  readonly replicas: number;
  readonly labelsPerRequest: number;
  readonly labelDelayMs: number;
  readonly traffic: readonly { readonly atMs: number; readonly multiplier: number; readonly forMs: number }[];
  readonly scrape?: Scrape;
  readonly resets?: { readonly everyMs: number; readonly replica?: number };
  /** The primary, then the backups. */
  readonly targets: readonly [Behaviour, ...Behaviour[]];
  readonly repeat: number;
}

export interface Scrape {
  readonly intervalMs: number;
  readonly jitterMs: number;
  readonly missed: number;
  readonly gaps: readonly { readonly atMs: number; readonly forMs: number }[];
}

/** How one target behaves over time. */
export interface Behaviour {
  readonly phases: readonly Phase[];
  readonly faults: readonly Fault[];
  readonly bursts?: NonNullable<ScenarioFile['bursts']>;
  readonly noise?: { readonly logitSd: number; readonly tauMs: number };
}

export interface Quality {
  readonly success?: number;
  readonly latency?: Distribution;
  readonly score?: Distribution;
}

export interface Phase extends Quality {
  readonly atMs: number;
  readonly driftMs: number;
  readonly degraded: boolean;
}

export interface Fault extends Quality {
  readonly startMs: number;
  readonly periodMs: number;
  readonly duty: number;
  readonly phaseMs: number;
  readonly replica?: number;
  readonly degraded?: boolean;
}

/** A scenario file that cannot be run, with every problem in it. */
export class ScenarioRefused extends Error {
  readonly problems: readonly Problem[];

  constructor(file: string, problems: readonly Problem[]) {
    super(`${file} cannot be simulated:\n${formatProblems(problems)}`);
    this.name = 'ScenarioRefused';
    this.problems = problems;
  }
}

/** @throws ScenarioRefused with every problem, its path and its remedy */
export async function loadScenario(file: string): Promise<Scenario> {
  const text = await readFile(file, 'utf8').catch(error => {
    throw refusal(
      file,
      '(file)',
      `cannot be read: ${error.message}`,
      'give the path of a scenario file (YAML)',
    );
  });
  return readScenario(text, file);
}

export async function readScenario(text: string, file: string): Promise<Scenario> {
  const document = parseDocument(text, { uniqueKeys: true });
  const broken = document.errors[0];
  if (broken) throw refusal(file, '(file)', broken.message, 'correct the YAML there');
  const parsed = scenarioSchema.safeParse(document.toJS(), { reportInput: true });
  if (!parsed.success)
    throw new ScenarioRefused(
      file,
      parsed.error.issues.flatMap(issue => problemsOf(issue)),
    );
  const written = parsed.data;
  const problems = inconsistencies(written);
  const policy = await policyTextOf(written, file);
  const loaded = loadPolicy(policy.text, process.env);
  if (loaded.kind === 'refused')
    problems.push(...loaded.problems.map(problem => ({ ...problem, path: `policy: ${problem.path}` })));
  if (policy.problem) problems.push(policy.problem);
  const trace =
    written.arrivals && (await loadTrace(resolve(dirname(file), written.arrivals.trace), problems));
  if (problems.length > 0 || loaded.kind === 'refused') throw new ScenarioRefused(file, problems);
  return complete(written, policy.text, loaded.policy, trace);
}

/** The policy of a scenario; its models are the targets, its one route is named `simulated`. */
export function policyOf({ policyText }: Scenario): Policy {
  const loaded = loadPolicy(policyText, process.env);
  if (loaded.kind === 'refused')
    throw new Error(`the policy was good before: ${formatProblems(loaded.problems)}`);
  return loaded.policy;
}

export const targetNames = (count: number) =>
  Array.from({ length: count }, (_, index) => (index === 0 ? 'primary' : `backup-${index}`));

function refusal(file: string, path: string, message: string, remedy: string): ScenarioRefused {
  return new ScenarioRefused(file, [{ path, message, remedy }]);
}

/** The scenario's policy with its targets as models and one route over them. */
async function policyTextOf(
  { policy, tick, backups }: ScenarioFile,
  file: string,
): Promise<{ text: string; problem?: Problem }> {
  let keys: Record<string, unknown> = {};
  let problem: Problem | undefined;
  if (typeof policy === 'string')
    try {
      keys = parseDocument(await readFile(resolve(dirname(file), policy), 'utf8')).toJS() ?? {};
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      problem = { path: 'policy', message: `cannot be read: ${reason}`, remedy: format.policy! };
    }
  else keys = policy;
  const names = targetNames(1 + backups.length);
  const failback = Object.values((keys.routes ?? {}) as Record<string, { failback?: unknown }>)[0]?.failback;
  const { notifications: _, ...rest } = keys;
  const text = JSON.stringify({
    ...rest,
    ...(tick !== undefined && { detection: { ...(keys.detection as object), tick_seconds: tick / 1000 } }),
    models: Object.fromEntries(names.map(name => [name, {}])),
    routes: {
      simulated: { targets: names, driver: { kind: 'dry-run' }, ...(failback !== undefined && { failback }) },
    },
  });
  return { text, ...(problem && { problem }) };
}

function complete(
  written: ScenarioFile,
  policyText: string,
  policy: Policy,
  trace: Trace | undefined,
): Scenario {
  const { tickMs } = policy.detection;
  // A route weighs success and latency of every target, so they always report both.
  const unnamed: Quality = written.backups.length > 0 ? { success: 0.99, latency: ordinaryLatency } : {};
  const primary = behaviourOf(written, unnamed);
  const backups = written.backups.map(backup => {
    const first = { ...primary.phases[0], ...qualityOf(backup) };
    const phases =
      backup.phases.length > 0 ? backup.phases : [{ at: 0, drift: 0, degraded: backup.degraded }];
    return behaviourOf({ ...backup, phases: [...phases] }, first);
  });
  const { scrape, resets } = written;
  return {
    name: written.name,
    level: written.level,
    policyText,
    rates: written.rates ?? [Number(((1000 * trace!.atMs.length) / trace!.lengthMs).toFixed(3))],
    ...(trace && { trace }),
    ...(written.diurnal && { diurnal: written.diurnal }),
    durationMs: written.duration,
    tickMs,
    replicas: written.replicas,
    labelsPerRequest: written.labels_per_request,
    labelDelayMs: written.label_delay,
    traffic: written.traffic.map(({ at, multiplier, for: ms }) => ({ atMs: at, multiplier, forMs: ms })),
    ...(scrape && {
      scrape: {
        intervalMs: scrape.interval ?? tickMs,
        jitterMs: scrape.jitter,
        missed: scrape.missed,
        gaps: scrape.gaps.map(({ at, for: ms }) => ({ atMs: at, forMs: ms })),
      },
    }),
    ...(resets && {
      resets: { everyMs: resets.every, ...(resets.replica !== undefined && { replica: resets.replica }) },
    }),
    targets: [primary, ...backups],
    repeat: written.repeat,
  };
}

const ordinaryLatency: Distribution = {
  kind: 'lognormal',
  median: 600,
  sigma: Math.log(2.5) / 1.6448536269514722,
};

/** Fills in what each phase does not name: it stays as it was. */
function behaviourOf(
  written: Pick<ScenarioFile, 'phases' | 'faults' | 'bursts' | 'noise'>,
  first: Quality,
): Behaviour {
  let quality = first;
  let degraded = false;
  const phases = written.phases.map(phase => {
    quality = { ...quality, ...qualityOf(phase) };
    degraded = phase.degraded ?? degraded;
    return { ...quality, degraded, atMs: phase.at, driftMs: phase.drift };
  });
  return {
    phases,
    faults: written.faults.map(fault => ({
      ...qualityOf(fault),
      startMs: fault.start,
      periodMs: fault.period,
      duty: fault.duty,
      phaseMs: fault.phase,
      ...(fault.replica !== undefined && { replica: fault.replica }),
      ...(fault.degraded !== undefined && { degraded: fault.degraded }),
    })),
    ...(written.bursts && { bursts: written.bursts }),
    ...(written.noise && { noise: { logitSd: written.noise.logit_sd, tauMs: written.noise.tau } }),
  };
}

const qualityOf = ({ success, latency_ms, score }: ConditionsFile): Quality => ({
  ...(success !== undefined && { success }),
  ...(latency_ms !== undefined && { latency: latency_ms }),
  ...(score !== undefined && { score }),
});
