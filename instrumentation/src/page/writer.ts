import { diag } from '@opentelemetry/api';
import type { MetricData, ResourceMetrics } from '@opentelemetry/sdk-metrics';
import { prometheusName } from '../metrics.ts';
import type { RecordedMetric, Store } from '../record/store.ts';
import type { Rejections } from '../rejections.ts';
import { type Bytes, writeText } from './bytes.ts';
import { foreignHead, writeForeign } from './foreign.ts';
import type { FamilyHead, Format } from './format.ts';
import { writeSample } from './lines.ts';
import { createSampleWriter } from './own.ts';
import { labelsText } from './text.ts';

/** Writes the page, and pauses after each series, so that whoever sends it can let others run in between. */
export interface PageWriter {
  /** @param foreign what the application records through OpenTelemetry itself, and the process' resource */
  write(page: Bytes, foreign: ResourceMetrics, format: Format): Generator<void>;
}

export function createPageWriter(store: Store, rejections: Rejections): PageWriter {
  const writeOwn = createSampleWriter();
  const onCollision = () => rejections.count('colliding_labels');

  function* writeFamily(page: Bytes, { head, own, foreign }: Family, format: Format): Generator<void> {
    writeText(page, format.head(head));
    if (own !== undefined) yield* writeOwn(page, own, format);
    for (const metric of foreign) {
      try {
        yield* writeForeign(page, head.name, metric, onCollision);
      } catch (error) {
        // An attribute that cannot be written costs its own metric, not the page.
        rejections.count('internal_error');
        diag.error(`The metric ${metric.descriptor.name} could not be written on the metrics page`, error);
      }
    }
  }

  return {
    *write(page, { resource, scopeMetrics }, format) {
      const { text, collided } = labelsText(resource.attributes);
      if (collided) onCollision();
      writeText(page, format.head(targetInfo));
      writeSample(page, Buffer.from(targetInfo.name), Buffer.from(text), 1);
      const metrics = scopeMetrics.flatMap(scope => scope.metrics);
      const { families, conflicts } = familiesOf(store.read(), metrics);
      for (const name of conflicts) {
        rejections.count('conflicting_metric');
        diag.warn(
          `The metric ${name} is left off the metrics page: the name is taken by one of another type`,
        );
      }
      for (const family of families) yield* writeFamily(page, family, format);
      writeText(page, format.end);
    },
  };
}

const targetInfo: FamilyHead = { name: 'target_info', kind: 'info', help: 'Target metadata', unit: '' };

/** What stands under one name on the page. */
interface Family {
  readonly head: FamilyHead;
  readonly own: RecordedMetric | undefined;
  readonly foreign: MetricData[];
}

/** A name has one type on a page, or Prometheus could not read it: who comes first keeps it. */
function familiesOf(own: readonly RecordedMetric[], foreign: readonly MetricData[]) {
  const families = new Map<string, Family>();
  const conflicts: string[] = [];
  for (const metric of own) {
    const { kind, unit, description: help } = metric.definition;
    const head = { name: prometheusName(metric.definition), kind, help, unit };
    families.set(head.name, { head, own: metric, foreign: [] });
  }
  for (const metric of foreign) {
    const head = foreignHead(metric);
    if (head === undefined) continue;
    const family = families.get(head.name);
    if (head.name === targetInfo.name) conflicts.push(head.name);
    else if (family === undefined) families.set(head.name, { head, own: undefined, foreign: [metric] });
    else if (family.head.kind === head.kind) family.foreign.push(metric);
    else conflicts.push(head.name);
  }
  return { families: [...families.values()], conflicts };
}
