import { createDelayedTruth } from './delayed.ts';
import { createMeasure } from './express/measure.ts';
import { createGateway } from './gateway.ts';
import type { Instrumentation } from './index.ts';
import { createModels } from './models.ts';
import type { Settings } from './options.ts';
import { openOutput } from './output.ts';
import { isDisabled } from './provider.ts';
import type { QualityRecorder } from './quality.ts';
import type { Rejections } from './rejections.ts';
import { createRemembered } from './remembered.ts';
import { measureResources } from './resources/resources.ts';

/** Starts measuring as the settings say, which are taken as right. */
export function startMeasuring(settings: Settings): Instrumentation {
  const { recorder, rejections, producer, endpoint, close } = openOutput(settings);
  const stopResources =
    settings.resources && !isDisabled(process.env) ? measureResources(recorder, rejections) : () => {};
  const closing = new AbortController();
  const remembered = createRemembered<QualityRecorder>(settings.remember);
  const gateway = createGateway({ recorder, rejections });
  const modelOf = createModels({
    recorder,
    rejections,
    maximumModels: settings.maximumSeries,
    closing: closing.signal,
    remembered,
  });
  recorder.gauge('processStartTime', {}).set(processStartSeconds);
  const instrumentation: Instrumentation = {
    model: modelOf,
    measure: (model, options) => createMeasure({ modelOf, rejections }, model, options),
    ...createDelayedTruth({ remembered, rejections }),
    gateway: () => gateway,
    producer,
    ready: endpoint?.ready ?? Promise.resolve(),
    get endpoint() {
      return endpoint?.url();
    },
    shutdown() {
      closing.abort();
      stopResources();
      return close();
    },
  };
  allRejections.set(instrumentation, rejections);
  return instrumentation;
}

/** Where to count what could not be recorded there; undefined for what `init` did not give. */
export function rejectionsOf(instrumentation: Instrumentation): Rejections | undefined {
  return allRejections.get(instrumentation);
}

const allRejections = new WeakMap<Instrumentation, Rejections>();

/** Taken once, so that a corrected system clock does not look like a new process. */
const processStartSeconds = performance.timeOrigin / 1000;
