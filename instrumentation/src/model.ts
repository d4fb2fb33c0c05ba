import type { Attributes } from '@opentelemetry/api';
import { describeFailure, type Failure } from './failures.ts';
import type { Instruments } from './instruments.ts';
import { attributes, errorTypes, type ScoreSource } from './metrics.ts';
import { createQualityRecorder } from './quality.ts';
import type { Rejections } from './rejections.ts';
import type { Random } from './scores.ts';
import { noTicket, type Ticket, type TicketPool } from './tickets.ts';

/** What is served, and what its series are named by. */
export interface ModelIdentity {
  readonly name: string;
  readonly version: string;
  /** What the model does, as the conventions name it (`chat`, `embeddings`, …) or your own word (`classify`). */
  readonly operation: string;
  /** Who provides it (`openai`, `vllm`, your team). */
  readonly provider: string;
}

/**
 * Records one model. None of these functions throws: what cannot be recorded is counted in
 * `ml_telemetry_rejected_total`.
 */
export interface Model {
  /** A request arrived; its queue time begins. */
  start(): Ticket;
  /** The model starts to work on it. Without this there is no split into queue and inference time. */
  begin(ticket: Ticket): void;
  /** It was answered well. */
  end(ticket: Ticket): void;
  /** It was not; the outcome is taken from the error unless given. */
  fail(ticket: Ticket, error?: unknown, outcome?: Failure['outcome']): void;
  /**
   * How good one answer was.
   * @param name what was judged, from a short fixed list: `accuracy`, `toxicity`, `groundedness`
   * @param score in [0, 1]
   */
  evaluate(name: string, score: number, options?: { readonly source?: ScoreSource }): void;
  /** What a person thought of one answer, on the scale min..max, by default 0..1. */
  feedback(rating: number, scale?: { readonly min?: number; readonly max?: number }): void;
}

export interface ModelContext {
  readonly instruments: Instruments;
  readonly rejections: Rejections;
  readonly tickets: TicketPool;
  /** Distinguishes this model's tickets from those of others in the same pool. */
  readonly owner: number;
  /** A clock that never goes back, in milliseconds. */
  readonly nowMs: () => number;
  readonly random: Random;
}

export function createModel(identity: ModelIdentity, context: ModelContext): Model {
  const { instruments, rejections, tickets, owner, nowMs, random } = context;
  const base = baseAttributes(identity);
  const quality = createQualityRecorder(base, { instruments, rejections, random });
  let activeRequests = 0;
  createOutcomesAtZero(base, instruments);
  instruments.activeRequests.addCallback(result => result.observe(activeRequests, base));

  function start(): Ticket {
    const ticket = tickets.open(owner, nowMs());
    if (ticket === noTicket) rejections.count('too_many_open_requests');
    else activeRequests += 1;
    return ticket;
  }

  function begin(ticket: Ticket): void {
    const slot = findSlot(ticket);
    if (slot === undefined || !Number.isNaN(tickets.begunAtMs(slot))) return;
    const now = nowMs();
    tickets.markBegun(slot, now);
    instruments.queueDuration.record(secondsBetween(tickets.arrivedAtMs(slot), now), base);
  }

  function finish(ticket: Ticket, failure: Failure | undefined): void {
    const slot = findSlot(ticket);
    if (slot === undefined) return;
    const arrivedAtMs = tickets.arrivedAtMs(slot);
    const begunAtMs = tickets.begunAtMs(slot);
    tickets.release(slot);
    activeRequests -= 1;
    instruments.requests.add(1, outcomeAttributes(base, failure));
    // A client that left says nothing about how long the answer would have taken.
    if (failure?.outcome !== 'cancelled') recordDurations(arrivedAtMs, begunAtMs, failure);
  }

  function recordDurations(arrivedAtMs: number, begunAtMs: number, failure: Failure | undefined): void {
    const now = nowMs();
    const described = failure === undefined ? base : { ...base, [attributes.errorType]: failure.errorType };
    instruments.requestDuration.record(secondsBetween(arrivedAtMs, now), described);
    if (!Number.isNaN(begunAtMs)) instruments.inferenceDuration.record(secondsBetween(begunAtMs, now), base);
  }

  function findSlot(ticket: Ticket): number | undefined {
    // A request that found no slot was counted when it arrived.
    if (ticket === noTicket) return undefined;
    const slot = tickets.find(ticket, owner);
    if (slot === undefined) rejections.count('stale_ticket');
    return slot;
  }

  return {
    start: rejections.contain(start, noTicket),
    begin: rejections.contain(begin, undefined),
    end: rejections.contain((ticket: Ticket) => finish(ticket, undefined), undefined),
    fail: rejections.contain(
      (ticket: Ticket, error?: unknown, outcome?: Failure['outcome']) =>
        finish(ticket, describeFailure(error, outcome)),
      undefined,
    ),
    evaluate: rejections.contain(quality.evaluate, undefined),
    feedback: rejections.contain(quality.feedback, undefined),
  };
}

/**
 * A series that is born at 5 has an increase of 0, so every outcome exists before the first request. Histograms
 * cannot be created at zero through the OpenTelemetry API, `record` always counts one: what a duration or score
 * series holds when it is first scraped is lost to `increase`.
 */
function createOutcomesAtZero(base: Attributes, { requests }: Instruments): void {
  requests.add(0, outcomeAttributes(base, undefined));
  for (const errorType of errorTypes)
    requests.add(0, outcomeAttributes(base, { outcome: 'error', errorType }));
  for (const outcome of ['timeout', 'cancelled'] as const) {
    requests.add(0, outcomeAttributes(base, { outcome, errorType: outcome }));
  }
}

function outcomeAttributes(base: Attributes, failure: Failure | undefined): Attributes {
  if (failure === undefined) return { ...base, [attributes.outcome]: 'ok' };
  return { ...base, [attributes.outcome]: failure.outcome, [attributes.errorType]: failure.errorType };
}

function baseAttributes({ name, version, operation, provider }: ModelIdentity): Attributes {
  return {
    [attributes.operation]: operation,
    [attributes.provider]: provider,
    [attributes.model]: name,
    [attributes.version]: version,
  };
}

function secondsBetween(fromMs: number, toMs: number): number {
  return (toMs - fromMs) / 1000;
}
