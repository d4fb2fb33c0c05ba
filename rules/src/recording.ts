import { byId, sharedNames } from './by-model.ts';
import { badExpression, type ModelScope, recorded, requestsExpression } from './expressions.ts';
import type { Policy } from './policy.ts';
import { anyOf, duration } from './promql.ts';
import { type Level, levels, type Signal } from './signals.ts';

/** A Prometheus rule group, as the rule file has it. */
export interface RuleGroup {
  readonly name: string;
  readonly interval?: string;
  readonly rules: readonly Rule[];
}
export type Rule = RecordingRule | AlertingRule;
export interface RecordingRule {
  readonly record: string;
  readonly expr: string;
  readonly labels?: Readonly<Record<string, string>>;
}
export interface AlertingRule {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly keep_firing_for?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/** Standard score of the Wilson bound that stands in for the controller: no false alarm in simulated model-years. */
export const wilsonZ = 5;

const dashboardWindowsSeconds = [60, 300, 3600];

/**
 * The stateless companions of the detector: counts, ratios, the Wilson bound and the evidence over fixed windows, for
 * dashboards and for the alerts that hold without the controller. Layers that build on each other share one group,
 * because rules of a group run in order and those of another group would lag by an interval.
 */
export function recordingGroups(policy: Policy): readonly RuleGroup[] {
  const evaluationSeconds = policy.alerts.windowMinutes * 60;
  const windows = [...new Set([evaluationSeconds, ...dashboardWindowsSeconds])].sort((a, b) => a - b);
  return [
    {
      name: 'relaycore-models',
      rules: [
        ...windows.flatMap(seconds => windowRules(policy, seconds)),
        ...judgementRules(policy, duration(evaluationSeconds)),
      ],
    },
  ];
}

function windowRules(policy: Policy, seconds: number): RecordingRule[] {
  const window = duration(seconds);
  const requests = recorded.requests(window);
  const counts = policy.defaults.map(signal => ({
    record: requests,
    expr: byId(requestsExpression(signal, seconds), policy),
    labels: { signal: signal.name },
  }));
  const bad = signalLevels(policy).map(({ signal: byDefault, level }) => ({
    record: recorded.bad(window),
    expr: [
      byId(
        scopesOf(policy, byDefault, level)
          .map(({ signal, scope }) => badExpression(signal, level, scope, seconds))
          .join(' or '),
        policy,
      ),
      ...(countsBad(byDefault) ? [zeroBad(requests, byDefault)] : []),
    ].join(' or '),
    labels: { signal: byDefault.name, level },
  }));
  const ratios = levels.map(level => ({
    record: recorded.badRatio(window),
    expr: `${recorded.bad(window)}{level="${level}"} / on (model, version, signal) group_left () (${requests} > 0)`,
    labels: { level },
  }));
  const scores = anyOf(policy.defaults.flatMap(({ name, kind }) => (kind === 'score' ? name : [])));
  const score = {
    record: recorded.score(window),
    expr: `1 - sum by (model, version, signal) (${recorded.badRatio(window)}{signal=~${scores},level="critical"})`,
  };
  return [...counts, ...bad, ...ratios, score];
}

/**
 * A model whose error series was never born has no failures, not an unknown number of them. Only where bad ones have a
 * counter of their own: slow requests that no bucket edge counts are unknown, not zero.
 */
const zeroBad = (requests: string, { name }: Signal) =>
  `0 * sum by (model, version) (${requests}{signal="${name}"})`;

const countsBad = ({ name, source }: Signal) => (source ? source.kind === 'counters' : name === 'success');

/** What is allowed, the Wilson lower bound of the bad fraction, and the evidence n·KL(p‖q) in nats. */
function judgementRules(policy: Policy, window: string): RecordingRule[] {
  const p = recorded.badRatio(window);
  const q = recorded.allowed();
  // Many ratios (one a level) belong to one count; 0 * p spreads the count over them.
  const n = `(0 * ${p} + on (model, version, signal) group_left () ${recorded.requests(window)})`;
  const zz = wilsonZ ** 2;
  return [
    ...signalLevels(policy).map(({ signal: byDefault, level }) => ({
      record: q,
      expr: allowances(policy, byDefault, level)
        .map(
          ({ allowedBad, models }) =>
            `0 * ${p}{${ofSignal(byDefault, level)}${models}} + ${number(allowedBad)}`,
        )
        .join(' or '),
      labels: { signal: byDefault.name, level },
    })),
    {
      record: recorded.wilsonLower(window),
      expr:
        `(${p} + ${zz / 2} / ${n} - ${wilsonZ} * sqrt(${p} * (1 - ${p}) / ${n} + ${zz / 4} / ${n} ^ 2))` +
        ` / (1 + ${zz} / ${n})`,
    },
    {
      record: recorded.evidence(window),
      // p·ln p is 0 at p = 0, where PromQL would say NaN: hence the clamp.
      expr:
        `${n} * (${p} > bool ${q}) * (${p} * ln(clamp_min(${p}, 1e-9) / ${q})` +
        ` + (1 - ${p}) * ln(clamp_min(1 - ${p}, 1e-9) / (1 - ${q})))`,
    },
  ];
}

const ofSignal = ({ name }: Signal, level: Level) => `signal="${name}",level="${level}"`;

const signalLevels = (policy: Policy): { signal: Signal; level: Level }[] =>
  levels.flatMap(level => policy.defaults.map(signal => ({ signal, level })));

/** What a level allows, with a matcher of the models that it holds for; one entry for each distinct number. */
function allowances(
  policy: Policy,
  byDefault: Signal,
  level: Level,
): { readonly allowedBad: number; readonly models: string }[] {
  const common = byDefault.levels[level].allowedBad;
  const own = new Map<number, string[]>();
  for (const { id, signals } of Object.values(policy.models)) {
    const { allowedBad } = signals.find(({ name }) => name === byDefault.name)!.levels[level];
    if (allowedBad !== common) own.set(allowedBad, [...(own.get(allowedBad) ?? []), id]);
  }
  const others = [...own.values()].flat();
  return [
    ...[...own].map(([allowedBad, ids]) => ({ allowedBad, models: `,model=~${anyOf(ids)}` })),
    { allowedBad: common, models: others.length > 0 ? `,model!~${anyOf(others)}` : '' },
  ];
}

interface ScopedSignal {
  readonly signal: Signal;
  readonly scope: ModelScope;
}

/**
 * The models that each latency edge holds for: the default for all but those with one of their own, and one entry for
 * each distinct one. So the rules follow the policy's variety, not its length. The most particular scopes come first:
 * `or` keeps the first answer for a model.
 */
function scopesOf(policy: Policy, byDefault: Signal, level: Level): ScopedSignal[] {
  const edgeOf = (signal: Signal) => signal.levels[level].edgeSeconds;
  const shared = sharedNames(policy.models);
  const own = Object.values(policy.models).flatMap(({ name, version, signals }) =>
    signals
      .filter(signal => signal.name === byDefault.name && edgeOf(signal) !== edgeOf(byDefault))
      .map(signal => ({ name, version: shared.has(name) ? version : undefined, signal })),
  );
  type Own = (typeof own)[number];
  const alike = (a: Own, b: Own) => a.version === b.version && edgeOf(a.signal) === edgeOf(b.signal);
  const distinct = own
    .filter((one, i) => own.findIndex(other => alike(other, one)) === i)
    .toSorted((a, b) => Number(a.version === undefined) - Number(b.version === undefined));
  const namesOfAnyVersion = own.filter(({ version }) => version === undefined).map(({ name }) => name);
  return [
    ...distinct.map(one => ({
      signal: one.signal,
      scope: {
        kind: 'only' as const,
        names: own.filter(other => alike(other, one)).map(({ name }) => name),
        ...(one.version !== undefined && { version: one.version }),
      },
    })),
    { signal: byDefault, scope: { kind: 'except', names: namesOfAnyVersion } },
  ];
}

/** 1 - 0.95 is 0.050000000000000044 in binary; rules are read by people. */
const number = (value: number) => String(Number(value.toPrecision(12)));
