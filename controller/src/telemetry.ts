import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Attributes, BatchObservableResult, Meter } from '@opentelemetry/api';
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import { exported, type Model } from '@relaycore/rules';
import type { Look } from './read/look.ts';
import type { NewSwitchEvent } from './record/switch-events.ts';
import type { RouteStatus, Status } from './status.ts';
import type { LevelAssessment, Proposal, SignalAssessment } from './types.ts';

/** The controller's own metrics: verdicts and evidence as the alerts read them, and how it fares itself. */
export interface Telemetry {
  ticked(seconds: number): void;
  queried(signal: string, seconds: number): void;
  applied(route: string, seconds: number): void;
  switched(event: NewSwitchEvent): void;
  /** Serves the metrics page. */
  handle(request: IncomingMessage, response: ServerResponse): void;
  close(): Promise<void>;
}

export interface ProbeTelemetry {
  /** A model was looked at. */
  looked(model: Model, look: Look): void;
}

const durationEdges = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export function createTelemetry(status: () => Status | undefined): Telemetry & ProbeTelemetry {
  const exporter = new PrometheusExporter({
    preventServerStart: true,
    withoutScopeInfo: true,
    withoutTargetInfo: true,
  });
  const provider = new MeterProvider({ readers: [exporter] });
  const meter = provider.getMeter('relaycore-controller');
  const histogram = (name: string, description: string) =>
    meter.createHistogram(name, { description, advice: { explicitBucketBoundaries: durationEdges } });
  const tick = histogram(
    exported.tickDuration,
    'One round of read, assess, decide, apply, record, in seconds',
  );
  const query = histogram(exported.queryDuration, 'One query to Prometheus, in seconds');
  const apply = histogram(
    exported.applyDuration,
    'From a committed decision to the gateway read back, in seconds',
  );
  const switches = meter.createCounter(exported.switches.replace(/_total$/, ''), {
    description: 'Changes of a route',
  });

  const gauges = createGauges(meter);
  let lastEvaluation: number | undefined;
  // A series that is no longer observed keeps its last value, so one that was open is told to be closed.
  const proposed = new Map<string, Proposal>();
  const silent = new Set<string>();
  meter.addBatchObservableCallback(observer => {
    const now = status();
    if (!now || now.at === 0) return;
    if (now.problem === undefined) lastEvaluation = now.at / 1000;
    if (lastEvaluation !== undefined) observer.observe(gauges.lastEvaluation, lastEvaluation);
    observer.observe(gauges.incident, now.incident?.models.size ?? 0);
    for (const { model, version, at, silence, signals } of now.assessments.values()) {
      if (silence) silent.add(model);
      if (silent.has(model)) {
        const seconds = silence ? (at - silence.since) / 1000 : 0;
        observer.observe(gauges.silence, seconds, { model, version: version ?? '' });
      }
      for (const assessed of signals) {
        const labels = { model, version: version ?? '', signal: assessed.signal };
        observer.observe(gauges.known, assessed.verdict.kind === 'unknown' ? 0 : 1, labels);
        for (const level of Object.values(assessed.levels)) {
          const withLevel = { ...labels, level: level.level };
          if (assessed.resource) observeResource(observer, gauges, assessed, level, withLevel);
          else observeSignal(observer, gauges, assessed, level, withLevel);
        }
      }
    }
    for (const [route, { state, gateway, proposal, traffic }] of now.routes) {
      for (const [model, weight] of Object.entries(state.weights))
        observer.observe(gauges.weight, weight, { route, model });
      for (const phase of ['primary', 'balanced', 'failed_over', 'probing', 'ramping'])
        observer.observe(gauges.phase, state.phase.kind === phase ? 1 : 0, { route, phase });
      observer.observe(gauges.generation, state.generation, { route });
      observer.observe(gauges.converged, gateway.kind === 'converged' ? 1 : 0, { route });
      observer.observe(gauges.confirmed, confirmedAs(traffic), { route });
      observer.observe(gauges.switchedAt, state.updatedAt / 1000, { route });
      if (proposal) proposed.set(proposalKey(proposal), proposal);
    }
    for (const [key, { route, mode, kind, from, to }] of proposed) {
      const open = now.routes.get(route)?.proposal;
      const isOpen = open !== undefined && proposalKey(open) === key;
      observer.observe(gauges.proposal, isOpen ? 1 : 0, { route, mode, kind, from, to });
    }
  }, Object.values(gauges));
  return {
    ticked: seconds => tick.record(seconds),
    queried: (signal, seconds) => query.record(seconds, { signal }),
    applied: (route, seconds) => apply.record(seconds, { route }),
    looked: probeTelemetry(meter).looked,
    switched: ({ route, from, to, kind }) => switches.add(1, { route, from, to, reason: kind }),
    handle: (request, response) => exporter.getMetricsRequestHandler(request, response),
    close: () => provider.shutdown(),
  };
}

