import type { Dashboard } from '@grafana/grafana-foundation-sdk/dashboard';
import * as units from '@grafana/grafana-foundation-sdk/units';
import { metrics, prometheusName } from '@neuroweaver/instrumentation/metrics';
import { exported } from '@relaycore/rules';
import { colours, steps } from './colours.ts';
import { assemble, row } from './dashboard.ts';
import {
  badAttempts,
  evidenceShare,
  phaseCode,
  phases,
  quantile,
  rate,
  share,
  verdictCode,
} from './expressions.ts';
import { stat, table, timeline, timeSeries, valueMap, verdictMap } from './panels.ts';
import { switchesOf } from './switches.ts';
import { datasource, routeVariable } from './variables.ts';

const ofRoute = 'route=~"$route"';
/** Without the copies that shadow traffic sends: no caller sees how they end. */
const ofCallers = `${ofRoute},shadow!="true"`;
/** Models that are a target of the chosen routes. */
const targetsOfRoute = `on (model) ${exported.routeWeight}{${ofRoute}}`;
const attempts = prometheusName(metrics.gatewayAttempts);
const followedGeneration = prometheusName(metrics.gatewayRouteGeneration);
const followedWeight = prometheusName(metrics.gatewayRouteWeight);

/** Who serves each route, what speaks for moving it, and whether the gateway follows. */
export function routesDashboard(): Dashboard {
  return assemble({
    uid: 'relaycore-routes',
    title: 'RelayCore: routes',
    description: 'Who serves each route, the evidence that would move it, and what callers get from it.',
    variables: [datasource(), routeVariable()],
    annotations: [switchesOf(ofRoute)],
    rows: [
      row('Now', [
        serving(),
        phase(),
        gateway(),
        traffic(),
        controllerAge(),
        phaseOverTime(),
        switchReasons(),
      ]),
      row(
        'Route $route',
        [
          desiredWeights(),
          followedWeights(),
          verdicts(),
          evidence('critical'),
          evidence('warning'),
          attemptsByTarget(),
          failedByTarget(),
          hiddenFailures(),
          gatewayLatency(),
        ],
        { repeat: 'route' },
      ),
      row('Controller', [tickDurations(), changesOfWeights()]),
    ],
  });
}

const serving = () =>
  stat({
    title: 'Who serves',
    description:
      'Share of the route that each target gets now, as the controller wants it. Empty means that no controller reports: look at it before anything else.',
    unit: units.PercentUnit,
    size: { width: 8, height: 5 },
    queries: [
      {
        expr: `max by (route, model) (${exported.routeWeight}{${ofRoute}}) / 10000 > 0`,
        legend: '{{route}} → {{model}}',
      },
    ],
    thresholds: steps(colours.neutral),
  });

const phaseMap = valueMap({
  1: { text: 'primary', color: colours.good },
  2: { text: 'balanced', color: colours.good },
  3: { text: 'ramping', color: colours.neutral },
  4: { text: 'probing', color: colours.neutral },
  5: { text: 'failed over', color: colours.bad },
});

const phase = () =>
  stat({
    title: 'Phase',
    description: `Where each route is in its life (${phases.join(', ')}). Red: a backup serves it; the verdicts of the primary below say why.`,
    unit: units.Short,
    size: { width: 4, height: 5 },
    queries: [{ expr: phaseCode(ofRoute), legend: '{{route}}' }],
    mappings: phaseMap,
    thresholds: steps(colours.unknown),
  });

const gateway = () =>
  stat({
    title: 'Gateway',
    description:
      'Whether the gateway of each route holds what the controller wants. Red for longer than a few seconds: it cannot be reached, refuses, or was changed by hand; look at its log and at the generations below.',
    unit: units.Short,
    size: { width: 4, height: 5 },
    queries: [{ expr: `min by (route) (${exported.routeConverged}{${ofRoute}})`, legend: '{{route}}' }],
    mappings: valueMap({
      0: { text: 'differs', color: colours.bad },
      1: { text: 'follows', color: colours.good },
    }),
    thresholds: steps(colours.unknown),
  });

