import {
  DatasourceVariableBuilder,
  QueryVariableBuilder,
  VariableRefresh,
  VariableSort,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { exported, recorded } from '@relaycore/rules';

/** The Prometheus that a person picks at the top; nothing names one by its uid. */
export const prometheus = { type: 'prometheus', uid: '${datasource}' } as const;

export const datasource = () =>
  new DatasourceVariableBuilder('datasource')
    .label('Data source')
    .description('The Prometheus that holds the metrics of models, gateways and controller.')
    .type('prometheus')
    .multi(false)
    .includeAll(false);

export const routeVariable = () =>
  choice('route', 'Route', `label_values(${exported.routeWeight}, route)`).description(
    'Routes of the policy that the controller follows.',
  );

/** Also without a controller, and also models that have no traffic now. */
export const modelVariable = () =>
  choice(
    'model',
    'Model',
    `label_values({__name__=~"${exported.verdict}|${recorded.requests('1m')}"}, model)`,
  ).description('Models that the controller or the recording rules know.');

function choice(name: string, label: string, query: string): QueryVariableBuilder {
  return new QueryVariableBuilder(name)
    .label(label)
    .datasource(prometheus)
    .query(query)
    .definition(query)
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .sort(VariableSort.NaturalAsc)
    .multi(true)
    .includeAll(true)
    .allValue('.+')
    .current({ text: ['All'], value: ['$__all'] });
}
