import { namedAfterModel } from './by-model.ts';
import { exported, recorded } from './expressions.ts';
import type { Policy } from './policy.ts';
import { duration } from './promql.ts';
import { type AlertingRule, type RuleGroup, wilsonZ } from './recording.ts';
import type { Resource, ResourceLevel } from './resources.ts';
import {
  type BuiltInName,
  type CustomSignal,
  type Level,
  levels,
  type Signal,
  type SignalName,
} from './signals.ts';

/** What the alert of a signal is called, and its kind in `performance_alerts.alert_type`. */
const alertOf: Readonly<Record<BuiltInName, AlertWords>> = {
  success: {
    name: 'ModelFailing',
    type: 'model_failure',
    says: 'fails too often',
    value: 'success rate',
    bad: 'the share of failed requests',
    worst: 'bottomk',
  },
  latency: {
    name: 'ModelSlow',
    type: 'latency',
    says: 'answers too slowly',
    value: 'share of slow requests',
    bad: 'the share of slow requests',
    worst: 'topk',
  },
  accuracy: {
    name: 'ModelInaccurate',
    type: 'performance_degradation',
    says: 'answers less accurately than it must',
    value: 'mean score',
    bad: 'what the mean score lacks to 1',
    worst: 'bottomk',
  },
  feedback: {
    name: 'ModelDisliked',
    type: 'feedback',
    says: 'is rated worse than it must be',
    value: 'mean rating',
    bad: 'what the mean rating lacks to 1',
    worst: 'bottomk',
  },
};

function wordsOf(signal: Signal): AlertWords {
  return signal.source ? customWords(signal) : alertOf[signal.name];
}

function customWords({ name, kind, words }: CustomSignal): AlertWords {
  const isRate = kind === 'rate';
  return {
    name: 'ModelSignalDegraded',
    type: 'signal_degradation',
    says: words ?? (isRate ? `has too much ${name}` : `has too little ${name}`),
    value: isRate ? `share of ${name}` : `mean ${name}`,
    bad: isRate ? `the share of ${name}` : `what the mean ${name} lacks to 1`,
    worst: isRate ? 'topk' : 'bottomk',
  };
}

interface AlertWords {
  readonly name: string;
  readonly type: string;
  readonly says: string;
  /** What the controller exports as the model's value and threshold. */
  readonly value: string;
  /** The mean badness that the recording rules hold. */
  readonly bad: string;
  /** Picks the worse value. */
  readonly worst: 'topk' | 'bottomk';
}

/** Without a sign of life from the controller for this long, the rules stand in for it. */
const controllerSilentSeconds = 60;

/**
 * When the controller last assessed. Looked for over the whole time that it may be silent: at a restart its series is
 * marked stale at once, and a second is no silence.
 */
const lastSeen = `max(max_over_time(${exported.lastEvaluation}[${duration(controllerSilentSeconds)}]))`;

/** Joined to a condition that only holds while the controller does not report. */
const whileSilent = ` unless on () (time() - ${lastSeen} < ${controllerSilentSeconds})`;

/**
 * Alerting rules. While the controller lives they follow its verdicts, so that the alert path and the switch path can
 * not disagree; without it, the Wilson bound of the same policy stands in. Critical rules come first: Alertmanager's
 * inhibition of the warning then has its source.
 */
export function alertingGroups(policy: Policy): readonly RuleGroup[] {
  const ordered: Level[] = levels.toReversed();
  return [
    {
      name: 'relaycore-alerts',
      rules: [
        ...ordered.flatMap(level => policy.defaults.map(signal => verdictAlert(policy, signal, level))),
        ...ordered.flatMap(level => policy.defaults.map(signal => fallbackAlert(policy, signal, level))),
        ...ordered.flatMap(level =>
          policy.resources.flatMap(resource => resourceAlerts(policy, resource, level)),
        ),
        ...monitorAlerts(policy),
      ],
    },
  ];
}

