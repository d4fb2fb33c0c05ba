import { AsyncLocalStorage } from 'node:async_hooks';
import { basename } from 'node:path';
import { isFunction, observeMethod, startCall, untilSettled } from './calls.ts';
import type { Library, LibraryContext } from './library.ts';
import { at } from './properties.ts';

/** Each run of a session is a request of its model, which is named by its file. */
export const onnxruntime: Library = {
  name: 'onnxruntime-node',
  versions: ['>=1'],
  hook(exports, context) {
    const sessions = at(exports, 'InferenceSession') ?? at(exports, 'default', 'InferenceSession');
    const begin = ([source]: readonly unknown[]) => {
      if (within.getStore() === true) return undefined;
      return {
        threw() {},
        answered(promise: unknown) {
          if (!(promise instanceof Promise)) return promise;
          return promise.then(session => {
            wrapSession(session, nameOf(source), context);
            return session;
          });
        },
      };
    };
    const unhook = observeMethod(sessions, 'create', context.rejections.contain(begin, undefined));
    return unhook && { exports, unhook };
  },
  wrap: (client, context) => wrapSession(client, undefined, context, true),
};

/** What a library opens for itself while this runs is the library's, whose calls are counted. */
export function openingSessions<Result>(open: () => Result): Result {
  return within.run(true, open);
}

const within = new AsyncLocalStorage<boolean>();

function wrapSession(
  session: unknown,
  name: string | undefined,
  context: LibraryContext,
  anew = false,
): boolean {
  if (!isFunction(at(session, 'run')) || !Array.isArray(at(session, 'inputNames'))) return false;
  const begin = () => {
    const model = context.modelOf({ name, operation: 'inference', provider: 'onnxruntime' });
    return model && untilSettled(startCall(model));
  };
  observeMethod(session, 'run', context.rejections.contain(begin, undefined), anew);
  return true;
}

/** `/models/spam-v1.onnx` is spam-v1; a model that is given as bytes has no name of its own. */
function nameOf(source: unknown): string | undefined {
  if (typeof source !== 'string') return undefined;
  return basename(source).replace(/\.(onnx|ort)$/i, '') || undefined;
}