const traffic = () =>
  stat({
    title: 'Traffic',
    description:
      'Whether the requests go where the gateway says. Red: a target that should get nothing gets more than stragglers; explain of the route says which. Grey: too few requests yet, or models that several routes share.',
    unit: units.Short,
    size: { width: 4, height: 5 },
    queries: [{ expr: `max by (route) (${exported.routeConfirmed}{${ofRoute}})`, legend: '{{route}}' }],
    mappings: valueMap({
      [-1]: { text: 'not known', color: colours.unknown },
      0: { text: 'elsewhere', color: colours.bad },
      1: { text: 'as told', color: colours.good },
    }),
    thresholds: steps(colours.unknown),
  });

const controllerAge = () =>
  stat({
    title: 'Last assessment',
    description:
      'Time since the controller last assessed the models. Red: routes stay as they are and only the alert rules watch; look at the controller and its path to Prometheus.',
    unit: units.Seconds,
    size: { width: 4, height: 5 },
    queries: [{ expr: `time() - max(${exported.lastEvaluation})`, legend: 'controller' }],
    decimals: 0,
    thresholds: steps(colours.good, [30, colours.warning], [60, colours.bad]),
  });

const phaseOverTime = () =>
  timeline({
    title: 'Phases',
    description:
      'The life of each route over time. Much red and blue in turn: a primary that fails and recovers; the back-off doubles each time, and a person should look at it.',
    unit: units.Short,
    size: { width: 12, height: 7 },
    queries: [{ expr: phaseCode(ofRoute), legend: '{{route}}' }],
    mappings: phaseMap,
  });

const switchReasons = () =>
  table({
    title: 'Switches',
    description:
      'Switches since the controller started, with their reason. A row that keeps counting up is a route that flaps: look at the switch history of the controller for the evidence of each.',
    unit: units.Short,
    size: { width: 12, height: 7 },
    queries: [
      { expr: `sum by (route, from, to, reason) (${exported.switches}{${ofRoute}}) > 0`, column: 'switches' },
    ],
    columns: ['route', 'from', 'to', 'reason'],
    noValue: 'no switch',
  });

const desiredWeights = () =>
  timeSeries({
    title: 'Weights wanted',
    description:
      'Share of the route that the controller gives to each target. It must add up to 100 %; a gap means that the controller did not report.',
    unit: units.PercentUnit,
    size: { width: 12, height: 8 },
    queries: [
      {
        expr: `max by (model) (${exported.routeWeight}{${ofRoute}}) / 10000`,
        legend: '{{model}}',
        step: true,
      },
    ],
    stacked: true,
    range: { min: 0, max: 1 },
  });

const followedWeights = () =>
  timeSeries({
    title: 'Weights the gateway uses',
    description:
      'Share of the route that the gateway sends to each target. Different from the weights wanted for more than a few seconds: the gateway does not follow, or somebody changed it by hand.',
    unit: units.PercentUnit,
    size: { width: 12, height: 8 },
    queries: [
      {
        expr: `avg by (gen_ai_request_model) (${followedWeight}{${ofRoute}}) / 10000`,
        legend: '{{gen_ai_request_model}}',
        step: true,
      },
    ],
    stacked: true,
    range: { min: 0, max: 1 },
  });

const verdicts = () =>
  timeline({
    title: 'Verdicts of the targets',
    description:
      'What the controller thinks of each target and signal. Red on the serving target: it should be leaving; if it stays, every backup is as bad or the route is pinned, frozen or only observed. Grey is unknown: too little data, and never a reason to switch.',
    unit: units.Short,
    size: { width: 24, height: 8 },
    queries: [
      { expr: `(${verdictCode()}) and ${targetsOfRoute}`, legend: '{{model}} {{version}} {{signal}}' },
    ],
    mappings: verdictMap,
  });

const evidence = (level: 'warning' | 'critical') =>
  timeSeries({
    title: level === 'critical' ? 'Evidence towards a switch' : 'Evidence towards a warning',
    description:
      `Evidence that a target is degraded, as a share of what a ${level} verdict needs. ` +
      (level === 'critical'
        ? 'At 100 % the verdict stands and the route moves off that target. Rising and not there yet: a switch is coming.'
        : 'At 100 % a warning is raised; nothing moves. Look at the signal that rises before it becomes critical.'),
    unit: units.PercentUnit,
    size: { width: 12, height: 8 },
    queries: [
      {
        expr: `(${evidenceShare(`level="${level}"`, 'model, version, signal')}) and ${targetsOfRoute}`,
        legend: '{{model}} {{version}} {{signal}}',
      },
    ],
    range: { min: 0 },
    thresholds: steps(colours.clear, [1, level === 'critical' ? colours.bad : colours.warning]),
    thresholdLine: true,
  });

