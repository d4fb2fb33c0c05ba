import { types } from 'node:util';
import { replaceMethod } from '../stream.ts';
import { isFunction, observed, observeMethod, startCall, untilSettled } from './calls.ts';
import type { Library, LibraryContext } from './library.ts';
import { openingSessions } from './onnxruntime.ts';
import { at, textAt } from './properties.ts';

/** Each call of a pipeline is a request of its model, for the pipeline's task. */
export const transformers: Library = {
  name: '@huggingface/transformers',
  versions: ['>=3'],
  hook(exports, context) {
    const pipeline = at(exports, 'pipeline');
    if (!isFunction(pipeline)) return undefined;
    let isHooked = true;
    const quiet = observed(
      (...given) => openingSessions(() => Reflect.apply(pipeline, undefined, given)),
      ([, model]) => ({ threw() {}, answered: pipe => (isHooked ? whenOpen(pipe, model, context) : pipe) }),
    );
    const unhook = () => {
      isHooked = false;
    };
    return { exports: replaceExport(exports as object, 'pipeline', quiet), unhook };
  },
  wrap: (client, context) => wrapPipeline(client, undefined, context, true),
};

function whenOpen(opening: unknown, name: unknown, context: LibraryContext): unknown {
  if (!(opening instanceof Promise)) return opening;
  return opening.then(pipe => {
    const isOurs = wrapPipeline(pipe, typeof name === 'string' ? name : undefined, context);
    if (!isOurs) context.rejections.count('unknown_library');
    return pipe;
  });
}

/** Pipelines are functions that call their own `_call`. */
function wrapPipeline(
  pipe: unknown,
  given: string | undefined,
  context: LibraryContext,
  anew = false,
): boolean {
  if (!isFunction(pipe) || !isFunction(at(pipe, '_call')) || !at(pipe, 'model')) return false;
  const name = given ?? textAt(pipe, 'model', 'config', '_name_or_path');
  const operation = textAt(pipe, 'task') ?? 'inference';
  const begin = () => {
    const model = context.modelOf({ name, operation, provider: 'huggingface' });
    return model && untilSettled(startCall(model));
  };
  observeMethod(pipe, '_call', context.rejections.contain(begin, undefined), anew);
  return true;
}

/** What bundlers export from CommonJS cannot be changed; then a copy that differs in this one is given instead. */
function replaceExport(exports: object, name: string, value: (...given: unknown[]) => unknown): unknown {
  if (types.isProxy(exports)) {
    Reflect.set(exports, name, value);
    return exports;
  }
  const property = Object.getOwnPropertyDescriptor(exports, name);
  if (property?.configurable) {
    replaceMethod(exports, name, value);
    return exports;
  }
  const properties = Object.getOwnPropertyDescriptors(exports);
  return Object.create(Object.getPrototypeOf(exports), {
    ...properties,
    [name]: { value, enumerable: true, configurable: true, writable: true },
  });
}
