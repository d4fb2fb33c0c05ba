import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, expect, it, vi } from 'vitest';
import { type Client, type ClientOptions, startClient } from './client.ts';
import type { Mail } from './mail/corpus.ts';
import type { Population } from './mail/population.ts';

const early = population('easy-ham-1', 'spam-1');
const shifted = population('hard-ham-1', 'spam-2');
const stops: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

it('asks at its rate and accounts for every request', async () => {
  const gateway = await startGateway();
  const client = start({ gatewayUrl: gateway.url, ratePerSecond: 200 });
  const startedAt = performance.now();
  await until(() => client.statistics().sent >= 100);
  const seconds = (performance.now() - startedAt) / 1000;
  await client.stop();
  const { sent, answered, correct, failed, lost } = client.statistics();
  expect({ answered, failed, lost }).toEqual({ answered: sent, failed: 0, lost: 0 });
  expect(correct).toBe(sent);
  expect(seconds).toBeGreaterThan(0.45);
  expect(gateway.requests.length).toBe(sent);
  expect(client.between(0, Date.now() + 1_000).servedBy).toEqual({ 'spam-v1': sent });
});

it('tells a bad answer from no answer', async () => {
  let count = 0;
  const gateway = await startGateway((_mail, response) => {
    count += 1;
    if (count % 3 === 0) response.writeHead(503).end();
    else if (count % 3 === 1) response.end('no JSON');
    else response.destroy();
  });
  const client = start({ gatewayUrl: gateway.url });
  await until(() => client.statistics().sent >= 30);
  await client.stop();
  const { sent, answered, failed, lost } = client.statistics();
  expect(answered).toBe(0);
  expect(failed + lost).toBe(sent);
  expect(lost).toBe(Math.floor((sent + 1) / 3));
});

it('does not slow down with the gateway, and waits for its answers at the end', async () => {
  const held: ServerResponse[] = [];
  const gateway = await startGateway((_mail, response) => held.push(response));
  const client = start({ gatewayUrl: gateway.url });
  await until(() => held.length >= 50);
  const stopped = client.stop();
  expect(client.statistics().answered).toBe(0);
  await until(() => held.length === client.statistics().sent);
  for (const response of held) response.end('{"spam":true}');
  await stopped;
  expect(client.statistics().answered).toBe(held.length);
});

it('counts requests to a gateway that is gone as lost', async () => {
  const gateway = await startGateway();
  await gateway.close();
  const client = start({ gatewayUrl: gateway.url });
  await until(() => client.statistics().lost >= 10);
});

it('sends the mail of the population that it is told, the same for the same seed', async () => {
  const groupsSeen = async (seed: number) => {
    const gateway = await startGateway();
    const client = start({ gatewayUrl: gateway.url, seed });
    await until(() => gateway.requests.length >= 20);
    const earlyCount = client.statistics().sent;
    client.population('shifted');
    await until(() => client.statistics().sent >= earlyCount + 20);
    await client.stop();
    const groups = gateway.requests.map(({ id }) => id.split('/')[0]!);
    return { before: groups.slice(0, earlyCount), after: groups.slice(earlyCount) };
  };
  const [one, two] = [await groupsSeen(1), await groupsSeen(1)];
  expect(new Set(one.before)).toEqual(new Set(['easy-ham-1', 'spam-1']));
  expect(new Set(one.after)).toEqual(new Set(['hard-ham-1', 'spam-2']));
  expect(two.before.slice(0, 20)).toEqual(one.before.slice(0, 20));
});

it('sends each true label to the model that answered, not before its delay', async () => {
  const labels: { id: string; spam: boolean }[] = [];
  let firstLabelAt = 0;
  const model = await listen(async (request, response) => {
    firstLabelAt ||= performance.now();
    labels.push(...(JSON.parse(await text(request)) as typeof labels));
    response.end('{}');
  });
  const gateway = await startGateway();
  const startedAt = performance.now();
  const client = start({
    gatewayUrl: gateway.url,
    labelDelayMs: 300,
    labelUrls: { 'spam-v1': `${model.url}/labels` },
  });
  await until(() => client.statistics().labelsSent >= 20);
  expect(firstLabelAt - startedAt).toBeGreaterThanOrEqual(300);
  expect(client.statistics().labelsLost).toBe(0);
  for (const { id, spam } of labels) expect(spam).toBe(id.startsWith('spam'));
  const asked = new Set(gateway.requests.map(({ id }) => id));
  expect(labels.every(({ id }) => asked.has(id))).toBe(true);
  expect(new Set(labels.map(({ id }) => id)).size).toBe(labels.length);
});

it('counts the labels that nobody takes', async () => {
  const gone = await startGateway();
  await gone.close();
  const gateway = await startGateway();
  for (const labelUrls of [{ 'spam-v1': gone.url }, { 'spam-v2': gateway.url }]) {
    const client = start({ gatewayUrl: gateway.url, labelUrls });
    await until(() => client.statistics().labelsLost >= 10);
    expect(client.statistics().labelsSent).toBe(0);
    await client.stop();
  }
});

function start(options: Partial<ClientOptions> & { gatewayUrl: string }): Client {
  const client = startClient({
    mail: { early, shifted },
    ratePerSecond: 200,
    labelDelayMs: 0,
    labelUrls: {},
    seed: 1,
    ...options,
  });
  stops.push(() => client.stop());
  return client;
}

interface Asked {
  readonly id: string;
  readonly text: string;
}

/** Answers what the mail says it is, unless told otherwise. */
async function startGateway(answer: (mail: Asked, response: ServerResponse) => void = answerTruly) {
  const requests: Asked[] = [];
  const server = await listen(async (request, response) => {
    expect(request.url).toBe('/mail-filter/classify');
    const mail = JSON.parse(await text(request)) as Asked;
    requests.push(mail);
    response.setHeader('x-relaycore-target', 'spam-v1');
    answer(mail, response);
  });
  return { ...server, requests };
}

function answerTruly({ text }: Asked, response: ServerResponse): void {
  response.end(JSON.stringify({ spam: text === 'spam' }));
}

async function listen(handle: (request: IncomingMessage, response: ServerResponse) => Promise<void>) {
  const server: Server = createServer((request, response) => void handle(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = async () => {
    if (!server.listening) return;
    server.close();
    server.closeAllConnections();
    await once(server, 'close');
  };
  stops.push(close);
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close };
}

function population(ham: 'easy-ham-1' | 'hard-ham-1', spam: 'spam-1' | 'spam-2'): Population {
  const mail: Mail[] = [
    { id: `${ham}/1`, group: ham, spam: false, text: 'ham' },
    { id: `${spam}/1`, group: spam, spam: true, text: 'spam' },
  ];
  return [{ share: 1, mail }];
}

function until(condition: () => boolean): Promise<void> {
  return vi.waitUntil(condition, { timeout: 10_000, interval: 5 }).then(() => undefined);
}
