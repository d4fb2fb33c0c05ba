import type { Dashboard } from '@grafana/grafana-foundation-sdk/dashboard';
import * as units from '@grafana/grafana-foundation-sdk/units';
import { metrics, prometheusName } from '@neuroweaver/instrumentation/metrics';
import { builtInNames, exported, type Level, recorded, type SignalName } from '@relaycore/rules';
import { colours, levelColour, steps } from './colours.ts';
import { assemble, row } from './dashboard.ts';
import {
  badAttempts,
  badRequests,
  evidenceShare,
  latest,
  levelCode,
  quantile,
  rate,
  share,
  verdictCode,
} from './expressions.ts';
import {
  levelMap,
  outcomeColours,
  type PanelQuery,
  stat,
  table,
  timeline,
  timeSeries,
  verdictMap,
} from './panels.ts';
import { switchesOfModels } from './switches.ts';
import { datasource, modelVariable } from './variables.ts';

/** Recorded and exported series say `model`; the servers' and gateways' own say `gen_ai_request_model`. */
const ofModel = 'model=~"$model"';
const ofServedModel = 'gen_ai_request_model=~"$model"';
const byServedModel = 'gen_ai_request_model, ml_model_version';
const servedModelLegend = '{{gen_ai_request_model}} {{ml_model_version}}';
const modelLegend = '{{model}} {{version}}';

/** How each model does: requests, errors, latency, accuracy, and the verdicts made of them. */
export function modelsDashboard(): Dashboard {
  return assemble({
    uid: 'relaycore-models',
    title: 'RelayCore: models',
    description: 'Requests, errors, latency and accuracy of each model, and the verdicts made of them.',
    variables: [datasource(), modelVariable()],
    annotations: [switchesOfModels(ofModel)],
    rows: [
      row('Now', [
        modelsWith('critical'),
        modelsWith('warning'),
        unknownModels(),
        allRequests(),
        verdicts(),
        modelsNow(),
      ]),
      row('Requests and errors', [
        requests(),
        outcomes(),
        successRate(),
        errorTypes(),
        gatewayFailures(),
        inFlight(),
      ]),
      row('Latency', [
        latency('slowest 5 %', 0.95),
        latency('median', 0.5),
        gatewayLatency(),
        slowShare(),
        queueTime(),
        inferenceTime(),
      ]),
      row('Accuracy', [
        meanScore('5m', '5 minutes'),
        meanScore('1h', '1 hour'),
        scoresBySource(),
        feedback(),
      ]),
      row('Signals that the policy adds', [customShare(), customEvents()]),
      row('Resources', [resources()]),
      row('Evidence', [evidence('critical'), evidence('warning'), behindVerdicts(), rejected()]),
    ],
  });
}

const modelsWith = (level: Level) =>
  stat({
    title: level === 'critical' ? 'Models with a critical verdict' : 'Models with a warning',
    description:
      level === 'critical'
        ? 'Models of which a critical verdict stands. Not zero: the verdicts below name the signal; the routes dashboard shows whether their traffic has moved.'
        : 'Models of which a warning stands. Not zero: nothing moves by itself; look at the signal before it becomes critical.',
    unit: units.Short,
    size: { width: 6, height: 4 },
    queries: [
      {
        expr: `count(max by (model, version) (${exported.verdict}{${ofModel},level="${level}"}) == 1) or vector(0)`,
        legend: 'models',
      },
    ],
    thresholds: steps(colours.good, [1, levelColour[level]]),
  });

const unknownModels = () =>
  stat({
    title: 'Models with an unknown signal',
    description:
      'Models of which success, latency or accuracy has too little or no data. Such a signal can neither alarm nor clear a model as a backup: check that the model has traffic and is scraped, and that scores arrive.',
    unit: units.Short,
    size: { width: 6, height: 4 },
    queries: [
      {
        expr: `count(min by (model, version) (${exported.known}{${ofModel},signal=~"success|latency|accuracy"}) == 0) or vector(0)`,
        legend: 'models',
      },
    ],
    thresholds: steps(colours.good, [1, colours.unknown]),
  });

