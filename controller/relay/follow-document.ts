/** A route as the controller's document driver writes it, in the words of the contract. */

import { routeIn } from '../src/apply/route-document.ts';

/** Undefined when the document says nothing of the route; an Error when what it says cannot be used. */
export function routeFrom(text: string, route: string): unknown {
  try {
    const { weights, generation } = routeIn(text, route);
    if (Object.keys(weights).length === 0) return undefined;
    const reason = 'read from a route document';
    return { weights, generation, reason };
  } catch (error) {
    return error;
  }
}