function verdictAlert(policy: Policy, signal: Signal, level: Level): AlertingRule {
  const { name, type, says, value: measured, worst } = wordsOf(signal);
  return {
    alert: name,
    expr: standing(exported.value, signal.name, level, worst),
    ...cooldown(policy),
    labels: { severity: level, alert_type: type, detector: 'controller' },
    annotations: {
      summary: `{{ $labels.model }} ${says}{{ with $labels.route }} on route {{ . }}{{ end }}`,
      description:
        `{{ $labels.model }} (version {{ $labels.version }}) ${says}: ${measured} {{ $value | printf "%.4g" }}, ` +
        `threshold ${lookUp(exported.threshold)}. ` +
        `Evidence ${lookUp(exported.evidence)} of ${lookUp(exported.evidenceThreshold)} nats.` +
        `{{ with $labels.route }} Route {{ . }} is served by ${activeTarget}.{{ end }}`,
      value: '{{ $value | printf "%.6g" }}',
      threshold: lookUp(exported.threshold),
      evidence: lookUp(exported.evidence),
      evidence_threshold: lookUp(exported.evidenceThreshold),
      active_target: `{{ if $labels.route }}${activeTarget}{{ end }}`,
      ...links(policy, name),
    },
  };
}

/** The measured value of every model whose verdict stands, once for each route that has it as a target. */
function standing(measured: string, signal: SignalName, level: Level, worst: AlertWords['worst']): string {
  const series = `{signal="${signal}",level="${level}"}`;
  const value =
    `max by (model, version, signal, level) (${measured}${series})` +
    ` and on (model, version) (max by (model, version) (${exported.verdict}${series}) == 1)`;
  const targets = `max by (route, model) (0 * ${exported.routeWeight} + 1)`;
  // A route names a model, not its version: of two bad versions the worse one speaks for the route.
  const onePerModel = `${worst} by (model) (1, ${value})`;
  return `(${targets}) * on (model) group_left (version, signal, level) (${onePerModel}) or on (model) (${value})`;
}

/** The same condition from the rules alone, silent while the controller lives. */
function fallbackAlert(policy: Policy, signal: Signal, level: Level): AlertingRule {
  const { name, type, says, bad } = wordsOf(signal);
  const window = duration(policy.alerts.windowMinutes * 60);
  const series = `{signal="${signal.name}",level="${level}"}`;
  return {
    alert: name,
    expr:
      `(${recorded.wilsonLower(window)}${series} > ${recorded.allowed()}${series})` +
      ` and on (model, version) (${recorded.requests(window)}{signal="${signal.name}"} >= ${policy.alerts.minRequests})` +
      whileSilent,
    ...cooldown(policy),
    labels: { severity: level, alert_type: type, detector: 'rules' },
    annotations: {
      summary: `{{ $labels.model }} ${says} (the controller is silent)`,
      description:
        `{{ $labels.model }} (version {{ $labels.version }}) ${says}: over ${window} ${bad} ` +
        `was at least {{ $value | printf "%.4g" }} (Wilson bound, z = ${wilsonZ}); ` +
        `${lookUp(recorded.allowed())} is allowed. ` +
        `The controller does not report: nothing moves by itself.`,
      value: '{{ $value | printf "%.6g" }}',
      threshold: lookUp(recorded.allowed()),
      ...links(policy, name),
    },
  };
}

/** A resource above its threshold: what the controller says, and without it the plain comparison of the series. */
function resourceAlerts(policy: Policy, resource: Resource, level: Level): AlertingRule[] {
  const limit = resource.levels[level];
  return limit ? [resourceAlert(policy, resource, limit), resourceFallback(policy, resource, limit)] : [];
}

const exhausted = 'ModelResourceExhausted';
const exhaustedType = 'resource_exhaustion';