const allRequests = () =>
  stat({
    title: 'Requests of all models',
    description:
      'Requests per second of the chosen models over the last minute. Zero or empty: no traffic, or nothing is scraped.',
    unit: units.RequestsPerSecond,
    size: { width: 6, height: 4 },
    queries: [
      { expr: `sum(${recorded.requests('1m')}{${ofModel},signal="success"}) / 60`, legend: 'requests' },
    ],
    thresholds: steps(colours.neutral),
  });

const verdicts = () =>
  timeline({
    title: 'Verdicts',
    description:
      'What the controller thinks of each model and signal. Red: the model is degraded beyond doubt; the table under Evidence gives value and threshold. Grey is unknown: too little data.',
    unit: units.Short,
    size: { width: 24, height: 9 },
    queries: [{ expr: verdictCode(ofModel), legend: `${modelLegend} {{signal}}` }],
    mappings: verdictMap,
  });

const modelsNow = () =>
  table({
    title: 'Models now',
    description:
      'Each model over the last 5 minutes: gateway counts where a gateway reports, else those of the server. The colour of the verdict is the worst of its signals.',
    unit: units.PercentUnit,
    size: { width: 24, height: 9 },
    columns: ['model', 'version'],
    queries: [
      {
        expr: `max by (model, version) (${verdictCode(ofModel)})`,
        column: 'verdict',
        unit: units.Short,
        mappings: verdictMap,
      },
      {
        expr: `sum by (model, version) (${recorded.requests('5m')}{${ofModel},signal="success"})`,
        column: 'requests',
        unit: units.Short,
        decimals: 0,
      },
      { expr: `sum by (model, version) (1 - ${badRatio('success', 'critical')})`, column: 'success rate' },
      { expr: `sum by (model, version) (${badRatio('latency', 'warning')})`, column: 'slow (warning)' },
      { expr: `sum by (model, version) (${badRatio('latency', 'critical')})`, column: 'slow (critical)' },
      {
        expr: `sum by (model, version) (${recorded.score('5m')}{${ofModel},signal="accuracy"})`,
        column: 'mean score',
      },
    ],
    noValue: '–',
  });

const requests = () =>
  timeSeries({
    title: 'Requests by model',
    description:
      'Requests per second over the last minute, as the gateway counts them where it reports, else the server; cancelled ones left out. A model falls to zero: it was drained (see the marks) or its callers are gone.',
    unit: units.RequestsPerSecond,
    size: { width: 12, height: 8 },
    queries: [
      {
        expr: `sum by (model, version) (${recorded.requests('1m')}{${ofModel},signal="success"}) / 60`,
        legend: modelLegend,
      },
    ],
    range: { min: 0 },
  });

const outcomes = () =>
  timeSeries({
    title: 'Outcomes at the server',
    description:
      'How requests ended inside the model servers. Red or orange grows: the servers themselves fail; only callers see it and this stays green: the fault lies between gateway and server.',
    unit: units.RequestsPerSecond,
    size: { width: 12, height: 8 },
    queries: [
      {
        expr: `sum by (outcome) (${rate(`${prometheusName(metrics.requests)}{${ofServedModel}}`)})`,
        legend: '{{outcome}}',
      },
    ],
    stacked: true,
    range: { min: 0 },
    overrides: outcomeColours,
  });

const successRate = () =>
  timeSeries({
    title: 'Success rate',
    description:
      'Share of requests answered well over 5 minutes, with the strictest threshold of the chosen models. Below a line: evidence grows until the verdict stands.',
    unit: units.PercentUnit,
    size: { width: 12, height: 8 },
    queries: [
      { expr: `1 - ${badRatio('success', 'critical')}`, legend: modelLegend },
      ...thresholdLines('success', allowed => `1 - ${allowed}`),
    ],
    range: { max: 1, softMin: 0.8 },
  });

