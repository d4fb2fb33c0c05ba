import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { samplesOf } from '../test/page.ts';
import { feedbackRouter, type Instrumentation, init } from './index.ts';

let ml: Instrumentation;
const servers: Server[] = [];

beforeEach(async () => {
  ml = init({ port: 0, resources: false });
  await ml.ready;
  ml.model({ name: 'chat-1', version: '1', operation: 'chat', provider: 'p' }).remember('first');
  ml.model({ name: 'chat-1', version: '2', operation: 'chat', provider: 'p' }).remember('second');
});

afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.close();
    server.closeAllConnections();
  }
  await ml.shutdown();
});

async function serve(listener: Parameters<typeof createServer>[1]): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/feedback`;
}

async function send(url: string, body: unknown, headers = {}) {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

async function values(name: string): Promise<Record<string, number>> {
  const page = await (await fetch(ml.endpoint!)).text();
  return Object.fromEntries(samplesOf(page, name).map(it => [it.labels.ml_model_version, it.value]));
}

test('a rating goes to the version that answered, once', async () => {
  const url = await serve(express().use(feedbackRouter(ml, { scale: { min: 1, max: 5 } })));
  expect(await send(url, { request_id: 'second', rating: 5 })).toEqual({
    status: 202,
    body: { recorded: true },
  });
  expect(await send(url, { request_id: 'second', rating: 1 })).toEqual({
    status: 202,
    body: { recorded: false },
  });
  expect(await values('ml_feedback_rating_sum')).toEqual({ 1: 0, 2: 1 });
  expect(await values('ml_feedback_rating_count')).toEqual({ 1: 0, 2: 1 });
});

test('a score is a label that arrived late', async () => {
  const url = await serve(express().use(express.json(), feedbackRouter(ml, { names: ['accuracy'] })));
  const sent = await send(url, { request_id: 'first', name: 'accuracy', score: 0 });
  expect(sent.status).toBe(202);
  expect(await values('ml_evaluation_score_count')).toEqual({ 1: 1 });
  const page = await (await fetch(ml.endpoint!)).text();
  expect(samplesOf(page, 'ml_evaluation_score_count')[0]?.labels).toMatchObject({
    evaluation_name: 'accuracy',
    source: 'label',
  });
});

test.each([
  { body: { request_id: 'never', rating: 1 }, status: 404, error: /No request "never" is remembered here/ },
  { body: 'no JSON', status: 400, error: /no JSON object: send \{"request_id"/ },
  { body: '[]', status: 400, error: /request_id has to be a text/ },
  { body: { rating: 1 }, status: 400, error: /request_id has to be a text of 1 to 128/ },
  { body: { request_id: 'first' }, status: 400, error: /either a rating or a score/ },
  { body: { request_id: 'first', rating: 1, score: 1 }, status: 400, error: /either a rating or a score/ },
  { body: { request_id: 'first', rating: 7 }, status: 400, error: /rating has to be a number from 0 to 1/ },
  { body: { request_id: 'first', rating: '1' }, status: 400, error: /rating has to be a number/ },
  {
    body: { request_id: '', score: 2 },
    status: 400,
    error: /request_id .*; score .*; name has to be one of: accuracy/,
  },
  { body: { request_id: 'first', score: 1, name: 'other' }, status: 400, error: /one of: accuracy/ },
  { body: { request_id: 'x'.repeat(20_000) }, status: 413, error: /longer than 16384 bytes/ },
])('$status for $body', async ({ body, status, error }) => {
  const url = await serve(feedbackRouter(ml, { names: ['accuracy'] }));
  const answer = await send(url, body);
  expect(answer.status).toBe(status);
  expect(answer.body.error).toMatch(error);
  expect(await values('ml_feedback_rating_count')).toEqual({ 1: 0, 2: 0 });
});

test('without its token nothing is taken', async () => {
  const url = await serve(feedbackRouter(ml, { bearerToken: 'secret' }));
  const body = { request_id: 'first', rating: 1 };
  expect((await send(url, body)).status).toBe(401);
  expect((await send(url, body, { authorization: 'Bearer public' })).status).toBe(401);
  expect((await send(url, body, { authorization: 'Bearer secret' })).status).toBe(202);
  expect(() => feedbackRouter(ml, { bearerToken: '' })).toThrow('bearerToken is empty');
});

test('what is not for it goes on to the next', async () => {
  const app = express().use(feedbackRouter(ml));
  app.use((_request, response) => void response.status(418).json({}));
  const url = await serve(app);
  expect((await fetch(url)).status).toBe(418);
  expect((await send(`${url}s`, {})).status).toBe(418);
  expect((await fetch(await serve(feedbackRouter(ml)))).status).toBe(404);
});

test('in the process itself, what cannot be recorded is said and not thrown', async () => {
  expect(ml.feedback('first', 4, { min: 1, max: 5 })).toBe('recorded');
  expect(ml.feedback('first', 4, { min: 1, max: 5 })).toBe('repeated');
  expect(ml.feedback('first', 9)).toBe('invalid');
  expect(ml.evaluate('first', 'accuracy', Number.NaN)).toBe('invalid');
  expect(ml.evaluate('nobody', 'accuracy', 1)).toBe('unknown_request');
  expect(ml.evaluate('first', 'accuracy', 1)).toBe('recorded');
});
