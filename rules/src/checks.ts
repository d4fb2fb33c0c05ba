import { checkBalance } from './balance-checks.ts';
import { checkCustomSignals } from './custom-checks.ts';
import { checkDrivers } from './driver-checks.ts';
import { type CauseKind, type FailbackSteps, resolveFailback } from './failback.ts';
import { commonEdges, edgeAt, profilesNamed, thresholdAt } from './latency-edges.ts';
import { checkProbes } from './probe-checks.ts';
import { closestName, type Problem } from './problems.ts';
import { profileNames } from './profiles/index.ts';
import { checkResources } from './resource-checks.ts';
import type {
  FailbackFile,
  FailbackStepsFile,
  ModelFile,
  ModelThresholdsFile,
  PolicyFile,
} from './schema.ts';
import { defaultThresholds, mergeThresholds, type Thresholds } from './signals.ts';

/** What the schema cannot see: how the parts of a policy fit together. */
export function checkPolicy(file: PolicyFile): Problem[] {
  const defaults = defaultThresholds(file);
  return [
    ...checkThresholds('model_performance', defaults),
    ...checkEdges('model_performance', defaults, {}, file.latency_edges_ms),
    ...Object.entries(file.models).flatMap(([id, model]) => [
      ...checkThresholds(`models.${id}`, mergeThresholds(defaults, model), model),
      ...(model.latency || model.profile
        ? checkEdges(`models.${id}`, mergeThresholds(defaults, model), model, file.latency_edges_ms)
        : []),
      ...checkProfile(`models.${id}.profile`, model.profile),
      ...checkProbes(`models.${id}`, model, file.probes),
    ]),
    ...checkOneNameEach(file),
    ...Object.entries(file.routes).flatMap(([name, route]) => [
      ...checkTargets(`routes.${name}.targets`, route.targets, Object.keys(file.models)),
      ...checkFailback(`routes.${name}.failback`, route.failback),
      ...checkBalance(`routes.${name}.balance`, route, file.alert_settings),
    ]),
    ...checkDrivers(file.routes),
    ...checkAgreement(file),
    ...checkCustomSignals(file, defaults),
    ...checkResources(file),
  ];
}

/** A warning comes before its critical, and a threshold at the very end of its range can never be evidence. */
function checkThresholds(path: string, merged: Thresholds, written?: ModelThresholdsFile): Problem[] {
  const problems: Problem[] = [];
  const states = (key: keyof ModelThresholdsFile) => written === undefined || written[key] !== undefined;
  for (const [key, pair] of [
    ['accuracy', merged.accuracy],
    ['feedback', merged.feedback],
    ['success_rate', merged.successRate],
  ] as const) {
    if (!states(key)) continue;
    if (pair.warning < pair.critical)
      problems.push({
        path: `${path}.${key}`,
        message: `the warning (${pair.warning}) comes after the critical (${pair.critical})`,
        remedy: 'a warning has to be raised first: give warning_threshold the higher number',
      });
    for (const level of ['warning', 'critical'] as const)
      if (pair[level] <= 0 || pair[level] >= 1)
        problems.push({
          path: `${path}.${key}.${level}_threshold`,
          message: `${pair[level]} leaves nothing to tell apart`,
          remedy:
            'give a number between 0 and 1, for example 0.95; at 1 a single bad request would be a verdict',
        });
  }
  if (states('latency')) {
    if (merged.latencyMs.warning > merged.latencyMs.critical)
      problems.push({
        path: `${path}.latency`,
        message: `the warning (${merged.latencyMs.warning} ms) comes after the critical (${merged.latencyMs.critical} ms)`,
        remedy: 'a warning has to be raised first: give warning_threshold_ms the lower number',
      });
    if (merged.slowFraction <= 0 || merged.slowFraction >= 1)
      problems.push({
        path: `${path}.latency.slow_fraction`,
        message: `${merged.slowFraction} leaves nothing to tell apart`,
        remedy: 'give a number between 0 and 1, for example 0.05',
      });
  }
  return problems;
}

/** Between two edges a histogram knows nothing, and an interpolated quantile is a guess: so an edge must be there. */
function checkEdges(
  path: string,
  merged: Thresholds,
  model: Pick<ModelFile, 'profile' | 'latency'>,
  extraMs: readonly number[],
): Problem[] {
  const names = profilesNamed(model);
  const edges = commonEdges(names, extraMs);
  if (!edges) return [];
  const isOurs = names.every(name => name === 'neuroweaver');
  // What is wrong with the default was said of the default.
  if (isOurs && path !== 'model_performance' && !model.latency) return [];
  return (['warning', 'critical'] as const)
    .filter(level => edgeAt(merged.latencyMs[level], edges) === undefined)
    .map(level => {
      const threshold = merged.latencyMs[level];
      return {
        path: `${path}.latency.${level}_threshold_ms`,
        message: `no histogram edge${isOurs ? '' : ` of ${names.join(' and ')}`} stands at ${threshold} ms`,
        remedy: isOurs ? giveEdge(threshold, edges) : takeEdge(threshold, edges),
      };
    });
}