function resourceAlert(
  policy: Policy,
  { name }: Resource,
  { level, threshold }: ResourceLevel,
): AlertingRule {
  return {
    alert: exhausted,
    expr: standing(exported.resourceValue, name, level, 'topk'),
    ...cooldown(policy),
    labels: { severity: level, alert_type: exhaustedType, detector: 'controller' },
    annotations: {
      summary: `{{ $labels.model }} runs out of ${name}{{ with $labels.route }} on route {{ . }}{{ end }}`,
      description:
        `{{ $labels.model }} (version {{ $labels.version }}) runs out of ${name}: {{ $value | printf "%.4g" }}, ` +
        `threshold ${threshold}.{{ with $labels.route }} Route {{ . }} is served by ${activeTarget}.{{ end }}`,
      value: '{{ $value | printf "%.6g" }}',
      threshold: String(threshold),
      active_target: `{{ if $labels.route }}${activeTarget}{{ end }}`,
      ...links(policy, exhausted),
    },
  };
}

function resourceFallback(
  policy: Policy,
  { name, value, labels, forMs }: Resource,
  { level, threshold }: ResourceLevel,
): AlertingRule {
  return {
    alert: exhausted,
    expr: `${namedAfterModel(value, labels)} > ${threshold}${whileSilent}`,
    for: duration(forMs / 1000),
    ...cooldown(policy),
    labels: { severity: level, alert_type: exhaustedType, detector: 'rules', signal: name, level },
    annotations: {
      summary: `{{ or $labels.model $labels.instance }} runs out of ${name} (the controller is silent)`,
      description:
        `{{ or $labels.model $labels.instance }} runs out of ${name}: {{ $value | printf "%.4g" }}, threshold ` +
        `${threshold}. The controller does not report: nothing moves by itself.`,
      value: '{{ $value | printf "%.6g" }}',
      threshold: String(threshold),
      ...links(policy, exhausted),
    },
  };
}

/** Alerts on the monitor itself. `RelayCoreAlive` always fires: whoever receives it pages when it stops. */
function monitorAlerts(policy: Policy): AlertingRule[] {
  return [
    {
      alert: 'RelayCoreControllerSilent',
      expr: `time() - ${lastSeen} > ${controllerSilentSeconds} or absent_over_time(${exported.lastEvaluation}[${duration(controllerSilentSeconds)}])`,
      for: '30s',
      labels: { severity: 'critical', alert_type: 'monitoring' },
      annotations: {
        summary: 'The controller does not report',
        description:
          'No assessment for more than a minute: routes stay as they are, and the rules alone watch the models. ' +
          'Look at the controller and its path to Prometheus.',
        ...links(policy, 'RelayCoreControllerSilent'),
      },
    },
    {
      alert: 'ModelSilent',
      expr: `max by (model, version) (${exported.silence}) > 0`,
      ...cooldown(policy),
      labels: { severity: 'warning', alert_type: 'silence' },
      annotations: {
        summary: '{{ $labels.model }} gets no requests',
        description:
          '{{ $labels.model }} (version {{ $labels.version }}) has had no request for {{ $value | humanizeDuration }}, ' +
          'longer than even its quietest hour explains. What sends it requests may be cut off from it. ' +
          'Its route moves only if its probes fail as well.',
        value: '{{ $value | printf "%.6g" }}',
        ...links(policy, 'ModelSilent'),
      },
    },
    {
      alert: 'ModelsDegradedTogether',
      expr: `max(${exported.incident}) > 0`,
      ...cooldown(policy),
      labels: { severity: 'critical', alert_type: 'incident' },
      annotations: {
        summary: '{{ $value }} models went critical together',
        description:
          `{{ $value }} models went critical within ${policy.incidents.withinMs / 1000} s of each other: look for one cause ` +
          `(network, gateway, a shared dependency). ` +
          (policy.incidents.holdSwitches
            ? 'Their routes stay where they are.'
            : 'Their routes switch each for itself.'),
        value: '{{ $value }}',
        ...links(policy, 'ModelsDegradedTogether'),
      },
    },
    switchProposed(policy),
    routeNotFollowed(policy),
    {
      alert: 'RelayCoreAlive',
      expr: 'vector(1)',
      labels: { severity: 'none', alert_type: 'monitoring' },
      annotations: { summary: 'Prometheus, its rules and Alertmanager are alive (dead man’s switch)' },
    },
  ];
}

