import type { IncomingMessage } from 'node:http';
import type { MetricProducer } from '@opentelemetry/sdk-metrics';
import { joinRegistered } from './automatic/registered.ts';
import type { DelayedTruth } from './delayed.ts';
import type { Measure, MeasureOptions } from './express/measure.ts';
import type { ModelByRequest } from './express/models-by-request.ts';
import type { Gateway } from './gateway.ts';
import type { Model, ModelIdentity } from './model.ts';
import { type InitOptions, resolveOptions } from './options.ts';
import { startMeasuring } from './start.ts';

export type { LibraryName } from './automatic/libraries.ts';
export type { LibraryModels } from './automatic/models-of-libraries.ts';
export type { ServedModel } from './automatic/paths.ts';
export { NeuroweaverInstrumentation, type NeuroweaverInstrumentationConfig } from './automatic/plugin.ts';
export { type WrapOptions, wrap } from './automatic/wrap.ts';
export type { Answer, CheckName } from './checks/check.ts';
export type { CheckOptions, Checks } from './checks/checks.ts';
export type { JsonSchema } from './checks/schema.ts';
export type { DelayedOutcome, DelayedTruth } from './delayed.ts';
export type { Measure, MeasureOptions } from './express/measure.ts';
export type { MeasuredRequest } from './express/measured.ts';
export type { ModelByRequest } from './express/models-by-request.ts';
export { type FeedbackRouter, type FeedbackRouterOptions, feedbackRouter } from './feedback-router.ts';
export type {
  Gateway,
  GatewayAgreement,
  GatewayAttempt,
  GatewayEvent,
  GatewayTarget,
  ObservedRoute,
} from './gateway.ts';
export type { Judge, JudgeOptions, Scorer } from './judge.ts';
export type { AttemptOutcome, ErrorType, GatewayEventName, RequestOutcome, ScoreSource } from './metrics.ts';
export type { Model, ModelIdentity } from './model.ts';
export type { InitOptions, PageKind } from './options.ts';
export type { Ticket } from './tickets.ts';

/**
 * `feedback` and `evaluate` are for what is known of an answer only later: they book it to the model that answered, if
 * that said `model.remember(requestId)`, once for each request and name. They do not throw.
 */
export interface Instrumentation extends DelayedTruth {
  /** The recorder of one model; the same identity gives the same recorder. Throws a TypeError on an empty name. */
  model(identity: ModelIdentity): Model;
  /**
   * Middleware that measures the requests of a model, for Express and its like: from here until the response is sent,
   * by its status. In `response.locals.measured` the handler may say more. Throws a TypeError on what is neither a model
   * nor says how a request names one; from then on nothing throws.
   */
  measure<Request extends IncomingMessage = IncomingMessage>(
    model: Model | ModelByRequest<Request>,
    options?: MeasureOptions<Request>,
  ): Measure<Request>;
  /** The recorder of a gateway. */
  gateway(): Gateway;
  /**
   * Resolves once the metrics page is served, at once if there is none of ours; rejects, saying what to do, if it
   * cannot be. Waiting for it is optional: a server without its metrics page goes on serving.
   */
  readonly ready: Promise<void>;
  /** The page's address; undefined if there is none of ours, and with port 0 until `ready`. */
  readonly endpoint: string | undefined;
  /**
   * All of it for a reader of the application's own, such as PeriodicExportingMetricReader with an OTLP exporter
   * (`metricProducers: [ml.producer]`). Cumulative. Empty where a meterProvider was given, which has it then.
   */
  readonly producer: MetricProducer;
  /** Closes the metrics page. Recording afterwards is allowed and goes nowhere. */
  shutdown(): Promise<void>;
}

/**
 * Starts measuring: opens the metrics page, or uses the application's own provider. Throws a TypeError that lists
 * what is wrong with the options; from then on nothing recorded throws into the server or keeps its process alive.
 */
export function init(options: InitOptions = {}): Instrumentation {
  const settings = resolveOptions(options, process.env);
  return joinRegistered(settings) ?? startMeasuring(settings);
}
