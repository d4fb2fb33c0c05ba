import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Model, ModelIdentity } from '../model.ts';
import type { Rejections } from '../rejections.ts';
import { onFirstByte } from './first-byte.ts';
import { type MeasuredRequest, measuredRequest } from './measured.ts';
import { type ModelByRequest, modelsByRequest } from './models-by-request.ts';

export interface MeasureOptions<Request extends IncomingMessage = IncomingMessage> {
  /**
   * The first byte of the body is the first token. Default: false; tokens are those that the handler tells of. One of
   * the two, or the first byte counts as a token more.
   */
  readonly firstByte?: boolean;
  /**
   * The handler says when the model begins, with `measured.begin()`; what was before is its queue. Default: false; the
   * model begins at once.
   */
  readonly queue?: boolean;
  /** The id by which a request that was answered well is remembered, as by `model.remember`; undefined for none. */
  readonly requestId?: (request: Request, response: ServerResponse) => string | undefined;
}

/** Middleware of Express and its like. `next` is called at once, whatever happens here. */
export type Measure<Request extends IncomingMessage = IncomingMessage> = (
  request: Request,
  response: ServerResponse,
  next?: (error?: unknown) => void,
) => void;

/** A response that the middleware has seen; Express has `locals`, on others it is made. */
interface MeasuredResponse extends ServerResponse {
  locals?: { measured?: MeasuredRequest };
}

export interface MeasureContext {
  readonly modelOf: (identity: ModelIdentity) => Model;
  readonly rejections: Rejections;
}

/** @throws TypeError on what is neither a model nor says how to find one */
export function createMeasure<Request extends IncomingMessage>(
  context: MeasureContext,
  model: Model | ModelByRequest<Request>,
  options: MeasureOptions<Request> = {},
): Measure<Request> {
  const { rejections } = context;
  const { firstByte = false, queue = false, requestId = () => undefined } = options;
  const modelFor = isModel(model) ? () => model : modelsByRequest(saysName(model), context);

  function observe(request: Request, response: MeasuredResponse): void {
    const chosen = modelFor(request);
    // Of a caller who has left already, nothing would say that the request ends.
    if (chosen === undefined || response.closed || request.method === 'OPTIONS') return;
    const measured = measuredRequest(chosen, rejections);
    response.locals ??= {};
    response.locals.measured = measured;
    if (!queue) measured.begin();
    if (firstByte) onFirstByte(response, () => measured.token());
    response.on('close', () => {
      const id = measured.closed(request, response) ? idOf(request, response) : undefined;
      if (id !== undefined) chosen.remember(id);
    });
  }

  const idOf = rejections.contain(requestId, undefined, 'failed_callback');
  const observeSafely = rejections.contain(observe, undefined);
  return (request, response, next) => {
    observeSafely(request, response);
    next?.();
  };
}

function isModel(model: unknown): model is Model {
  return typeof (model as Partial<Model> | null | undefined)?.start === 'function';
}

function saysName<Request extends IncomingMessage>(model: ModelByRequest<Request>): ModelByRequest<Request> {
  if (typeof (model as Partial<ModelByRequest> | null | undefined)?.name === 'function') return model;
  throw new TypeError(
    'measure(): give a model of ml.model(), or { name: request => …, version, operation, provider }',
  );
}
