import type { ResourceFile } from './schema.ts';
import type { Level, SeriesLabels, SignalName } from './signals.ts';

/**
 * A gauge with a plain threshold, for what a model runs on: memory, a GPU, an event loop. It is degraded while the
 * worst of its instances stays above the threshold; there is no false-alarm budget behind that, so by default it warns.
 */
export interface Resource {
  /** One name space with the signals. */
  readonly name: SignalName;
  /** PromQL that gives a number a model, or a number an instance. */
  readonly value: string;
  readonly labels: SeriesLabels;
  readonly levels: { readonly warning: ResourceLevel; readonly critical?: ResourceLevel };
  /** How long the value has to be above the threshold, and below `clearBelow` again. */
  readonly forMs: number;
}

export interface ResourceLevel {
  readonly level: Level;
  readonly threshold: number;
  readonly clearBelow: number;
}

/** Unless the policy says otherwise, it is over when a tenth of the threshold is free again. */
const clearShare = 0.9;

export function resolveResource(name: SignalName, written: ResourceFile): Resource {
  const {
    value,
    warning_threshold: warning,
    critical_threshold: critical,
    clear_below,
    for_seconds,
  } = written;
  const at = (level: Level, threshold: number) => ({
    level,
    threshold,
    clearBelow: clear_below ?? Number((clearShare * threshold).toPrecision(12)),
  });
  return {
    name,
    value,
    labels: written.model_label === undefined ? {} : { model: written.model_label },
    levels: {
      warning: at('warning', warning),
      ...(critical !== undefined && { critical: at('critical', critical) }),
    },
    forMs: for_seconds * 1000,
  };
}

/** One instant query of a resource, for all models at once. */
export interface ResourceQuery {
  readonly name: SignalName;
  readonly promql: string;
}

export const resourceQueries = (resources: readonly Resource[]): readonly ResourceQuery[] =>
  resources.map(({ name, value }) => ({ name, promql: value }));