const errorTypes = () =>
  timeSeries({
    title: 'Errors by type',
    description:
      'Requests that failed at the server (cancelled ones left out), by type of error. The type says where to look: connection errors at the network, out_of_memory at the machine, model_error at the model.',
    unit: units.RequestsPerSecond,
    size: { width: 12, height: 8 },
    queries: [
      {
        expr: `sum by (gen_ai_request_model, error_type) (${rate(`${prometheusName(metrics.requests)}{${ofServedModel},${badRequests}}`)}) > 0`,
        legend: '{{gen_ai_request_model}} {{error_type}}',
      },
    ],
    stacked: true,
    range: { min: 0 },
    noValue: 'no errors',
  });

const gatewayFailures = () =>
  timeSeries({
    title: 'Failed attempts at the gateway',
    description:
      'Share of attempts at a model that failed as the gateway saw it (error, timeout, refused). High here and low at the server: the model cannot be reached.',
    unit: units.PercentUnit,
    size: { width: 12, height: 8 },
    queries: [
      {
        expr: share({
          counter: prometheusName(metrics.gatewayAttempts),
          bad: `${ofServedModel},${badAttempts}`,
          all: `${ofServedModel},outcome!="cancelled"`,
          by: byServedModel,
        }),
        legend: servedModelLegend,
      },
    ],
    range: { min: 0, softMax: 0.1 },
  });

const inFlight = () =>
  timeSeries({
    title: 'Requests in flight',
    description:
      'Requests that have arrived at the servers and not ended. It climbs while the requests per second stay: the model is saturated or hangs.',
    unit: units.Short,
    size: { width: 12, height: 8 },
    queries: [
      {
        expr: `sum by (${byServedModel}) (${prometheusName(metrics.activeRequests)}{${ofServedModel}})`,
        legend: servedModelLegend,
      },
    ],
    range: { min: 0 },
  });

const estimate =
  'It is estimated from histogram buckets: good for its course, coarse in its value; verdicts count requests beyond the threshold instead.';

const latency = (words: string, q: number) =>
  timeSeries({
    title: `Latency at the server, ${words}`,
    description: `From the arrival of a request to its end inside the model server. ${estimate} It rises: see whether queue or inference rises with it.`,
    unit: units.Seconds,
    size: { width: 8, height: 8 },
    queries: [
      {
        expr: quantile(q, metrics.requestDuration, ofServedModel, byServedModel),
        legend: servedModelLegend,
      },
    ],
    range: { min: 0 },
  });

const gatewayLatency = () =>
  timeSeries({
    title: 'Latency at the gateway, slowest 5 %',
    description: `How long an attempt took as the gateway saw it. ${estimate} Higher than at the server: the time is lost between them.`,
    unit: units.Seconds,
    size: { width: 8, height: 8 },
    queries: [
      {
        expr: quantile(0.95, metrics.gatewayDuration, ofServedModel, byServedModel),
        legend: servedModelLegend,
      },
    ],
    range: { min: 0 },
  });

const slowShare = () =>
  timeSeries({
    title: 'Share of slow requests',
    description:
      'Share of requests over 5 minutes that took longer than the latency threshold of the level, with the smallest share that is too many. Above a line: evidence grows until the verdict stands.',
    unit: units.PercentUnit,
    size: { width: 8, height: 8 },
    queries: [
      { expr: badRatio('latency', 'warning'), legend: `${modelLegend} warning` },
      { expr: badRatio('latency', 'critical'), legend: `${modelLegend} critical` },
      ...thresholdLines('latency', allowed => allowed),
    ],
    range: { min: 0, softMax: 0.1 },
  });

