import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { feedbackRouter, init, type MeasuredRequest } from '@neuroweaver/instrumentation';
import express, { type Request, type Response } from 'express';
import { env, InferenceSession, Tensor } from 'onnxruntime-web';
import { trainOnFlowers } from './flowers.ts';
import { onnxFile } from './onnx.ts';

/*
 * An Express server with an ONNX model, measured in one line: which iris is it?
 *
 *   PORT=8080 node --conditions=source instrumentation/examples/express-onnx/server.ts
 */

const { classifier, species, heldBackAccuracy } = trainOnFlowers();
env.wasm.numThreads = 1;
const session = await InferenceSession.create(onnxFile(classifier));

const ml = init({ serviceName: 'iris' });
const model = ml.model({ name: 'iris', version: '1', operation: 'classify', provider: 'example' });

const app = express();
app.use('/v1/classify', ml.measure(model, { queue: true, requestId: idOf }));
app.post('/v1/classify', express.json(), classify);
app.use(feedbackRouter(ml, { names: ['accuracy'], scale: { min: 1, max: 5 } }));

const server = app.listen(Number(process.env.PORT ?? 8080), '127.0.0.1');
await Promise.all([once(server, 'listening'), ml.ready]);
const listening = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
console.log(JSON.stringify({ listening, metrics: ml.endpoint, heldBackAccuracy }));

async function classify(request: Request, response: Response): Promise<void> {
  const lengths = request.body?.lengths;
  if (!isFlower(lengths)) {
    response
      .status(400)
      .json({ error: 'Send {"lengths": [sepal length, sepal width, petal length, petal width]}, in cm.' });
    return;
  }
  const { measured } = response.locals as { measured: MeasuredRequest };
  measured.begin();
  const { probabilities } = await session.run({ features: new Tensor('float32', lengths, [1, 4]) });
  const [...shares] = probabilities!.data as Float32Array;
  response.setHeader('x-request-id', randomUUID());
  response.json({ species: species[shares.indexOf(Math.max(...shares))], probabilities: shares });
}

function isFlower(lengths: unknown): lengths is number[] {
  return Array.isArray(lengths) && lengths.length === 4 && lengths.every(length => length > 0);
}

/** Who sends feedback shows the id that came with the answer. */
function idOf(_: Request, response: ServerResponse): string {
  return `${response.getHeader('x-request-id')}`;
}
