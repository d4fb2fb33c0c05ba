import type { Builder } from '@grafana/grafana-foundation-sdk/cog';
import {
  BigValueColorMode,
  BigValueGraphMode,
  BigValueTextMode,
  GraphThresholdsStyleConfigBuilder,
  GraphThresholdsStyleMode,
  LegendDisplayMode,
  LegendPlacement,
  LineInterpolation,
  ReduceDataOptionsBuilder,
  SortOrder,
  StackingConfigBuilder,
  StackingMode,
  TooltipDisplayMode,
  VisibilityMode,
  VizLegendOptionsBuilder,
  VizTooltipOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common';
import {
  type DynamicConfigValue,
  FieldColorBuilder,
  FieldColorModeId,
  MappingType,
  type Panel,
  type ValueMapping,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { DataqueryBuilder, PromQueryFormat } from '@grafana/grafana-foundation-sdk/prometheus';
import { PanelBuilder as StatPanel } from '@grafana/grafana-foundation-sdk/stat';
import { PanelBuilder as TimelinePanel } from '@grafana/grafana-foundation-sdk/statetimeline';
import { PanelBuilder as TablePanel } from '@grafana/grafana-foundation-sdk/table';
import { PanelBuilder as TimeSeriesPanel } from '@grafana/grafana-foundation-sdk/timeseries';
import { colours, steps, type ThresholdSteps } from './colours.ts';
import { prometheus } from './variables.ts';

/** What every panel states: a sentence on what it shows, and what to do when it looks bad. */
export interface PanelParts<Query> {
  readonly title: string;
  readonly description: string;
  /** A Grafana unit id. */
  readonly unit: string;
  /** In grid cells: 24 across, a cell is 30 px high. */
  readonly size: { readonly width: number; readonly height: number };
  readonly queries: readonly Query[];
  readonly noValue?: string;
}

export interface PanelQuery {
  readonly expr: string;
  readonly legend: string;
  readonly colour?: string;
  readonly dashed?: boolean;
  /** Drawn as a staircase: the value holds until the next. */
  readonly step?: boolean;
}

export interface TimeSeriesParts extends PanelParts<PanelQuery> {
  readonly stacked?: boolean;
  readonly range?: {
    readonly min?: number;
    readonly max?: number;
    readonly softMin?: number;
    readonly softMax?: number;
  };
  readonly thresholds?: ThresholdSteps;
  readonly thresholdLine?: boolean;
  readonly overrides?: readonly NameOverride[];
}

export interface NameOverride {
  readonly name: string;
  readonly colour: string;
}

/** Lines over time. A series keeps its colour on all panels, because the colour comes from its name. */
export function timeSeries(parts: TimeSeriesParts): Builder<Panel> {
  const { range = {}, thresholds, overrides = [] } = parts;
  const panel = withBasics(new TimeSeriesPanel(), parts)
    .targets(
      parts.queries.map((query, index) => target(index, query.expr).range().legendFormat(query.legend)),
    )
    .colorScheme(new FieldColorBuilder().mode(FieldColorModeId.PaletteClassicByName))
    .legend(
      new VizLegendOptionsBuilder()
        .showLegend(true)
        .displayMode(LegendDisplayMode.Table)
        .placement(LegendPlacement.Bottom)
        .calcs(['lastNotNull', 'max']),
    )
    .tooltip(new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi).sort(SortOrder.Descending))
    .showPoints(VisibilityMode.Never)
    .fillOpacity(parts.stacked ? 40 : 5);
  if (parts.stacked) panel.stacking(new StackingConfigBuilder().mode(StackingMode.Normal).group('A'));
  if (range.min !== undefined) panel.min(range.min);
  if (range.max !== undefined) panel.max(range.max);
  if (range.softMin !== undefined) panel.axisSoftMin(range.softMin);
  if (range.softMax !== undefined) panel.axisSoftMax(range.softMax);
  if (thresholds) panel.thresholds(thresholds);
  if (parts.thresholdLine)
    panel.thresholdsStyle(new GraphThresholdsStyleConfigBuilder().mode(GraphThresholdsStyleMode.Dashed));
  for (const [index, query] of parts.queries.entries()) {
    const look = lookOf(query);
    if (look.length > 0) panel.overrideByQuery(refId(index), look);
  }
  for (const { name, colour } of overrides) panel.overrideByName(name, [fixedColour(colour)]);
  return panel;
}

export interface StatParts extends PanelParts<PanelQuery> {
  readonly thresholds: ThresholdSteps;
  readonly mappings?: readonly ValueMapping[];
  readonly decimals?: number;
}

/** The value of each series now, large. */
export function stat(parts: StatParts): Builder<Panel> {
  const panel = withBasics(new StatPanel(), parts)
    .targets(
      parts.queries.map((query, index) => target(index, query.expr).instant().legendFormat(query.legend)),
    )
    .reduceOptions(new ReduceDataOptionsBuilder().calcs(['lastNotNull']))
    .graphMode(BigValueGraphMode.None)
    .colorMode(BigValueColorMode.Background)
    .textMode(BigValueTextMode.ValueAndName)
    .colorScheme(new FieldColorBuilder().mode(FieldColorModeId.Thresholds))
    .thresholds(parts.thresholds);
  if (parts.mappings) panel.mappings([...parts.mappings]);
  if (parts.decimals !== undefined) panel.decimals(parts.decimals);
  return panel;
}

export interface TimelineParts extends PanelParts<PanelQuery> {
  readonly mappings: readonly ValueMapping[];
}

/** One bar a series, coloured by its state. */
export function timeline(parts: TimelineParts): Builder<Panel> {
  return withBasics(new TimelinePanel(), parts)
    .targets(
      parts.queries.map((query, index) => target(index, query.expr).range().legendFormat(query.legend)),
    )
    .mappings([...parts.mappings])
    .colorScheme(new FieldColorBuilder().mode(FieldColorModeId.Thresholds))
    .thresholds(steps(colours.unknown))
    .mergeValues(true)
    .showValue(VisibilityMode.Auto)
    .legend(
      new VizLegendOptionsBuilder()
        .showLegend(true)
        .displayMode(LegendDisplayMode.List)
        .placement(LegendPlacement.Bottom),
    )
    .tooltip(new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Single));
}