const queueTime = () =>
  timeSeries({
    title: 'Queue, slowest 5 %',
    description: `From the arrival of a request to the moment the model starts on it. ${estimate} It rises: more requests than the server can take; add replicas or move traffic.`,
    unit: units.Seconds,
    size: { width: 8, height: 8 },
    queries: [
      {
        expr: quantile(0.95, metrics.queueDuration, ofServedModel, byServedModel),
        legend: servedModelLegend,
      },
    ],
    range: { min: 0 },
  });

const inferenceTime = () =>
  timeSeries({
    title: 'Inference, slowest 5 %',
    description: `How long the model worked on a request. ${estimate} It rises while the queue does not: the model or its machine became slower.`,
    unit: units.Seconds,
    size: { width: 8, height: 8 },
    queries: [
      {
        expr: quantile(0.95, metrics.inferenceDuration, ofServedModel, byServedModel),
        legend: servedModelLegend,
      },
    ],
    range: { min: 0 },
  });

const meanScore = (window: string, words: string) =>
  timeSeries({
    title: `Mean score over ${words}`,
    description: `Mean score of the answers over ${words} (probes left out), with the strictest threshold of the chosen models. Below a line: evidence grows until the verdict stands; look at what the traffic is made of now.`,
    unit: units.PercentUnit,
    size: { width: 12, height: 8 },
    queries: [
      { expr: `${recorded.score(window)}{${ofModel},signal="accuracy"}`, legend: modelLegend },
      ...thresholdLines('accuracy', allowed => `1 - ${allowed}`),
    ],
    range: { max: 1, softMin: 0.5 },
    noValue: 'no scores',
  });

const scoresBySource = () =>
  timeSeries({
    title: 'Scores by source',
    description:
      'Scores per second and where they come from (label, feedback, check, judge, agreement, probe). It dries up: accuracy becomes unknown; look at whatever delivers the scores.',
    unit: units.CountsPerSecond,
    size: { width: 12, height: 8 },
    queries: [
      {
        expr: `sum by (gen_ai_request_model, source) (${rate(`${prometheusName(metrics.evaluationScore)}_count{${ofServedModel}}`)})`,
        legend: '{{gen_ai_request_model}} {{source}}',
      },
    ],
    range: { min: 0 },
    noValue: 'no scores',
  });

const feedback = () =>
  timeSeries({
    title: 'Feedback',
    description:
      'Mean rating by people over 1 hour, scaled to 0 … 100 %, with the strictest threshold of the chosen models. Below a line: evidence grows until the verdict stands. It falls while the mean score does not: the scores measure something that people do not care about.',
    unit: units.PercentUnit,
    size: { width: 12, height: 8 },
    queries: [
      { expr: `${recorded.score('1h')}{${ofModel},signal="feedback"}`, legend: modelLegend },
      ...thresholdLines('feedback', allowed => `1 - ${allowed}`),
    ],
    range: { min: 0, max: 1 },
    noValue: 'no feedback',
  });

const notBuiltIn = `signal!~"${builtInNames.join('|')}"`;

const customShare = () =>
  timeSeries({
    title: 'Custom signals, as share of what is allowed',
    description:
      'Mean badness of the signals that the policy adds, over 5 minutes, divided by what critical allows. Above 100 %: evidence grows until the verdict stands; look at what the signal counts.',
    unit: units.PercentUnit,
    size: { width: 12, height: 8 },
    queries: [
      {
        expr:
          `${recorded.badRatio('5m')}{${ofModel},${notBuiltIn},level="critical"}` +
          ` / ${recorded.allowed()}{${ofModel},${notBuiltIn},level="critical"}`,
        legend: `${modelLegend} {{signal}}`,
      },
    ],
    range: { min: 0 },
    thresholds: steps(colours.clear, [1, levelColour.critical]),
    thresholdLine: true,
    noValue: 'none',
  });

