/** What an OpenTelemetry name or value becomes on a Prometheus page; the same as exporter-prometheus makes of it. */

/** Undefined where nothing of the name is left. */
export function metricName(name: string): string | undefined {
  const clean = sanitize(name);
  if (clean === '' || clean === '_') return undefined;
  return startsWithDigit(clean) ? `_${clean}` : clean;
}

/** Unlike the exporter, a label that starts with a digit gets an underscore: Prometheus would refuse the page. */
function labelName(attribute: string): string {
  const clean = sanitize(attribute);
  return clean === '' || startsWithDigit(clean) ? `_${clean}` : clean;
}

function sanitize(name: string): string {
  return name.replace(/[^a-z0-9_]/gi, '_').replace(/_{2,}/g, '_');
}

function startsWithDigit(name: string): boolean {
  return /^[0-9]/.test(name);
}

export interface LabelsText {
  /** `a="1",b="2"` */
  readonly text: string;
  /** Whether labels had to be joined or left out for the page to stay readable. */
  readonly collided: boolean;
}

/**
 * Attributes as labels. Where several become the same label (`a.b` and `a_b`), which would cost the whole page, their
 * values are joined by `;`, as OpenTelemetry's compatibility rules say.
 * @param reserved a label that the line has already
 */
export function labelsText(attributes: Readonly<Record<string, unknown>>, reserved?: string): LabelsText {
  const values = new Map<string, string>();
  let collided = false;
  for (const attribute of Object.keys(attributes)) {
    const label = labelName(attribute);
    const value = escapeLabelValue(attributes[attribute]);
    const taken = values.get(label);
    if (taken !== undefined || label === reserved) collided = true;
    if (label !== reserved) values.set(label, taken === undefined ? value : `${taken};${value}`);
  }
  return { text: [...values].map(([label, value]) => `${label}="${value}"`).join(','), collided };
}

/** What is no text is written as JSON. */
function escapeLabelValue(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
  return escapeText(text).replaceAll('"', '\\"');
}

export function escapeText(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}
