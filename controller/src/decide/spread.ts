import type { Rate } from '../assess/window.ts';
import type { Assessment, Weights } from '../types.ts';
import type { Situation } from './situation.ts';
import { fullWeight } from './weights.ts';

/*
 * A failover to a target that cannot take all of the traffic would make a second bad model out of a good one. So it gets
 * what it can take, the next ones the rest, and what nobody has room for stays where it was.
 */

/** What a target gets, and what it could take of the route's requests, in requests a second. */
export interface Part {
  readonly model: string;
  readonly weight: number;
  readonly room?: number;
}

export interface Spread {
  readonly weights: Weights;
  /** Who gets something, in order; the last one may be the target that is left. */
  readonly parts: readonly Part[];
  /** Requests a second that the route sends. */
  readonly demand: number;
}

/** Less than this is not worth a target of its own: 1 %. */
const leastPart = 100;

/** All traffic over these targets, filled one after the other; the rest to `rest`. The primary always takes all. */
export function spread(situation: Situation, takers: readonly string[], rest: string): Spread {
  const demand = demandOf(situation);
  const parts: Part[] = [];
  let left = fullWeight;
  for (const model of takers) {
    const room = roomOf(situation, model);
    const weight = room === undefined || demand === 0 ? left : Math.min(left, shareOf(room, demand));
    if (weight < leastPart) continue;
    parts.push({ model, weight, ...(room !== undefined && { room }) });
    left -= weight;
    if (left < leastPart) break;
  }
  return { weights: weightsOf(situation, addRest(parts, rest, left)), parts, demand };
}

/** A rest too small for a target of its own is added to the first one. */
function addRest(parts: readonly Part[], rest: string, left: number): readonly Part[] {
  const [first, ...others] = parts;
  if (first && left < leastPart) return [{ ...first, weight: first.weight + left }, ...others];
  return [...parts, { model: rest, weight: left }];
}

const shareOf = (room: number, demand: number) => Math.floor((Math.max(0, room) / demand) * fullWeight);

function weightsOf({ route }: Situation, parts: readonly Part[]): Weights {
  return Object.fromEntries(
    route.targets.map(target => [
      target,
      parts.filter(({ model }) => model === target).reduce((sum, { weight }) => sum + weight, 0),
    ]),
  );
}

/** The largest share that a target can take, in basis points; all of it where it states nothing. */
export function largestShare(situation: Situation, model: string): number {
  const [room, demand] = [roomOf(situation, model), demandOf(situation)];
  return room === undefined || demand === 0 ? fullWeight : Math.min(fullWeight, shareOf(room, demand));
}

/** What the route sends: measured while it was as it is now, else the most that its targets have had together. */
const demandOf = (situation: Situation) => measuredDemand(situation) ?? busiestSince(situation, 0) ?? 0;

/** Undefined when the route has been as it is for too short a time to tell. */
export const measuredDemand = (situation: Situation) => busiestSince(situation, situation.state.updatedAt);

/**
 * The busiest tenth of the evaluation window, in requests a second, over all that carry the route, and what the others
 * had beyond their usual: a gateway sends them what a failing one did not answer. Of those that carry it, what other
 * routes send them is counted too.
 */
function busiestSince({ route, state, assessments }: Situation, since: number): number | undefined {
  const rates = route.targets.flatMap(model => {
    const ofModel = ratesOf(assessments.get(model));
    const usual = (state.weights[model] ?? 0) > 0 ? 0 : usually(ofModel);
    return ofModel
      .filter(({ from }) => from >= since)
      .map(({ from, perSecond }) => ({ from, perSecond: Math.max(0, perSecond - usual) }));
  });
  const tenths = [...Map.groupBy(rates, ({ from }) => from).values()];
  if (tenths.length === 0) return undefined;
  return Math.max(...tenths.map(all => all.reduce((sum, { perSecond }) => sum + perSecond, 0)));
}

/**
 * What the target could take of this route; of one that the route sends nothing, less what it usually gets from others.
 * Usually, because just now a gateway may be sending it what the failing one did not answer.
 */
function roomOf({ route, state, assessments }: Situation, model: string): number | undefined {
  const capacity = route.capacities[model];
  if (capacity === undefined || model === route.targets[0]) return undefined;
  if ((state.weights[model] ?? 0) > 0) return capacity;
  return capacity - usually(ratesOf(assessments.get(model)));
}

const ratesOf = (assessment: Assessment | undefined) =>
  assessment?.signals.find(({ signal }) => signal === 'success')?.rates ?? [];

/** The median, in requests a second. */
const usually = (rates: readonly Rate[]) =>
  rates.map(({ perSecond }) => perSecond).sort((a, b) => a - b)[Math.floor(rates.length / 2)] ?? 0;

/** `: spam-v2 50.0 % (room for 5.0 of 10.0 requests/s), spam-v1 keeps 50.0 %`; nothing to say where one takes all. */
export function describeSpread({ weights, parts, demand }: Spread, left: string): string {
  const kept = weights[left] ?? 0;
  if (parts.length <= 1 && kept === 0) return '';
  const gets = parts.map(({ model, weight, room }) => {
    const why = room === undefined ? '' : ` (room for ${room.toFixed(1)} of ${demand.toFixed(1)} requests/s)`;
    return `${model} ${percent(weight)}${why}`;
  });
  return `: ${[...gets, ...(kept > 0 ? [`${left} keeps ${percent(kept)} for want of room`] : [])].join(', ')}`;
}

const percent = (weight: number) => `${(weight / 100).toFixed(1)} %`;
