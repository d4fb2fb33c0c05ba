import { expect, test } from 'vitest';
import { samplesOf } from '../../test/page.ts';
import { startRecording } from '../../test/recording.ts';
import { createModels } from '../models.ts';
import { libraries } from './libraries.ts';
import type { LibraryContext } from './library.ts';

/* Stand-ins with the shape of the packages; those of test/applications are loaded by a real Node. */

function start() {
  const recording = startRecording();
  const models = createModels({ ...recording, maximumModels: 10 });
  const context: LibraryContext = {
    rejections: recording.rejections,
    modelOf: ({ name = 'unnamed', ...called }) => models({ name, version: '1', ...called }),
  };
  const counted = () =>
    samplesOf(recording.page(), 'ml_server_requests_total')
      .filter(({ value }) => value > 0)
      .map(({ labels, value }) =>
        [labels.gen_ai_request_model, labels.gen_ai_operation_name, labels.outcome, value].join(' '),
      );
  return { context, counted };
}

class InferenceSession {
  readonly inputNames = ['x'];
  static async create(_model: string | Uint8Array): Promise<InferenceSession> {
    return new InferenceSession();
  }
  async run(feeds: { readonly x?: number }): Promise<number> {
    if (feeds.x === undefined) throw new Error("input 'x' is missing in 'feeds'.");
    return feeds.x;
  }
}

test('runs of a session are requests of the model in the file', async () => {
  const { context, counted } = start();
  const exports = { InferenceSession: class extends InferenceSession {} };
  const hooked = libraries['onnxruntime-node'].hook(exports, context);
  expect(hooked?.exports).toBe(exports);
  const session = await exports.InferenceSession.create('/models/spam-v1.onnx');
  expect(session).toBeInstanceOf(InferenceSession);
  expect(await session.run({ x: 2 })).toBe(2);
  await expect(session.run({})).rejects.toThrow('missing');
  await (await exports.InferenceSession.create(new Uint8Array())).run({ x: 1 });
  expect(counted()).toEqual([
    'spam-v1 inference ok 1',
    'spam-v1 inference error 1',
    'unnamed inference ok 1',
  ]);
  hooked?.unhook();
  await (await exports.InferenceSession.create('later.onnx')).run({ x: 1 });
  expect(counted()).toHaveLength(3);
});

test('hooking twice counts once', async () => {
  const { context, counted } = start();
  const exports = { InferenceSession: class extends InferenceSession {} };
  for (const _ of [1, 2]) libraries['onnxruntime-node'].hook(exports, context);
  await (await exports.InferenceSession.create('a.onnx')).run({ x: 1 });
  expect(counted()).toEqual(['a inference ok 1']);
});

class Pipeline {}
type Pipe = ((text: unknown) => Promise<number>) & Pipeline;

/** As the package makes its pipelines: a function with a prototype of its own, which calls its `_call`. */
function createPipeline(session: InferenceSession): Pipe {
  const closure = (text: unknown): Promise<number> => closure._call(text);
  closure._call = async (text: unknown) => session.run({ x: Number(text) });
  return Object.assign(Object.setPrototypeOf(closure, Pipeline.prototype), {
    task: 'text-classification',
    model: { config: { _name_or_path: 'org/from-config' } },
  });
}

test('calls of a pipeline are requests of its model, and its own sessions none', async () => {
  const { context, counted } = start();
  const runtime = { InferenceSession: class extends InferenceSession {} };
  libraries['onnxruntime-node'].hook(runtime, context);
  const pipeline = async (_task: string, _model?: string) =>
    createPipeline(await runtime.InferenceSession.create('inner.onnx'));
  // As bundlers export it: a getter that nobody can change.
  const exports = Object.defineProperty({}, 'pipeline', { get: () => pipeline, enumerable: true });
  const hooked = libraries['@huggingface/transformers'].hook(exports, context)?.exports as {
    pipeline: typeof pipeline;
  };
  const pipe = await hooked.pipeline('text-classification', 'org/sentiment');
  expect(pipe).toBeInstanceOf(Pipeline);
  expect(await pipe('3')).toBe(3);
  await (await hooked.pipeline('text-classification'))('4');
  expect(counted()).toEqual([
    'org/sentiment text-classification ok 1',
    'org/from-config text-classification ok 1',
  ]);
});

test.each(Object.values(libraries))('$name that looks otherwise is left as it is', ({ hook, wrap }) => {
  const { context } = start();
  for (const strange of [undefined, null, 0, {}, () => {}, Object.freeze({ pipeline: 1 })]) {
    expect(hook(strange, context)).toBeUndefined();
    expect(wrap(strange, context)).toBe(false);
  }
});
