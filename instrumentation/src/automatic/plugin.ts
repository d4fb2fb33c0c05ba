import { createRequire } from 'node:module';
import type { MeterProvider } from '@opentelemetry/api';
import {
  InstrumentationBase,
  type InstrumentationConfig,
  InstrumentationNodeModuleDefinition,
} from '@opentelemetry/instrumentation';
import type { Instrumentation } from '../index.ts';
import { resolveOptions } from '../options.ts';
import { scopeName } from '../record/producer.ts';
import type { Rejections } from '../rejections.ts';
import { rejectionsOf, startMeasuring } from '../start.ts';
import { countRequests } from './http.ts';
import { type LibraryName, libraries, libraryNames } from './libraries.ts';
import type { Library, LibraryContext } from './library.ts';
import { interceptImports, warnOfLoaded } from './loading.ts';
import { type LibraryModels, modelsOfLibraries } from './models-of-libraries.ts';
import { type FindServed, findServed, type ServedModel } from './paths.ts';
import { warn } from './warn.ts';

export interface NeuroweaverInstrumentationConfig extends InstrumentationConfig {
  /** Libraries whose calls are counted. Default: all of `libraryNames`. */
  readonly libraries?: readonly LibraryName[];
  /** What the libraries' calls do not say of their models. */
  readonly models?: LibraryModels;
  /** Requests to this process' own HTTP servers that are requests of a model. Default: none. */
  readonly requests?: readonly ServedModel[];
  /** Records into what `init` gave. Default: through the meter provider of the SDK that this is given to. */
  readonly ml?: Instrumentation;
  /** As for `init`; not for `ml`, which has its own. */
  readonly latencyThresholdsSeconds?: readonly number[];
  /** Whether memory, processor time, event loop and GPUs are measured. Default: true. Not for `ml`. */
  readonly resources?: boolean;
}

/**
 * An OpenTelemetry instrumentation for the `instrumentations` of a NodeSDK: counts the calls of model libraries and the
 * requests of the application's own servers. Throws a TypeError that says what is wrong with the configuration; from
 * then on nothing of it throws into the server.
 */
export class NeuroweaverInstrumentation extends InstrumentationBase<NeuroweaverInstrumentationConfig> {
  readonly #find: FindServed;
  readonly #context: LibraryContext;
  readonly #unhooks = new Map<Library, (() => void)[]>();
  #recording: Instrumentation | undefined;
  #stopRequests: (() => void) | undefined;

  constructor(config: NeuroweaverInstrumentationConfig = {}) {
    // The base class would enable before the fields below are there.
    super(scopeName, version, { ...config, enabled: false });
    this.setConfig(config);
    this.#find = findServed(config.requests ?? []);
    resolveOptions(measuringOptions(config), process.env);
    this.#recording = config.ml;
    this.#context = {
      modelOf: modelsOfLibraries(config.models ?? {}, () => this.#recording),
      rejections: followedRejections(() => this.#recording),
    };
    if (config.enabled ?? true) this.enable();
  }

  /** What it records into, for scores and feedback: `instrumentation.ml?.model(…)`. Undefined until the SDK starts. */
  get ml(): Instrumentation | undefined {
    return this.#recording;
  }

  override setMeterProvider(meterProvider: MeterProvider): void {
    super.setMeterProvider(meterProvider);
    const config = this.getConfig();
    if (config.ml !== undefined) return;
    void this.#recording?.shutdown();
    this.#recording = startMeasuring(
      resolveOptions({ ...measuringOptions(config), meterProvider }, process.env),
    );
  }

  override enable(): void {
    const names = librariesOf(this.getConfig());
    if (!this.isEnabled()) {
      warnOfLoaded(names);
      interceptImports(names);
    }
    super.enable();
    const modelOf = (identity: ServedModel['model']) => this.#recording?.model(identity);
    const { rejections } = this.#context;
    this.#stopRequests ??= countRequests({ find: this.#find, modelOf, rejections });
  }

  override disable(): void {
    super.disable();
    this.#stopRequests?.();
    this.#stopRequests = undefined;
  }

  protected override init() {
    return librariesOf(this.getConfig()).map(name => {
      const library = libraries[name];
      return new InstrumentationNodeModuleDefinition(
        name,
        [...library.versions],
        exports => this.#hook(library, exports),
        () => this.#unhook(library),
      );
    });
  }

  /** Gives what the application is to get for the module. */
  #hook(library: Library, exports: unknown): unknown {
    const { rejections } = this.#context;
    const hooked = rejections.contain(() => library.hook(exports, this.#context), undefined)();
    if (hooked === undefined) {
      rejections.count('unknown_library');
      warn(
        `This version of ${library.name} looks otherwise than @neuroweaver/instrumentation knows it: it is left as ` +
          'it is, and its calls are not counted. Tell of requests with ml.model(…).start() and end().',
      );
      return exports;
    }
    this.#unhooks.set(library, [...(this.#unhooks.get(library) ?? []), hooked.unhook]);
    return hooked.exports;
  }

  #unhook(library: Library): void {
    for (const unhook of this.#unhooks.get(library) ?? []) unhook();
    this.#unhooks.delete(library);
  }
}

const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };

function librariesOf({ libraries: names = libraryNames }: NeuroweaverInstrumentationConfig) {
  const unknown = names.filter(name => !libraryNames.includes(name));
  if (unknown.length === 0) return names;
  throw new TypeError(`libraries has ${unknown.join(', ')}: give any of ${libraryNames.join(', ')}`);
}

/** No page is opened, so that what the environment says of one cannot be wrong. */
function measuringOptions({ latencyThresholdsSeconds, resources }: NeuroweaverInstrumentationConfig) {
  return {
    port: 0,
    ...(latencyThresholdsSeconds && { latencyThresholdsSeconds }),
    ...(resources !== undefined && { resources }),
  };
}

/** Counts wherever is recorded at that time. */
function followedRejections(recording: () => Instrumentation | undefined): Rejections {
  const current = () => {
    const instrumentation = recording();
    return instrumentation && rejectionsOf(instrumentation);
  };
  return {
    count: reason => current()?.count(reason),
    contain:
      (work, otherwise) =>
      (...given) => {
        try {
          return work(...given);
        } catch {
          current()?.count('internal_error');
          return otherwise;
        }
      },
  };
}
