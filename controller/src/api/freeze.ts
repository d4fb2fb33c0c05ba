import type { z } from 'zod';
import { Refusal } from '../errors.ts';
import {
  changeHand,
  freezeRoutes,
  loadRouteStates,
  type Touched,
  unfreezeRoutes,
} from '../record/route-states.ts';
import type { Freeze, RouteState } from '../types.ts';
import {
  type Asked,
  byHand,
  type Effect,
  expiryOf,
  type HandParts,
  overtaken,
  routeOf,
  stateOf,
} from './by-hand.ts';
import type { freezeAllRequest, freezeRequest, handRequest, unfreezeAllRequest } from './requests.ts';

/** No automatic change until then; a person may still switch. Freezing again replaces the freeze. */
export function freeze(parts: HandParts, asked: Asked<z.output<typeof freezeRequest>>) {
  const { route, expires_at, actor, reason } = asked.request;
  return layFreeze(parts, asked, () => ({
    next: { actor, reason, expiresAt: expiryOf(expires_at, parts.clock.now()) },
    done: { route, expires_at },
    detail: { expires_at },
  }));
}

export function unfreeze(parts: HandParts, asked: Asked<z.output<typeof handRequest>>) {
  const { route } = asked.request;
  return layFreeze(parts, asked, ({ freeze }) => {
    if (!freeze || freeze.expiresAt <= parts.clock.now())
      throw new Refusal(
        409,
        'not_frozen',
        `${route} is not frozen`,
        'nothing needs to be done; see model-status',
      );
    return { done: { route }, detail: { lifted: freeze } };
  });
}

interface Laid<Done> {
  readonly next?: Freeze;
  readonly done: Done;
  readonly detail: Effect['detail'];
}

function layFreeze<Done>(
  parts: HandParts,
  asked: Asked<z.output<typeof handRequest>>,
  lay: (state: RouteState) => Laid<Done>,
) {
  return byHand<typeof asked.request, Done & { generation: number }>(parts, asked, async sign => {
    const route = routeOf(parts, asked.request.route);
    const state = await stateOf(parts, route, asked.request);
    const { next, done, detail } = lay(state);
    const { override, generation } = state;
    const answer = { ...done, generation };
    await parts.database.transaction(async transaction => {
      const hand = { ...(override && { override }), ...(next && { freeze: next }) };
      if (!(await changeHand(transaction, state, hand))) throw overtaken();
      await sign(transaction, answer, [effectOn(state, detail)]);
    });
    await parts.loop.refresh([route.name]);
    return answer;
  });
}

const effectOn = ({ route, generation }: Touched, detail: Effect['detail']): Effect => ({
  route,
  generationBefore: generation,
  generationAfter: generation,
  detail,
});

/** Stops the line: every route that has a state. */
export function freezeAll(parts: HandParts, asked: Asked<z.output<typeof freezeAllRequest>>) {
  const { expires_at, actor, reason } = asked.request;
  return byHand(parts, asked, async sign => {
    const expiresAt = expiryOf(expires_at, parts.clock.now());
    const names = Object.keys(parts.policy.routes);
    const states = await loadRouteStates(parts.database);
    const done = await parts.database.transaction(async transaction => {
      const touched = await freezeRoutes(transaction, names, { actor, reason, expiresAt });
      const routes = touched.map(({ route }) => route).sort();
      const answer = {
        expires_at,
        routes,
        frozen_for_longer: names.filter(name => states.has(name) && !routes.includes(name)),
        not_taken_over: names.filter(name => !states.has(name)),
      };
      const effects = touched.map(state => effectOn(state, { expires_at, all: true }));
      await sign(transaction, answer, effects);
      return answer;
    });
    await parts.loop.refresh(done.routes);
    return done;
  });
}

/** Lifts every freeze, whoever laid it. */
export function unfreezeAll(parts: HandParts, asked: Asked<z.output<typeof unfreezeAllRequest>>) {
  return byHand(parts, asked, async sign => {
    const names = Object.keys(parts.policy.routes);
    const done = await parts.database.transaction(async transaction => {
      const touched = await unfreezeRoutes(transaction, names, parts.clock.now());
      const answer = { routes: touched.map(({ route }) => route).sort() };
      await sign(
        transaction,
        answer,
        touched.map(state => effectOn(state, { all: true })),
      );
      return answer;
    });
    await parts.loop.refresh(done.routes);
    return done;
  });
}
