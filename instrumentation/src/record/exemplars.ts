import {
  context,
  createContextKey,
  ROOT_CONTEXT,
  type SpanContext,
  TraceFlags,
  trace,
} from '@opentelemetry/api';

/** One measurement of a bucket and the trace it belongs to. */
export interface Exemplar {
  readonly traceId: string;
  readonly spanId: string;
  readonly value: number;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** The span that is active here, if it is sampled: the others nobody can look up. */
export function sampledSpan(): SpanContext | undefined {
  if (!isTracing) return undefined;
  const span = trace.getActiveSpan()?.spanContext();
  return span !== undefined && (span.traceFlags & TraceFlags.SAMPLED) !== 0 ? span : undefined;
}

/**
 * Looks whether the application keeps track of active spans. Asking for one costs more than all the rest of a request,
 * so nobody asks until this has found that there may be one; it is called before each reading.
 */
export function lookForTracing(): void {
  const probed = ROOT_CONTEXT.setValue(probe, true);
  isTracing = context.with(probed, () => context.active().getValue(probe) === true);
}

const probe = createContextKey('@neuroweaver/instrumentation probe');
let isTracing = false;
