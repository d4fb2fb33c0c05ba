import type { Instrumentation } from '../index.ts';
import type { ModelIdentity } from '../model.ts';
import { rejectionsOf } from '../start.ts';
import { libraries } from './libraries.ts';
import type { LibraryContext } from './library.ts';
import { modelsOfLibraries } from './models-of-libraries.ts';
import { registeredInstrumentation } from './registered.ts';
import { warn } from './warn.ts';

/** Whatever is left out is read from the call: its model's name, what it does, which library asks. */
export interface WrapOptions extends Partial<ModelIdentity> {
  /** What `init` gave. Default: what `--import @neuroweaver/instrumentation/register` started. */
  readonly ml?: Instrumentation;
}

/**
 * Counts the calls of one client as requests of their model: an `openai` client, a session of `onnxruntime-node`, a
 * pipeline of `@huggingface/transformers`. The client is changed in place and returned, the same object; one that is none
 * of these is left as it is, with a warning. Throws a TypeError where nobody has started measuring.
 */
export function wrap<Client>(client: Client, options: WrapOptions = {}): Client {
  const { ml = registeredInstrumentation(), name, version, operation, provider } = options;
  const rejections = ml && rejectionsOf(ml);
  if (ml === undefined || rejections === undefined)
    throw new TypeError('wrap(): give ml, which is what init() returned: wrap(client, { ml })');
  const modelOf = modelsOfLibraries({ version }, () => ml);
  const context: LibraryContext = {
    rejections,
    modelOf: called =>
      modelOf({
        name: name ?? called.name,
        operation: operation ?? called.operation,
        provider: provider ?? called.provider,
      }),
  };
  const wrapBy = rejections.contain(
    (library: (typeof known)[number]) => library.wrap(client, context),
    false,
  );
  if (!known.some(wrapBy)) {
    rejections.count('unknown_library');
    warn(
      'wrap() was given neither an openai client, nor an onnxruntime-node session, nor a pipeline of ' +
        '@huggingface/transformers that looks as it knows them: it is left as it was, and its calls are not counted.',
    );
  }
  return client;
}

const known = Object.values(libraries);
