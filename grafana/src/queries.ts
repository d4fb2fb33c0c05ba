import type { Dashboard, Panel } from '@grafana/grafana-foundation-sdk/dashboard';
import type { Dataquery } from '@grafana/grafana-foundation-sdk/prometheus';

/** One query that Grafana would send, with the variables filled in. */
export interface DashboardQuery {
  /** Uid of the dashboard. */
  readonly dashboard: string;
  /** Title of the panel, or name of the annotation or variable. */
  readonly panel: string;
  readonly refId: string;
  /** How Grafana asks: over the time range, at its end, or (a variable) for the values of a label. */
  readonly kind: 'range' | 'instant' | 'variable';
  readonly promql: string;
  /** Why no answer is right while nothing is wrong; absent where an answer is due. */
  readonly mayBeEmpty?: string;
}

/** Values for `$name`, without the dollar. */
export type VariableValues = Readonly<Record<string, string>>;

/** As if a person chose All; the intervals are those of a scrape each 5 s and a range of 30 minutes. */
export const everything: VariableValues = {
  route: '.+',
  model: '.+',
  __rate_interval: '20s',
  __interval: '5s',
  __range: '30m',
};

/** Every query of every panel, annotation and variable. Throws on a variable that has no value. */
export function dashboardQueries(
  dashboards: readonly Dashboard[],
  values: VariableValues = everything,
): readonly DashboardQuery[] {
  return dashboards.flatMap(dashboard =>
    [...ofVariables(dashboard), ...ofAnnotations(dashboard), ...ofPanels(dashboard)].map(found => {
      const place = `${dashboard.uid} / ${found.panel} / ${found.refId}`;
      const reason = emptyWhenHealthy[place];
      return {
        dashboard: dashboard.uid ?? '',
        ...found,
        promql: fillIn(found.promql, values, place),
        ...(reason !== undefined && { mayBeEmpty: reason }),
      };
    }),
  );
}

const noneAdded = 'not every policy adds signals';
const notRated = 'not every model is rated by people';

/** The queries that may answer nothing in healthy operation, and why; any other empty panel is a fault. */
export const emptyWhenHealthy: Readonly<Record<string, string>> = {
  'relaycore-routes / Switches / Switches': 'no weight has changed yet',
  'relaycore-routes / Switches / A': 'no route has switched yet',
  'relaycore-routes / How long the controller takes, slowest 5 % / C': 'nothing was applied lately',
  'relaycore-models / Switches / Switches': 'no weight has changed yet',
  'relaycore-models / Errors by type / A': 'no request failed lately',
  'relaycore-models / Feedback / A': notRated,
  'relaycore-models / Feedback / B': notRated,
  'relaycore-models / Feedback / C': notRated,
  'relaycore-models / Custom signals, as share of what is allowed / A': noneAdded,
  'relaycore-models / Custom signals, events counted / A': noneAdded,
  'relaycore-models / Resources, as share of their warning threshold / A':
    'not every server tells its resources',
};

type Found = Pick<DashboardQuery, 'panel' | 'refId' | 'kind' | 'promql'>;

function ofPanels({ panels = [] }: Dashboard): Found[] {
  return panels.filter(isPanel).flatMap(panel =>
    prometheusQueries(panel).map(({ refId = '', expr, instant }) => ({
      panel: panel.title ?? '',
      refId,
      kind: instant ? ('instant' as const) : ('range' as const),
      promql: expr,
    })),
  );
}

/** Rows hold no queries. */
const isPanel = (panel: { type: string }): panel is Panel => panel.type !== 'row';

/** All panels here ask Prometheus. */
export const prometheusQueries = (panel: Panel) => (panel.targets ?? []) as Dataquery[];

function ofAnnotations({ annotations }: Dashboard): Found[] {
  return (annotations.list ?? []).flatMap(({ name, target }) => {
    if (target === undefined) return [];
    const { refId = '', expr } = target as Dataquery;
    return [{ panel: name, refId, kind: 'range' as const, promql: expr }];
  });
}

/** `label_values(series, label)` has values exactly where `group by (label) (series)` has an answer. */
function ofVariables({ templating }: Dashboard): Found[] {
  return (templating.list ?? [])
    .filter(({ type }) => type === 'query')
    .map(({ name, query }) => {
      const asked = /^label_values\((.+), *(\w+)\)$/.exec(String(query));
      if (asked === null) throw new Error(`variable ${name}: "${query}" is not label_values(series, label)`);
      return {
        panel: name,
        refId: 'variable',
        kind: 'variable' as const,
        promql: `group by (${asked[2]}) (${asked[1]})`,
      };
    });
}

function fillIn(promql: string, values: VariableValues, place: string): string {
  return promql.replace(/\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))/g, (_, braced?: string, plain?: string) => {
    const name = braced ?? plain ?? '';
    const value = values[name];
    if (value === undefined)
      throw new Error(
        `${place}: nothing is given for $${name} (known: ${Object.keys(values).join(', ')}); ` +
          'add a value or correct the query',
      );
    return value;
  });
}
