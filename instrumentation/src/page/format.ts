import type { MetricKind } from '../metrics.ts';
import type { Exemplar } from '../record/exemplars.ts';
import { escapeText } from './text.ts';

/** What a family of samples says about itself before they come. */
export interface FamilyHead {
  /** The name of its samples; a counter's ends in `_total`. */
  readonly name: string;
  readonly kind: MetricKind | 'info';
  readonly help: string;
  readonly unit: string;
}

/** One of the two languages that Prometheus reads. */
export interface Format {
  readonly contentType: string;
  head(family: FamilyHead): string;
  /** What follows the value of a bucket. */
  exemplar(exemplar: Exemplar | undefined): string;
  /** What ends the page. */
  readonly end: string;
}

export const prometheusText: Format = {
  contentType: 'text/plain; version=0.0.4; charset=utf-8',
  head({ name, kind, help, unit }) {
    const unitLine = unit === '' ? '' : `# UNIT ${name} ${escapeText(unit)}\n`;
    const type = kind === 'info' ? 'gauge' : kind;
    return `# HELP ${name} ${escapeText(help || 'description missing')}\n${unitLine}# TYPE ${name} ${type}\n`;
  },
  exemplar: () => '',
  end: '',
};

/**
 * https://prometheus.io/docs/specs/om/open_metrics_spec/. Units are left out: a unit has to be the end of its name, or
 * the page is refused.
 */
const openMetrics: Format = {
  contentType: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
  head({ name, kind, help }) {
    const family = name.replace(kind === 'counter' ? /_total$/ : /_info$/, '');
    const shown = kind === 'counter' || kind === 'info' ? family : name;
    const helpText = escapeText(help || 'description missing').replaceAll('"', '\\"');
    return `# HELP ${shown} ${helpText}\n# TYPE ${shown} ${kind}\n`;
  },
  exemplar(exemplar) {
    if (exemplar === undefined) return '';
    const { traceId, spanId, value, at } = exemplar;
    return ` # {trace_id="${traceId}",span_id="${spanId}"} ${value} ${at / 1000}`;
  },
  end: '# EOF\n',
};

/** The format that an Accept header prefers; without one, or where it says nothing, the plain text. */
export function formatFor(accept: string | undefined): Format {
  const [open, plain] = [qualityOf(accept, 'application/openmetrics-text'), qualityOf(accept, 'text/plain')];
  return open > 0 && open >= plain ? openMetrics : prometheusText;
}

/** The highest quality at which the header takes the media type; 0 if it does not name it. */
function qualityOf(accept = '', mediaType: string): number {
  const qualities = accept.split(',').flatMap(range => {
    const [type, ...parameters] = range.split(';').map(part => part.trim().toLowerCase());
    if (type !== mediaType) return [];
    const quality = parameters.find(parameter => parameter.startsWith('q='));
    return quality === undefined ? 1 : Number(quality.slice(2)) || 0;
  });
  return Math.max(0, ...qualities);
}
