import type { z } from 'zod';
import { Refusal } from '../errors.ts';
import { changeHand } from '../record/route-states.ts';
import { type Asked, byHand, type HandParts, overtaken, routeOf, stateOf } from './by-hand.ts';
import type { handRequest } from './requests.ts';

/** The pinned target keeps the traffic; from then on the route goes on by itself. */
export function unpin(parts: HandParts, asked: Asked<z.output<typeof handRequest>>) {
  const { request } = asked;
  return byHand(parts, asked, async sign => {
    const route = routeOf(parts, request.route);
    const state = await stateOf(parts, route, request);
    const { override, freeze, generation } = state;
    if (!override || override.expiresAt <= parts.clock.now())
      throw new Refusal(
        409,
        'not_pinned',
        `${route.name} is not pinned`,
        'nothing needs to be done; see model-status',
      );
    const done = { route: route.name, generation, weights: state.weights };
    const effect = {
      route: route.name,
      generationBefore: generation,
      generationAfter: generation,
      detail: { lifted: override },
    };
    await parts.database.transaction(async transaction => {
      if (!(await changeHand(transaction, state, freeze ? { freeze } : {}))) throw overtaken();
      await sign(transaction, done, [effect]);
    });
    await parts.loop.refresh([route.name]);
    return done;
  });
}