const giveEdge = (threshold: number, edges: readonly number[]) =>
  `start the servers with NEUROWEAVER_LATENCY_THRESHOLDS=${threshold / 1000} (seconds) and list ` +
  `${threshold} under latency_edges_ms, or use one of: ${edges.map(thresholdAt).join(', ')}`;

/** The edge above leaves slow requests uncounted; the one below would count some that are fast enough. */
function takeEdge(threshold: number, edges: readonly number[]): string {
  const thresholds = edges.map(thresholdAt);
  const above = thresholds.find(one => one > threshold);
  return (
    `${above === undefined ? '' : `give ${above}, the next edge above, or `}use one of: ${thresholds.join(', ')}; ` +
    'edges that your server was started with go under latency_edges_ms'
  );
}

function checkProfile(path: string, written: ModelFile['profile']): Problem[] {
  return [written ?? []].flat().flatMap((profile, index) => {
    if (profileNames.includes(profile)) return [];
    const near = closestName(profile, profileNames);
    return [
      {
        path: typeof written === 'string' ? path : `${path}.${index}`,
        message: `there is no profile "${profile}"`,
        remedy: near ? `did you mean "${near}"?` : `use one of: ${profileNames.join(', ')}`,
      },
    ];
  });
}

/** Two entries that match the same series would count every request twice. Without a version, all versions match. */
function checkOneNameEach(file: PolicyFile): Problem[] {
  const models = Object.entries(file.models).map(([id, { name = id, version }]) => ({ id, name, version }));
  return models.flatMap(({ id, name, version }, index) => {
    const first = models
      .slice(0, index)
      .find(
        other =>
          other.name === name &&
          (other.version === version || other.version === undefined || version === undefined),
      );
    if (!first) return [];
    return [
      {
        path: `models.${id}`,
        message: `matches the same series as models.${first.id} (${name} version ${version ?? first.version ?? '(any)'})`,
        remedy: 'give each its own name or version',
      },
    ];
  });
}

function checkTargets(path: string, targets: readonly string[], models: readonly string[]): Problem[] {
  return targets.flatMap((target, index) => {
    if (targets.indexOf(target) !== index)
      return [
        { path: `${path}.${index}`, message: `"${target}" stands twice`, remedy: 'remove the second one' },
      ];
    if (models.includes(target)) return [];
    const near = closestName(target, models);
    return [
      {
        path: `${path}.${index}`,
        message: `there is no model "${target}"`,
        remedy: near
          ? `did you mean "${near}"?`
          : `add it under models, or use one of: ${models.join(', ') || '(none yet)'}`,
      },
    ];
  });
}

function checkFailback(path: string, written: FailbackFile | undefined): Problem[] {
  if (!written) return [];
  const resolved = resolveFailback(written);
  const ofCauses = Object.entries(written.causes ?? {}).flatMap(([kind, steps]) =>
    checkFailbackSteps(`${path}.causes.${kind}`, steps, resolved.causes[kind as CauseKind]),
  );
  return [...checkFailbackSteps(path, written, resolved), ...ofCauses];
}

function checkFailbackSteps(
  path: string,
  { steps }: FailbackStepsFile,
  { backoffMs, backoffCapMs }: FailbackSteps,
): Problem[] {
  const problems: Problem[] = [];
  if (steps && (steps.at(-1) !== 100 || steps.some((step, i) => i > 0 && step <= steps[i - 1]!)))
    problems.push({
      path: `${path}.steps`,
      message: `${JSON.stringify(steps)} does not rise to 100`,
      remedy: 'list rising shares in percent that end with 100, for example [5, 25, 100]',
    });
  if (backoffMs > backoffCapMs)
    problems.push({
      path: `${path}.backoff_cap_minutes`,
      message: `the cap (${backoffCapMs / 60_000}) is below the first wait (${backoffMs / 60_000})`,
      remedy: `give a cap of at least ${backoffMs / 60_000}`,
    });
  return problems;
}

function checkAgreement(file: PolicyFile): Problem[] {
  const { agreement_seconds: agreement } = file.detection;
  if (agreement.severe <= agreement.mild) return [];
  return [
    {
      path: 'detection.agreement_seconds',
      message: `severe degradation (${agreement.severe} s) would be believed later than mild (${agreement.mild} s)`,
      remedy: 'give severe the shorter time, for example { mild: 60, severe: 15 }',
    },
  ];
}
