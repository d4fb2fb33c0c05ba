const { createServer } = require('node:http');
const { json } = require('node:stream/consumers');

/*
 * A small model server that knows nothing of metrics: it scores how pleased a text sounds, by a list of words.
 *
 *   POST /v1/sentiment {"text": "…"}  →  {"sentiment": 0.75}, from 0 (displeased) to 1
 */

const weights = new Map([
  ...['good', 'great', 'love', 'thanks', 'happy', 'works', 'fast'].map(word => [word, 1]),
  ...['bad', 'broken', 'hate', 'slow', 'angry', 'refund', 'worse'].map(word => [word, -1]),
]);

const server = createServer(async (request, response) => {
  try {
    const [status, answer] = await route(request);
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
  } catch (error) {
    response.writeHead(500).end(String(error));
  }
});

async function route(request) {
  if (request.url === '/healthz') return [200, { status: 'ok' }];
  if (request.method !== 'POST' || request.url !== '/v1/sentiment') return [404, { error: 'no such path' }];
  const body = await json(request).catch(() => undefined);
  if (typeof body?.text !== 'string') return [400, { error: 'send {"text": "…"}' }];
  return [200, { sentiment: sentimentOf(body.text) }];
}

function sentimentOf(text) {
  const words = text.toLowerCase().match(/\p{L}+/gu) ?? [];
  const sum = words.reduce((total, word) => total + (weights.get(word) ?? 0), 0);
  return 1 / (1 + Math.exp(-sum));
}

server.listen(Number(process.env.PORT ?? 8080), '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${server.address().port}`);
});
