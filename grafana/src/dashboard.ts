import type { Builder } from '@grafana/grafana-foundation-sdk/cog';
import {
  type AnnotationQuery,
  type Dashboard,
  DashboardBuilder,
  DashboardCursorSync,
  DashboardLinkBuilder,
  DashboardLinkType,
  type Panel,
  RowBuilder,
  type VariableModel,
} from '@grafana/grafana-foundation-sdk/dashboard';

export interface DashboardParts {
  readonly uid: string;
  readonly title: string;
  readonly description: string;
  readonly variables: readonly Builder<VariableModel>[];
  readonly annotations: readonly Builder<AnnotationQuery>[];
  readonly rows: readonly Row[];
}

export interface Row {
  readonly title: string;
  readonly panels: readonly Builder<Panel>[];
  /** A variable: the row is shown once for each of its values. */
  readonly repeat?: string;
}

export const row = (title: string, panels: Row['panels'], more: Pick<Row, 'repeat'> = {}): Row => ({
  title,
  panels,
  ...more,
});

/** Puts the parts together the way every dashboard here looks; panels flow from left to right, 24 columns wide. */
export function assemble(parts: DashboardParts): Dashboard {
  const builder = new DashboardBuilder(parts.title)
    .uid(parts.uid)
    .description(parts.description)
    .tags(['relaycore', 'model-serving'])
    .readonly()
    .refresh('5s')
    .time({ from: 'now-30m', to: 'now' })
    .tooltip(DashboardCursorSync.Crosshair)
    .variables([...parts.variables])
    .annotations([...parts.annotations])
    .links([otherDashboards()]);
  for (const { title, panels, repeat } of parts.rows) {
    const header = new RowBuilder(title);
    builder.withRow(repeat === undefined ? header : header.repeat(repeat));
    for (const panel of panels) builder.withPanel(panel);
  }
  return numbered(withVisibleControls(builder.build()));
}

/** Whatever else carries the tag, with the time and the chosen data source kept. */
const otherDashboards = () =>
  new DashboardLinkBuilder('RelayCore')
    .type(DashboardLinkType.Dashboards)
    .tags(['relaycore'])
    .tooltip('The other dashboards, with the same time and choices')
    .includeVars(true)
    .keepTime(true);

/** The SDK puts links and annotation switches into a menu; they belong where a person sees them. */
function withVisibleControls(dashboard: Dashboard): Dashboard {
  return {
    ...dashboard,
    annotations: {
      list: (dashboard.annotations.list ?? []).map(({ placement: _, ...annotation }) => annotation),
    },
    links: (dashboard.links ?? []).map(({ placement: _, ...link }) => link),
  };
}

function numbered(dashboard: Dashboard): Dashboard {
  return {
    ...dashboard,
    panels: (dashboard.panels ?? []).map((panel, index) => ({ ...panel, id: index + 1 })),
  };
}
