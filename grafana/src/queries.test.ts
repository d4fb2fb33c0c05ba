import type { Dashboard } from '@grafana/grafana-foundation-sdk/dashboard';
import { syntaxError } from '@relaycore/rules';
import { describe, expect, it } from 'vitest';
import { dashboards } from './dashboards.ts';
import { dashboardQueries, emptyWhenHealthy, everything } from './queries.ts';

const all = Object.values(dashboards());
const queries = dashboardQueries(all);
const named = queries.map(query => ({
  ...query,
  place: `${query.dashboard} / ${query.panel} / ${query.refId}`,
}));

describe('the queries of the dashboards', () => {
  it.each(named)('$place is PromQL', ({ promql }) => {
    expect(syntaxError(promql)).toBeUndefined();
  });

  it('have no variable left in them', () => {
    expect(queries.filter(({ promql }) => promql.includes('$'))).toEqual([]);
  });

  it('cover panels, annotations and variables', () => {
    expect(new Set(queries.map(({ kind }) => kind))).toEqual(new Set(['range', 'instant', 'variable']));
    expect(named.map(({ place }) => place)).toEqual(
      expect.arrayContaining([
        'relaycore-routes / route / variable',
        'relaycore-routes / Switches / Switches',
        'relaycore-models / Success rate / C',
      ]),
    );
  });

  it('are excused from answering only where they exist', () => {
    expect(
      Object.keys(emptyWhenHealthy).filter(place => !named.some(query => query.place === place)),
    ).toEqual([]);
  });

  it('refuse a variable that nobody gives a value', () => {
    const { route: _, ...withoutRoute } = everything;
    expect(() => dashboardQueries(all, withoutRoute)).toThrow(/nothing is given for \$route/);
  });

  it('look at a rate over what Grafana computes from the scrape interval, never over a fixed window', () => {
    expect(rangesIn(all).filter(range => !range.startsWith('$__'))).toEqual([]);
  });

  it('aggregate every counter by its rate, but for the one that is read as a count', () => {
    const bare = named.filter(({ promql }) => /(?<!rate\()\b\w+_total\b/.test(promql));
    expect(bare.map(({ place }) => place)).toEqual(['relaycore-routes / Switches / A']);
  });

  it('match a choice, which may be several, as a regular expression', () => {
    expect(named.filter(({ promql }) => /[^~]="\.\+"/.test(promql))).toEqual([]);
  });
});

/** Windows in brackets, before the variables are filled in. */
function rangesIn(dashboards: readonly Dashboard[]): string[] {
  const own = Object.fromEntries(Object.keys(everything).map(name => [name, `$${name}`]));
  return dashboardQueries(dashboards, own).flatMap(({ promql }) =>
    [...promql.matchAll(/\[([^\]]+)\]/g)].map(found => found[1]!),
  );
}