/** A change that waits for a person; leaving a bad target waits at its callers' cost. */
function switchProposed(policy: Policy): AlertingRule {
  const name = 'SwitchProposed';
  return {
    alert: name,
    // Looked for over a minute: a scrape that is missed is no decision.
    expr: `max by (route, mode, kind, from, to) (max_over_time(${exported.routeProposal}{mode=~"advise|approve"}[1m])) == 1`,
    labels: {
      severity: '{{ if eq $labels.kind "failover" }}critical{{ else }}warning{{ end }}',
      alert_type: 'proposal',
    },
    annotations: {
      summary:
        'Route {{ $labels.route }}: {{ $labels.kind }} from {{ $labels.from }} to {{ $labels.to }} is proposed',
      description:
        'The controller would move route {{ $labels.route }} from {{ $labels.from }} to {{ $labels.to }} ({{ $labels.kind }}); ' +
        'in mode {{ $labels.mode }} it moves nothing by itself. ' +
        '{{ if eq $labels.mode "approve" }}Approve or reject it: relayctl proposals.' +
        '{{ else }}Move it by hand if you agree: relayctl switch {{ $labels.route }} {{ $labels.to }}.{{ end }}',
      ...links(policy, name),
    },
  };
}

/** A gateway that says it moved and did not: whoever the route left still answers callers. */
function routeNotFollowed(policy: Policy): AlertingRule {
  const name = 'RouteNotFollowed';
  return {
    alert: name,
    // Any controller's word is enough; one that cannot tell says -1.
    expr: `max by (route) (${exported.routeConfirmed} == bool 0) == 1`,
    ...cooldown(policy),
    labels: { severity: 'critical', alert_type: 'routing' },
    annotations: {
      summary: 'Route {{ $labels.route }}: the traffic is not where the gateway says',
      description:
        'The gateway of route {{ $labels.route }} says that it holds the shares, but a target that should get nothing ' +
        'got more than stragglers in the last minute. relayctl explain {{ $labels.route }} says which, and how much.',
      ...links(policy, name),
    },
  };
}

function cooldown(policy: Policy): { keep_firing_for?: string } {
  return policy.alerts.cooldownMinutes > 0
    ? { keep_firing_for: duration(policy.alerts.cooldownMinutes * 60) }
    : {};
}

/** A template that asks Prometheus for the number that belongs to the alert's labels. */
function lookUp(series: string): string {
  const labels = ['model', 'version', 'signal', 'level'];
  const matchers = labels.map(label => `${label}=%q`).join(',');
  const values = labels.map(label => `$labels.${label}`).join(' ');
  return `{{ with printf \`${series}{${matchers}}\` ${values} | query }}{{ . | first | value | printf "%.4g" }}{{ end }}`;
}

const activeTarget = `{{ with printf \`topk(1, ${exported.routeWeight}{route=%q})\` $labels.route | query }}{{ . | first | label "model" }}{{ end }}`;

function links({ alerts }: Policy, alert: string): Record<string, string> {
  const { controller, grafana, runbooks } = alerts.links;
  return {
    ...(controller && {
      status_url: `${controller}/api/v1/performance/model-status`,
      history_url: `${controller}/api/v1/performance/switch-history{{ with $labels.route }}?route={{ . }}{{ end }}`,
    }),
    ...(grafana && {
      dashboard_url: `${grafana}/d/relaycore-routes{{ with $labels.route }}?var-route={{ . }}{{ end }}`,
    }),
    ...(runbooks && { runbook_url: `${runbooks}/${alert}.md` }),
  };
}