/** Durations are not told apart by model, as buckets for each of thousands would make a page that is slow to scrape. */
function probeTelemetry(meter: Meter): ProbeTelemetry {
  const requests = meter.createCounter(exported.probeRequests.replace(/_total$/, ''), {
    description: 'Golden requests that were sent to a model',
  });
  const duration = meter.createHistogram(exported.probeDuration, {
    description: 'One golden request, connection included, in seconds',
    advice: { explicitBucketBoundaries: durationEdges },
  });
  const passed = meter.createGauge(exported.probePassed, {
    description: '1 when the model passed its golden requests at the last look, else 0',
  });
  const score = meter.createGauge(exported.probeScore, {
    description: 'Mean score of the golden requests that have a label or a score, from 0 to 1',
  });
  return {
    looked({ id, version = '' }, look) {
      const labels = { model: id, version };
      for (const { outcome, latencyMs } of look.outcomes) {
        requests.add(1, { ...labels, outcome });
        duration.record(latencyMs / 1000, { outcome });
      }
      passed.record(look.failure === undefined ? 1 : 0, labels);
      if (look.score !== undefined) score.record(look.score, labels);
    },
  };
}

function createGauges(meter: Meter) {
  const gauge = (name: string, description: string) => meter.createObservableGauge(name, { description });
  return {
    verdict: gauge(exported.verdict, '1 while the verdict stands'),
    known: gauge(exported.known, '1 when there is enough data for a verdict'),
    value: gauge(exported.value, 'The measured value, in the unit of its threshold'),
    threshold: gauge(
      exported.threshold,
      'The threshold of the policy: success rate, share of slow or bad ones, or score',
    ),
    resourceValue: gauge(exported.resourceValue, 'A resource at the worst of the model’s instances'),
    resourceThreshold: gauge(exported.resourceThreshold, 'The threshold of the policy for a resource'),
    evidence: gauge(exported.evidence, 'Evidence against the model (ln R), in nats'),
    evidenceThreshold: gauge(
      exported.evidenceThreshold,
      'Evidence at which the verdict fires (ln A), in nats',
    ),
    incident: gauge(exported.incident, 'Models that went critical together; 0 when there is no incident'),
    silence: gauge(
      exported.silence,
      'Seconds since the last request, of a model without any for longer than it ever should be; 0 when that is over',
    ),
    weight: gauge(exported.routeWeight, 'Desired share of a target, in basis points'),
    generation: gauge(exported.routeGeneration, 'Generation of the desired state'),
    phase: gauge(exported.routePhase, '1 for the phase that the route is in'),
    converged: gauge(exported.routeConverged, '1 when the gateway holds the desired state'),
    confirmed: gauge(
      exported.routeConfirmed,
      '1 when the requests go where the gateway says, 0 when they do not, -1 while nothing can be said',
    ),
    proposal: gauge(exported.routeProposal, '1 while a change waits for a person'),
    switchedAt: gauge(exported.switchedAt, 'When the desired state last changed, in seconds since the epoch'),
    lastEvaluation: gauge(
      exported.lastEvaluation,
      'When models were last assessed on real data, in seconds since the epoch',
    ),
  };
}

type Gauges = ReturnType<typeof createGauges>;

function observeSignal(
  observer: BatchObservableResult,
  gauges: Gauges,
  assessed: SignalAssessment,
  level: LevelAssessment,
  labels: Attributes,
): void {
  observer.observe(gauges.verdict, stands(assessed, level) ? 1 : 0, labels);
  observer.observe(gauges.threshold, thresholdOf(level), labels);
  observer.observe(gauges.evidence, level.evidence, labels);
  observer.observe(gauges.evidenceThreshold, level.evidenceThreshold, labels);
  if (level.counts.requests > 0) observer.observe(gauges.value, measuredValue(level), labels);
}

/** Only at the levels that the policy gives; a value that is not seen now is not shown. */
function observeResource(
  observer: BatchObservableResult,
  gauges: Gauges,
  assessed: SignalAssessment,
  level: LevelAssessment,
  labels: Attributes,
): void {
  if (!Number.isFinite(level.threshold)) return;
  observer.observe(gauges.verdict, stands(assessed, level) ? 1 : 0, labels);
  observer.observe(gauges.resourceThreshold, level.threshold, labels);
  if (assessed.verdict.kind !== 'unknown')
    observer.observe(gauges.resourceValue, assessed.resource!.value, labels);
}
function confirmedAs(traffic: RouteStatus['traffic']): number {
  if (traffic?.kind === 'confirmed') return 1;
  return traffic?.kind === 'not_followed' ? 0 : -1;
}

const proposalKey = ({ route, mode, kind, from, to }: Proposal) =>
  JSON.stringify([route, mode, kind, from, to]);

/** An unknown verdict raises no alert, though an old one may stand behind it. */
function stands({ verdict }: SignalAssessment, level: LevelAssessment): boolean {
  return verdict.kind !== 'unknown' && level.stands;
}

/** Latency is measured and allowed as a share of slow requests, a bad share as such; the others as what is good. */
function measuredValue({ unit, counts }: LevelAssessment): number {
  const bad = counts.bad / counts.requests;
  return unit === 'ms' || unit === 'bad share' ? bad : 1 - bad;
}

function thresholdOf({ unit, threshold, allowedBad }: LevelAssessment): number {
  return unit === 'ms' ? allowedBad : threshold;
}
