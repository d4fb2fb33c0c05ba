import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { init } from '@neuroweaver/instrumentation';
import { learn, mobyDick, wordsOf } from './sentences.ts';

/*
 * A plain server that streams what a text generator says, measured by hand:
 *
 *   PORT=8080 node --conditions=source instrumentation/examples/streaming/server.ts
 */

const generator = learn(mobyDick());
const longestAnswer = 200;

const ml = init({ serviceName: 'moby-dick' });
const model = ml.model({
  name: 'moby-dick',
  version: '1',
  operation: 'text_completion',
  provider: 'example',
});
const checks = model.checks({ sample: 1, empty: true, truncated: true, repetition: true });

const server = createServer((request, response) => void complete(request, response));
server.listen(Number(process.env.PORT ?? 8080), '127.0.0.1');
await Promise.all([once(server, 'listening'), ml.ready]);
const listening = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
console.log(JSON.stringify({ listening, metrics: ml.endpoint }));

async function complete(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const ticket = model.start();
  const asked = await readRequest(request);
  if (asked === undefined) {
    // The caller's mistake says nothing about the model.
    model.fail(ticket, undefined, 'cancelled');
    response.writeHead(400).end('Send {"prompt": "Call me", "words": 40}.\n');
    return;
  }
  model.begin(ticket);
  // Observed in place: the request ends with the stream, and is cancelled if the caller leaves it.
  const words = model.stream(ticket, generator.continue(asked.prompt, asked.words));
  await pipeline(words, said => tee(said, asked), response).catch(() => response.destroy());
}

/** What was said goes on to the caller, and whole to the checks. */
async function* tee(words: AsyncIterable<string>, { prompt, words: longest }: Asked): AsyncGenerator<string> {
  const said: string[] = [];
  for await (const word of words) {
    said.push(word);
    yield word;
  }
  model.tokens({ input: wordsOf(prompt).length, output: said.length });
  checks.observe({ text: said.join(''), finishReason: said.length < longest ? 'stop' : 'length' });
}

interface Asked {
  readonly prompt: string;
  readonly words: number;
}

async function readRequest(request: IncomingMessage): Promise<Asked | undefined> {
  const body = (await json(request).catch(() => undefined)) as Partial<Asked> | undefined | null;
  const { prompt, words = longestAnswer } = body ?? {};
  const isValid = typeof prompt === 'string' && words > 0 && words <= longestAnswer;
  return isValid ? { prompt, words } : undefined;
}
