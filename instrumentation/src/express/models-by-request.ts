import type { IncomingMessage } from 'node:http';
import type { Model, ModelIdentity } from '../model.ts';
import type { MeasureContext } from './measure.ts';

/** Which model answers a request is known by the request. */
export interface ModelByRequest<Request extends IncomingMessage = IncomingMessage>
  extends Omit<ModelIdentity, 'name'> {
  /** Its name; undefined where it is no request of a model, which then is not measured. A list is no name. */
  readonly name: (request: Request) => string | readonly string[] | undefined;
  /** The names there are. Default: the first 32 that come. All others together are `_OTHER`. */
  readonly names?: readonly string[];
}

/** What callers send would otherwise make series without end. */
const mostNames = 32;
const longestName = 128;
const otherName = '_OTHER';

export function modelsByRequest<Request extends IncomingMessage>(
  { name: nameOf, names, ...identity }: ModelByRequest<Request>,
  { modelOf, rejections }: MeasureContext,
): (request: Request) => Model | undefined {
  const known = new Map(names?.map(name => [name, modelOf({ ...identity, name })]));
  const maximum = names === undefined ? mostNames : known.size;
  const others = () => modelOf({ ...identity, name: otherName });

  function other(reason: 'invalid_model_name' | 'too_many_models'): Model {
    rejections.count(reason);
    return others();
  }

  function modelNamed(name: string | readonly string[]): Model {
    if (!isName(name)) return other('invalid_model_name');
    const found = known.get(name);
    if (found !== undefined) return found;
    if (known.size >= maximum) return other('too_many_models');
    const created = modelOf({ ...identity, name });
    known.set(name, created);
    return created;
  }

  const askName = rejections.contain(nameOf, otherName, 'failed_callback');
  return request => {
    const name = askName(request);
    if (name === undefined) return undefined;
    return name === otherName ? others() : modelNamed(name);
  };
}

function isName(name: unknown): name is string {
  return typeof name === 'string' && name !== '' && name.length <= longestName;
}