export interface ColumnQuery {
  readonly expr: string;
  /** The heading above the values. */
  readonly column: string;
  readonly unit?: string;
  readonly decimals?: number;
  readonly mappings?: readonly ValueMapping[];
}

export interface TableParts extends PanelParts<ColumnQuery> {
  /** Labels that make a row, and stand first. */
  readonly columns: readonly string[];
}

/** One row a label set, one column a query. */
export function table(parts: TableParts): Builder<Panel> {
  const panel = withBasics(new TablePanel(), parts)
    .targets(
      parts.queries.map((query, index) => target(index, query.expr).instant().format(PromQueryFormat.Table)),
    )
    .withTransformation({ id: 'merge', options: {} })
    .withTransformation({ id: 'organize', options: organized(parts) })
    .filterable(true);
  for (const query of parts.queries) panel.overrideByName(query.column, columnLook(query));
  return panel;
}

/** Grafana calls a lone query's column `Value`, and those of several `Value #A`, `Value #B`, … */
function organized({ columns, queries }: TableParts) {
  const valueName = (index: number) => (queries.length === 1 ? 'Value' : `Value #${refId(index)}`);
  const values = queries.map((_, index) => valueName(index));
  return {
    excludeByName: { Time: true },
    indexByName: Object.fromEntries([...columns, ...values].map((name, index) => [name, index])),
    renameByName: Object.fromEntries(queries.map((query, index) => [valueName(index), query.column])),
  };
}

function columnLook({ unit, decimals, mappings }: ColumnQuery): DynamicConfigValue[] {
  return [
    ...(unit === undefined ? [] : [{ id: 'unit', value: unit }]),
    ...(decimals === undefined ? [] : [{ id: 'decimals', value: decimals }]),
    ...(mappings === undefined
      ? []
      : [
          { id: 'mappings', value: mappings },
          { id: 'custom.cellOptions', value: { type: 'color-background' } },
        ]),
  ];
}

function lookOf({ colour, dashed, step }: PanelQuery): DynamicConfigValue[] {
  return [
    ...(colour === undefined ? [] : [fixedColour(colour)]),
    ...(dashed
      ? [
          { id: 'custom.lineStyle', value: { fill: 'dash', dash: [8, 6] } },
          { id: 'custom.fillOpacity', value: 0 },
        ]
      : []),
    ...(step ? [{ id: 'custom.lineInterpolation', value: LineInterpolation.StepAfter }] : []),
  ];
}

const fixedColour = (colour: string) => ({
  id: 'color',
  value: { mode: FieldColorModeId.Fixed, fixedColor: colour },
});

/** What all kinds of panel builders share. */
interface AnyPanel<Self> {
  title(title: string): Self;
  description(description: string): Self;
  datasource(reference: { type: string; uid: string }): Self;
  unit(unit: string): Self;
  span(width: number): Self;
  height(height: number): Self;
  noValue(text: string): Self;
}

function withBasics<P extends AnyPanel<P>>(panel: P, parts: PanelParts<unknown>): P {
  return panel
    .title(parts.title)
    .description(parts.description)
    .datasource({ ...prometheus })
    .unit(parts.unit)
    .span(parts.size.width)
    .height(parts.size.height)
    .noValue(parts.noValue ?? 'no data');
}

const target = (index: number, expr: string) =>
  new DataqueryBuilder().refId(refId(index)).datasource(prometheus).expr(expr);

const refId = (index: number) => String.fromCharCode('A'.charCodeAt(0) + index);

/** Words and colours for numbers that are codes. */
export function valueMap(
  words: Readonly<Record<number, { readonly text: string; readonly color: string }>>,
): ValueMapping[] {
  const options = Object.fromEntries(
    Object.entries(words).map(([value, word], index) => [value, { ...word, index }]),
  );
  return [{ type: MappingType.ValueToText, options }];
}

/** For `verdictCode`. */
export const verdictMap = valueMap({
  0: { text: 'healthy', color: colours.good },
  1: { text: 'warning', color: colours.warning },
  2: { text: 'critical', color: colours.bad },
  [-1]: { text: 'unknown', color: colours.unknown },
});

/** For `levelCode`. */
export const levelMap = valueMap({
  0: { text: 'no', color: colours.good },
  1: { text: 'stands', color: colours.bad },
  [-1]: { text: 'unknown', color: colours.unknown },
});

/** How a request ended, on whatever panel shows it. */
export const outcomeColours: readonly NameOverride[] = [
  { name: 'ok', colour: colours.good },
  { name: 'error', colour: colours.bad },
  { name: 'timeout', colour: colours.warning },
  { name: 'refused', colour: 'purple' },
  { name: 'rate_limited', colour: 'semi-dark-orange' },
  { name: 'cancelled', colour: colours.unknown },
];