const customEvents = () =>
  timeSeries({
    title: 'Custom signals, events counted',
    description:
      'How much the signals that the policy adds rest on: events or scores per second over 5 minutes. It dries up: the signal becomes unknown; look at whatever counts it.',
    unit: units.CountsPerSecond,
    size: { width: 12, height: 8 },
    queries: [
      {
        expr: `sum by (model, version, signal) (${recorded.requests('5m')}{${ofModel},${notBuiltIn}}) / 300`,
        legend: `${modelLegend} {{signal}}`,
      },
    ],
    range: { min: 0 },
    noValue: 'none',
  });

const resources = () => {
  const by = 'model, version, signal';
  const ofWarning = `${ofModel},level="warning"`;
  return timeSeries({
    title: 'Resources, as share of their warning threshold',
    description:
      'The resources of the policy (GPU memory, event loop, …) at the worst instance of each model, as the controller reads them. Above 100 % for their time: the model is short of it; the status of the model names the instance.',
    unit: units.PercentUnit,
    size: { width: 24, height: 8 },
    queries: [
      {
        expr: `${latest(exported.resourceValue, ofWarning, by)} / ${latest(exported.resourceThreshold, ofWarning, by)}`,
        legend: `${modelLegend} {{signal}}`,
      },
    ],
    range: { min: 0 },
    thresholds: steps(colours.clear, [1, levelColour.warning]),
    thresholdLine: true,
    noValue: 'none',
  });
};

const evidence = (level: Level) =>
  timeSeries({
    title: `Evidence towards a ${level} verdict`,
    description:
      `Evidence that a model is degraded, as a share of what a ${level} verdict needs; at 100 % it stands. ` +
      'Rising: it is worse than its threshold, and how steeply says how much.',
    unit: units.PercentUnit,
    size: { width: 12, height: 8 },
    queries: [
      {
        expr: evidenceShare(`${ofModel},level="${level}"`, 'model, version, signal'),
        legend: `${modelLegend} {{signal}}`,
      },
    ],
    range: { min: 0 },
    thresholds: steps(colours.clear, [1, levelColour[level]]),
    thresholdLine: true,
  });

const behindVerdicts = () => {
  const labels = ['model', 'version', 'signal', 'level'];
  const by = labels.join(', ');
  return table({
    title: 'Behind each verdict',
    description:
      'Value and threshold of every signal (success rate, share of slow requests, mean score), and the evidence in nats with the amount that makes a verdict. Red: the verdict stands, and these are its numbers.',
    unit: units.PercentUnit,
    size: { width: 24, height: 10 },
    columns: labels,
    queries: [
      { expr: levelCode(ofModel), column: 'verdict', unit: units.Short, mappings: levelMap },
      { expr: latest(exported.value, ofModel, by), column: 'value' },
      { expr: latest(exported.threshold, ofModel, by), column: 'threshold' },
      { expr: latest(exported.evidence, ofModel, by), column: 'evidence', unit: 'suffix: nats', decimals: 2 },
      {
        expr: latest(exported.evidenceThreshold, ofModel, by),
        column: 'needed',
        unit: 'suffix: nats',
        decimals: 2,
      },
    ],
    noValue: '–',
  });
};

const rejected = () =>
  timeSeries({
    title: 'Measurements not recorded',
    description:
      'What the servers gave to the instrumentation and it could not use, by reason. Not zero: a server measures wrongly, and its verdicts rest on less than it thinks.',
    unit: units.CountsPerSecond,
    size: { width: 24, height: 7 },
    queries: [{ expr: `sum by (reason) (${rate(prometheusName(metrics.rejected))})`, legend: '{{reason}}' }],
    range: { min: 0 },
  });

const badRatio = (signal: SignalName, level: Level) =>
  `${recorded.badRatio('5m')}{${ofModel},signal="${signal}",level="${level}"}`;

function thresholdLines(signal: SignalName, toValue: (allowed: string) => string): PanelQuery[] {
  return (['warning', 'critical'] as const).map(level => ({
    expr: toValue(`min(${recorded.allowed()}{${ofModel},signal="${signal}",level="${level}"})`),
    legend: `${level} threshold`,
    colour: levelColour[level],
    dashed: true,
  }));
}