const attemptsByTarget = () =>
  timeSeries({
    title: 'Attempts by target',
    description:
      'Requests that the gateway sends to each target. A target with weight and without attempts: no traffic, or the gateway does not follow.',
    unit: units.RequestsPerSecond,
    size: { width: 12, height: 8 },
    queries: [
      {
        expr: `sum by (gen_ai_request_model) (${rate(`${attempts}{${ofRoute}}`)})`,
        legend: '{{gen_ai_request_model}}',
      },
    ],
    stacked: true,
    range: { min: 0 },
  });

const failedByTarget = () =>
  timeSeries({
    title: 'Failed attempts by target',
    description:
      'Share of attempts at a target that failed (error, timeout, refused, rate limited), cancelled ones left out. High: that target is the cause; the model dashboard shows which errors.',
    unit: units.PercentUnit,
    size: { width: 12, height: 8 },
    queries: [
      {
        expr: share({
          counter: attempts,
          bad: `${ofRoute},${badAttempts}`,
          all: `${ofRoute},outcome!="cancelled"`,
          by: 'gen_ai_request_model',
        }),
        legend: '{{gen_ai_request_model}}',
      },
    ],
    range: { min: 0, softMax: 0.1 },
  });

const hiddenFailures = () =>
  timeSeries({
    title: 'Failures callers saw, and those a retry hid',
    description:
      'Share of requests that ended badly for the caller, and attempts tried again per request. Only the hidden one is up: the gateway holds, but each retry costs latency and load. Both up: callers are hurt now.',
    unit: units.PercentUnit,
    size: { width: 12, height: 8 },
    queries: [
      {
        expr: share({
          counter: attempts,
          bad: `${ofCallers},retried="false",${badAttempts}`,
          all: `${ofCallers},retried="false",outcome!="cancelled"`,
          by: 'route',
        }),
        legend: 'seen by callers',
        colour: colours.bad,
      },
      {
        expr: share({
          counter: attempts,
          bad: `${ofCallers},retried="true"`,
          all: `${ofCallers},retried="false",outcome!="cancelled"`,
          by: 'route',
        }),
        legend: 'hidden by a retry',
        colour: colours.warning,
      },
    ],
    range: { min: 0, softMax: 0.1 },
  });

const gatewayLatency = () =>
  timeSeries({
    title: 'Latency at the gateway, slowest 5 %',
    description:
      'Estimated 95th percentile of an attempt, from histogram buckets: good for its course, coarse in its value. Verdicts count requests beyond the threshold instead.',
    unit: units.Seconds,
    size: { width: 12, height: 8 },
    queries: [
      {
        expr: quantile(0.95, metrics.gatewayDuration, ofRoute, 'gen_ai_request_model'),
        legend: '{{gen_ai_request_model}}',
      },
    ],
    range: { min: 0 },
  });

const tickDurations = () =>
  timeSeries({
    title: 'How long the controller takes, slowest 5 %',
    description:
      'Estimated 95th percentile of one round, of one query to Prometheus and of one change at a gateway. A round near its interval delays every decision: look at Prometheus first.',
    unit: units.Seconds,
    size: { width: 12, height: 8 },
    queries: [
      { expr: controllerQuantile(exported.tickDuration), legend: 'round' },
      { expr: controllerQuantile(exported.queryDuration), legend: 'query' },
      { expr: controllerQuantile(exported.applyDuration), legend: 'apply' },
    ],
    range: { min: 0 },
  });

const changesOfWeights = () =>
  timeSeries({
    title: 'Generations',
    description:
      'Version number of each route: every change of weights is one more. A staircase without end is a route that cannot come to rest.',
    unit: units.Short,
    size: { width: 12, height: 8 },
    queries: [
      {
        expr: `max by (route) (${exported.routeGeneration}{${ofRoute}})`,
        legend: '{{route}} wanted',
        step: true,
      },
      {
        expr: `min by (route) (${followedGeneration}{${ofRoute}})`,
        legend: '{{route}} followed',
        step: true,
      },
    ],
  });

const controllerQuantile = (histogram: string) =>
  `histogram_quantile(0.95, sum by (le) (${rate(`${histogram}_bucket`)}))`;
