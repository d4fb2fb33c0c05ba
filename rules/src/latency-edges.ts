import { profileNames, profiles } from './profiles/index.ts';
import type { ModelFile } from './schema.ts';
import { levels, type Signal } from './signals.ts';

/*
 * Where latency thresholds can stand. Between two edges a histogram knows nothing, so a threshold is an edge that every
 * server has which reports the model's latency.
 */

/** What a model says of its profile, as a list. */
export const profilesNamed = ({ profile = 'neuroweaver' }: Pick<ModelFile, 'profile'>): readonly string[] =>
  typeof profile === 'string' ? [profile] : profile;

/** The edges that all of these profiles have, in seconds; undefined where none of them reports latency. */
export function commonEdges(
  names: readonly string[],
  extraMs: readonly number[],
): readonly number[] | undefined {
  const [first, ...others] = names
    .filter(name => profileNames.includes(name))
    .flatMap(name => profiles[name]!.latency ?? [])
    .map(({ edgesSeconds }) => edgesSeconds);
  if (!first) return undefined;
  const common = first.filter(edge => others.every(edges => edges.includes(edge)));
  const extra = extraMs.map(ms => ms / 1000);
  return [...new Set([...common, ...extra])].sort((a, b) => a - b);
}

/**
 * The edge that a threshold means. Of edges that are no round numbers the first four digits are enough: the edge may
 * stand a little above the threshold, never below, so that nothing is taken for slow that is not.
 */
export function edgeAt(thresholdMs: number, edgesSeconds: readonly number[]): number | undefined {
  return edgesSeconds.find(
    edge => edge * 1000 > thresholdMs - sameMs && edge * 1000 < thresholdMs * 1.001 + sameMs,
  );
}

/** What binary fractions do to a number. */
const sameMs = 1e-6;

/** The threshold to write for an edge, in milliseconds. */
export function thresholdAt(edgeSeconds: number): number {
  const ms = Number((edgeSeconds * 1000).toPrecision(12));
  const step = 10 ** (Math.floor(Math.log10(ms)) - 3);
  const floored = Number((Math.floor(ms / step + sameMs) * step).toPrecision(4));
  return Math.abs(ms - Math.round(ms)) < sameMs ? ms : floored;
}

/** The signals with their latency at the edges of the model's own servers. */
export function atEdges(
  signals: readonly Signal[],
  edgesSeconds: readonly number[] | undefined,
): readonly Signal[] {
  const isThere = (signal: Signal) =>
    levels.every(level => {
      const { edgeSeconds } = signal.levels[level];
      return edgeSeconds === undefined || edgesSeconds?.includes(edgeSeconds);
    });
  if (!edgesSeconds || signals.every(isThere)) return signals;
  return signals.map(signal => (isThere(signal) ? signal : atEdgesOf(signal, edgesSeconds)));
}

function atEdgesOf<S extends Signal>(signal: S, edgesSeconds: readonly number[]): S {
  const { warning, critical } = signal.levels;
  const moved = <L extends typeof warning>(level: L): L => {
    const edgeSeconds = edgeAt(level.threshold, edgesSeconds);
    return edgeSeconds === undefined ? level : { ...level, edgeSeconds };
  };
  return { ...signal, levels: { warning: moved(warning), critical: moved(critical) } };
}
