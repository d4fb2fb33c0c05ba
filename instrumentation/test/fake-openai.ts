import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

export interface FakeOpenai {
  /** As the client's `baseURL`. */
  readonly url: string;
  stop(): void;
}

/**
 * Speaks the protocol of OpenAI. The model says what becomes of a request: `status-429` is answered with that status,
 * `silent` never, `breaks` in the middle of its stream, `endless` without an end, `failed` as a response that failed; any other answers well.
 */
export async function startFakeOpenai(): Promise<FakeOpenai> {
  const server = createServer(async (request, response) => {
    const asked = JSON.parse((await text(request)) || '{}') as Asked;
    const status = /^status-(\d+)$/.exec(asked.model)?.[1];
    if (asked.model === 'silent') return;
    if (status !== undefined) {
      response.writeHead(Number(status)).end('{"error":{"message":"as asked for"}}');
    } else if (asked.stream) sendEvents(response, asked, request.url === '/v1/responses');
    else sendJson(response, answerTo(request.url, asked));
  });
  // Beyond any pause of a test, or a connection is closed at the moment at which the client takes it again.
  server.keepAliveTimeout = 600_000;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    stop() {
      server.close();
      server.closeAllConnections();
    },
  };
}

interface Asked {
  readonly model: string;
  readonly stream?: boolean;
}

const chatUsage = { prompt_tokens: 2, completion_tokens: 4, total_tokens: 6 };
const responseUsage = { input_tokens: 2, output_tokens: 4, total_tokens: 6 };

function answerTo(url: string | undefined, { model }: Asked): object {
  switch (url) {
    case '/v1/responses':
      return { object: 'response', status: statusOf(model), model, output: [], usage: responseUsage };
    case '/v1/embeddings':
      return { model, data: [{ index: 0, embedding: [1, 2] }], usage: { prompt_tokens: 3, total_tokens: 3 } };
    default:
      return { model, choices: [{ index: 0, message: { content: 'hello' } }], usage: chatUsage };
  }
}

function statusOf(model: string): string {
  return model === 'failed' ? 'failed' : 'completed';
}

function sendJson(response: ServerResponse, value: object): void {
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify(value));
}

function sendEvents(response: ServerResponse, { model }: Asked, isResponse: boolean): void {
  response.setHeader('content-type', 'text/event-stream');
  const [first, ...others] = isResponse ? responseEvents(model) : chatChunks;
  const line = (event: unknown) => `data: ${JSON.stringify(event)}\n\n`;
  if (model === 'breaks') return void response.write(line(first), () => response.destroy());
  response.write(line(first));
  for (const event of others) response.write(line(event));
  if (model !== 'endless') response.end('data: [DONE]\n\n');
}

const chatChunks = [
  { choices: [{ index: 0, delta: { role: 'assistant' } }] },
  { choices: [{ index: 0, delta: { content: 'hel' } }] },
  { choices: [{ index: 0, delta: { content: 'lo' }, finish_reason: 'stop' }] },
  { choices: [], usage: chatUsage },
];

function responseEvents(model: string): readonly object[] {
  return [
    { type: 'response.created', response: { usage: null } },
    { type: 'response.output_text.delta', delta: 'hel' },
    { type: 'response.output_text.delta', delta: 'lo' },
    { type: `response.${statusOf(model)}`, response: { status: statusOf(model), usage: responseUsage } },
  ];
}
