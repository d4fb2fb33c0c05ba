import { AnnotationQueryBuilder } from '@grafana/grafana-foundation-sdk/dashboard';
import { DataqueryBuilder } from '@grafana/grafana-foundation-sdk/prometheus';
import { exported } from '@relaycore/rules';
import { colours } from './colours.ts';
import { prometheus } from './variables.ts';

/** A mark wherever the weights of a route changed. */
export const switchesOf = (matchers: string) => mark(changes(matchers, matchers));

/** A mark wherever the weights of a route changed that has one of the models as a target. */
export const switchesOfModels = (matchers: string) =>
  mark(`${changes('', '')} and on (route) ${exported.routeWeight}{${matchers}}`);

/** The time of the last change in milliseconds, named after the target that gets most of the route since. */
function changes(ofSwitch: string, ofWeight: string): string {
  const leader = `group by (route, model) (topk by (route) (1, ${exported.routeWeight}{${ofWeight}}))`;
  return `(1000 * max by (route) (${exported.switchedAt}{${ofSwitch}}) > 0) * on (route) group_right () ${leader}`;
}

function mark(expression: string): AnnotationQueryBuilder {
  return new AnnotationQueryBuilder()
    .name('Switches')
    .datasource(prometheus)
    .enable(true)
    .hide(false)
    .iconColor(colours.neutral)
    .target(new DataqueryBuilder().refId('Switches').expr(expression).range().interval('5s'))
    .titleFormat('{{route}}: weights changed')
    .textFormat('most of it now goes to {{model}}')
    .tagKeys('route,model')
    .useValueForTime(true);
}
