import { describeFailure, type Failure } from './failures.ts';
import type { ModelSeries } from './model-series.ts';
import { sampledSpan } from './record/exemplars.ts';
import type { Histogram } from './record/recorder.ts';
import type { Rejections } from './rejections.ts';
import { type Moment, moments, noTicket, type Ticket, type TicketPool } from './tickets.ts';

/** Records the requests of one model, from arrival to end. */
export interface RequestRecorder {
  start(): Ticket;
  begin(ticket: Ticket): void;
  token(ticket: Ticket, count?: number): void;
  end(ticket: Ticket): void;
  fail(ticket: Ticket, error?: unknown, outcome?: Failure['outcome']): void;
  updateGauges(): void;
}

export interface RequestContext {
  readonly series: ModelSeries;
  readonly rejections: Rejections;
  readonly tickets: TicketPool;
  /** Distinguishes this model's tickets from those of others in the same pool. */
  readonly owner: number;
}

export function createRequestRecorder(context: RequestContext): RequestRecorder {
  const { series, rejections, tickets, owner } = context;
  const times = createTimeRecorder(context);
  let active = 0;
  let waiting = 0;
  let anyBegun = false;

  function findSlot(ticket: Ticket): number | undefined {
    // A request that found no slot was counted when it arrived.
    if (ticket === noTicket) return undefined;
    const slot = tickets.find(ticket, owner);
    if (slot === undefined) rejections.count('stale_ticket');
    return slot;
  }

  /** First of all, so that nothing can leave a request open; what the slot holds stays until another one opens it. */
  function close(slot: number): void {
    active -= 1;
    if (!tickets.isMarked(slot, moments.begun)) waiting -= 1;
    tickets.release(slot);
  }

  return {
    start() {
      const ticket = tickets.open(owner);
      if (ticket === noTicket) {
        rejections.count('too_many_open_requests');
        return ticket;
      }
      active += 1;
      waiting += 1;
      return ticket;
    },
    begin(ticket) {
      const slot = findSlot(ticket);
      if (slot === undefined || tickets.isMarked(slot, moments.begun)) return;
      tickets.mark(slot, moments.begun);
      waiting -= 1;
      anyBegun = true;
      times.recordQueue(slot);
    },
    token(ticket, count = 1) {
      const slot = findSlot(ticket);
      if (slot === undefined) return;
      if (!(count > 0 && Number.isFinite(count))) {
        rejections.count('invalid_token_count');
        return;
      }
      tickets.mark(slot, tickets.tokenCount(slot) === 0 ? moments.firstToken : moments.lastToken);
      tickets.addTokens(slot, count);
    },
    end(ticket) {
      const slot = findSlot(ticket);
      if (slot === undefined) return;
      close(slot);
      series.answered.add(1);
      times.recordDurations(slot, series.requestDuration);
      if (tickets.tokenCount(slot) > 0) times.recordTokens(slot);
    },
    fail(ticket, error, outcome) {
      const slot = findSlot(ticket);
      if (slot === undefined) return;
      close(slot);
      const failure = describeFailure(error, outcome);
      series.failed.get(failure)!.add(1);
      // A client that left says nothing about how long the answer would have taken.
      if (failure.outcome !== 'cancelled')
        times.recordDurations(slot, series.failedDuration(failure.errorType));
    },
    updateGauges() {
      series.activeRequests.set(active);
      // Where nobody says when the model begins, nothing is known of a queue.
      series.queueSize.set(anyBegun ? waiting : 0);
    },
  };
}

/** Records how long the stages of a request took, from what its slot holds. */
interface TimeRecorder {
  recordQueue(slot: number): void;
  /** The request ends now. */
  recordDurations(slot: number, duration: Histogram): void;
  recordTokens(slot: number): void;
}

function createTimeRecorder({ series, rejections, tickets }: RequestContext): TimeRecorder {
  function recordBetween(histogram: Histogram, slot: number, from: Moment, to: Moment): void {
    const recorded = histogram.recordBetween(tickets.times(), tickets.at(slot, from), tickets.at(slot, to));
    if (!recorded) rejections.count('invalid_duration');
  }

  function secondsBetween(slot: number, from: Moment, to: Moment): number {
    return (tickets.times()[tickets.at(slot, to)]! - tickets.times()[tickets.at(slot, from)]!) / 1000;
  }

  return {
    recordQueue: slot => recordBetween(series.queueDuration, slot, moments.arrived, moments.begun),
    recordDurations(slot, duration) {
      tickets.mark(slot, moments.ended);
      recordBetween(duration, slot, moments.arrived, moments.ended);
      if (tickets.isMarked(slot, moments.begun))
        recordBetween(series.inferenceDuration, slot, moments.begun, moments.ended);
      const span = sampledSpan();
      if (span !== undefined) duration.exemplify(secondsBetween(slot, moments.arrived, moments.ended), span);
    },
    recordTokens(slot) {
      recordBetween(series.timeToFirstToken, slot, moments.arrived, moments.firstToken);
      if (!tickets.isMarked(slot, moments.lastToken)) return;
      const others = tickets.tokenCount(slot) - 1;
      const othersSeconds = secondsBetween(slot, moments.firstToken, moments.lastToken);
      series.timePerOutputToken.record(othersSeconds / others);
    },
  };
}
