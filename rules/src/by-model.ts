import type { Model, Policy } from './policy.ts';
import { literal, quote } from './promql.ts';
import type { SeriesLabels } from './signals.ts';

/*
 * Which model a series is about: once for the rules, in PromQL, and once for the controller, which reads the series
 * themselves. Both must say the same.
 */

/** What names the model where the policy does not say: the label of the conventions, else the plain one. */
const usual = { model: 'gen_ai_request_model', otherModel: 'model', version: 'ml_model_version' } as const;

export interface Served {
  readonly modelName: string;
  readonly version?: string;
}

/** Undefined when the series is about no model. */
export function servedBy(
  labels: Readonly<Record<string, string>>,
  { model, version = usual.version }: SeriesLabels,
): Served | undefined {
  const modelName = model === undefined ? labels[usual.model] || labels[usual.otherModel] : labels[model];
  if (!modelName) return undefined;
  return { modelName, ...(labels[version] && { version: labels[version] }) };
}

/** Adds series up over replicas, under the labels `model` and `version`. */
export function byModel(series: string, modelLabel: string, versionLabel: string | undefined): string {
  const labels = [modelLabel, ...(versionLabel ? [versionLabel] : [])];
  const summed = `sum by (${labels.join(', ')}) (${series})`;
  const named = labelled(summed, 'model', modelLabel);
  return `sum by (model, version) (${versionLabel ? labelled(named, 'version', versionLabel) : named})`;
}

/** The same for series of any kind; those about no model, which an empty label tells, are left out. */
export function byModelOfAny(series: string, { model, version = usual.version }: SeriesLabels): string {
  const either = labelled(labelled(series, 'served_model', usual.otherModel), 'served_model', usual.model);
  const sum =
    model === undefined ? byModel(either, 'served_model', version) : byModel(series, model, version);
  return `(${sum} unless on (model) vector(0))`;
}

/** Values as they are, with the label `model` where one of theirs names it. */
export const namedAfterModel = (values: string, { model = usual.model }: SeriesLabels) =>
  labelled(`(${values})`, 'model', model);

/** Series by `model` and `version`, with the policy's id as model where its name in the metrics is another. */
export function byId(series: string, { models }: Pick<Policy, 'models'>): string {
  const renamed = Object.values(models).filter(({ id, name }) => id !== name);
  if (renamed.length === 0) return series;
  const shared = sharedNames(models);
  const keyed = `label_join(${series}, "served", "@", "model", "version")`;
  const named = renamed.reduce(
    (soFar, model) =>
      `label_replace(${soFar}, "model", ${quote(model.id)}, "served", ${quote(keyOf(model, shared))})`,
    keyed,
  );
  return `sum by (model, version) (${named})`;
}

/** A version tells models of one name apart; the only model of a name is also meant by a series without a version. */
function keyOf({ name, version }: Model, shared: ReadonlySet<string>): string {
  if (version === undefined) return `${literal(name)}@.*`;
  return shared.has(name)
    ? `${literal(name)}@${literal(version)}`
    : `${literal(name)}@(${literal(version)})?`;
}

/** Names in the metrics that several models of the policy have. */
export function sharedNames(models: Policy['models']): ReadonlySet<string> {
  const names = Object.values(models).map(({ name }) => name);
  const once = new Set<string>();
  return new Set(names.filter(name => (once.has(name) ? true : !once.add(name))));
}

const labelled = (series: string, to: string, from: string) =>
  `label_replace(${series}, "${to}", "$1", "${from}", "(.+)")`;
