import { type Policy, type Resource, servedBy, servingModel } from '@relaycore/rules';
import type { GaugeReading, ResourceReadings } from '../types.ts';
import type { CounterSample } from './increments.ts';
import { targetOf } from './targets.ts';

type ModelIdOf = (series: { modelName: string; version?: string }) => string | undefined;
type Labels = CounterSample['labels'];

/** Everything that Prometheus said about the policy's resources. */
export interface RawGauges {
  /** By the name of the resource. */
  readonly values: ReadonlyMap<string, readonly CounterSample[]>;
  /** Targets that were scraped lately. */
  readonly fresh: ReadonlySet<string>;
  /** Counters of those targets, which tell the models that run there. */
  readonly counters: readonly CounterSample[];
}

/**
 * The worst value of each resource and model. A series that names a model is that model's; one that does not belongs
 * to every model whose server has the same instance and job.
 */
export function gaugeReadings({ resources }: Policy, raw: RawGauges, idOf: ModelIdOf): ResourceReadings {
  const readings = new Map<string, Map<string, GaugeReading>>();
  if (resources.every(({ name }) => !raw.values.get(name)?.length)) return readings;
  const servedAt = modelsByTarget(raw.counters, idOf);
  for (const resource of resources)
    for (const { labels, value } of raw.values.get(resource.name) ?? []) {
      if (!Number.isFinite(value) || isStale(labels, raw.fresh)) continue;
      for (const model of modelsOf(resource, labels, servedAt, idOf)) {
        const ofModel = readings.get(model) ?? new Map<string, GaugeReading>();
        readings.set(model, ofModel);
        if (value > (ofModel.get(resource.name)?.value ?? Number.NEGATIVE_INFINITY))
          ofModel.set(resource.name, { value, ...(labels.instance && { instance: labels.instance }) });
      }
    }
  return readings;
}

/** A value that is worked out over many instances names none, and is as fresh as Prometheus makes it. */
const isStale = (labels: Labels, fresh: ReadonlySet<string>) =>
  labels.job !== undefined && labels.instance !== undefined && !fresh.has(targetOf(labels));

function modelsOf(
  { labels: names }: Resource,
  labels: Labels,
  servedAt: ReadonlyMap<string, ReadonlySet<string>>,
  idOf: ModelIdOf,
): Iterable<string> {
  const served = servedBy(labels, names);
  if (!served) return servedAt.get(placeOf(labels)) ?? [];
  const id = idOf(served);
  return id === undefined ? [] : [id];
}

/** The models of each job and instance, of each instance, and of each job: a value may have lost one of the labels. */
function modelsByTarget(
  counters: readonly CounterSample[],
  idOf: ModelIdOf,
): ReadonlyMap<string, ReadonlySet<string>> {
  const models = new Map<string, Set<string>>();
  for (const { labels } of counters) {
    const served = servingModel(labels);
    const id = served && idOf(served);
    if (id === undefined) continue;
    const { job = '', instance = '' } = labels;
    for (const place of [{ job, instance }, { instance }, { job }]) {
      const known = models.get(placeOf(place));
      if (known) known.add(id);
      else models.set(placeOf(place), new Set([id]));
    }
  }
  return models;
}

const placeOf = ({ job = '', instance = '' }: Labels) => `${job} ${instance}`;
