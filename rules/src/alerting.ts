import { exported, recorded } from './expressions.ts';
import type { Policy } from './policy.ts';
import { duration } from './promql.ts';
import { type AlertingRule, type RuleGroup, wilsonZ } from './recording.ts';
import { type Level, levels, type SignalName } from './signals.ts';

/** What the alert of a signal is called, and its kind in `performance_alerts.alert_type`. */
const alertOf: Readonly<Record<SignalName, AlertWords>> = {
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
};

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

/**
 * Alerting rules. While the controller lives they follow its verdicts, so that the alert path and the switch path can
 * not disagree; without it, the Wilson bound of the same policy stands in. Critical rules come first: Alertmanager's
 * inhibition of the warning then has its source.
 */
export function alertingGroups(policy: Policy): readonly RuleGroup[] {
  const ordered: Level[] = levels.toReversed();
  const signals = policy.defaults.map(signal => signal.name);
  return [
    {
      name: 'relaycore-alerts',
      rules: [
        ...ordered.flatMap(level => signals.map(signal => verdictAlert(policy, signal, level))),
        ...ordered.flatMap(level => signals.map(signal => fallbackAlert(policy, signal, level))),
        ...monitorAlerts(policy),
      ],
    },
  ];
}

/** The measured value of every model whose verdict stands, once for each route that has it as a target. */
function verdictAlert(policy: Policy, signal: SignalName, level: Level): AlertingRule {
  const { name, type, says, value: measured, worst } = alertOf[signal];
  const series = `{signal="${signal}",level="${level}"}`;
  const value =
    `max by (model, version, signal, level) (${exported.value}${series})` +
    ` and on (model, version) (max by (model, version) (${exported.verdict}${series}) == 1)`;
  const targets = `max by (route, model) (0 * ${exported.routeWeight} + 1)`;
  // A route names a model, not its version: of two bad versions the worse one speaks for the route.
  const onePerModel = `${worst} by (model) (1, ${value})`;
  return {
    alert: name,
    expr: `(${targets}) * on (model) group_left (version, signal, level) (${onePerModel}) or on (model) (${value})`,
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

/** The same condition from the rules alone, silent while the controller lives. */
function fallbackAlert(policy: Policy, signal: SignalName, level: Level): AlertingRule {
  const { name, type, says, bad } = alertOf[signal];
  const window = duration(policy.alerts.windowMinutes * 60);
  const series = `{signal="${signal}",level="${level}"}`;
  return {
    alert: name,
    expr:
      `(${recorded.wilsonLower(window)}${series} > ${recorded.allowed()}${series})` +
      ` and on (model, version) (${recorded.requests(window)}{signal="${signal}"} >= ${policy.alerts.minRequests})` +
      ` unless on () (time() - ${lastSeen} < ${controllerSilentSeconds})`,
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
