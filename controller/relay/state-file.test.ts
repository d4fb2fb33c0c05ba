import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { putRoute, startGateway, targetsAt, temporaryFolder } from './fixture.ts';

const targets = targetsAt('http://127.0.0.1:1', 'http://127.0.0.1:2', 'http://127.0.0.1:3');
const routes = { mail: { targets }, chat: { targets } };
const kept = {
  weights: { a: 1_000, b: 9_000, c: 0 },
  generation: 7,
  updated_at: null,
  updated_by: null,
  reason: 'r',
};

test('a change is in the file when it is answered, and a restarted gateway goes on with it', async () => {
  const stateFile = join(temporaryFolder(), 'deep', 'routes.json');
  const first = await startGateway({ routes, stateFile });
  const change = { weights: { b: 10_000 }, generation: 4, reason: 'a is slow', updated_by: 'controller' };
  await putRoute(first.url, 'mail', change);
  expect(JSON.parse(readFileSync(stateFile, 'utf8')).routes.mail.generation).toBe(4);
  expect(readdirSync(dirname(stateFile))).toEqual(['routes.json']);

  const second = await startGateway({ routes, stateFile });
  expect(second.relay.state('mail')).toEqual(first.relay.state('mail'));
  expect(second.relay.pick('mail').model).toBe('b');
  expect(second.relay.state('chat').generation).toBe(0);
  expect(second.events.map(event => event.kind)).toEqual(['state restored', 'state restored']);
});

test('a first start has no file, no warning, and everything on the first target', async () => {
  const { relay, events } = await startGateway({ routes });
  expect(relay.state('mail')).toMatchObject({
    weights: { a: 10_000, b: 0, c: 0 },
    generation: 0,
    updatedAt: null,
  });
  expect(events).toEqual([]);
});

test.each([
  ['a half-written file', JSON.stringify({ routes: { mail: kept } }).slice(0, -20), 'cannot be used'],
  ['an empty file', '', 'cannot be used'],
  ['a file of something else', '[1, 2]', 'it has no "routes" object'],
  ['weights that do not sum', keptWith({ weights: { a: 1, b: 2 } }), 'sum to 3'],
  ['a target that is gone', keptWith({ weights: { z: 10_000 } }), 'weights.z no target of this route'],
  ['a broken generation', keptWith({ generation: '7' }), 'generation must be a whole number'],
])('%s gives a warning and the initial weights', async (_name, content, warning) => {
  const stateFile = join(temporaryFolder(), 'routes.json');
  writeFileSync(stateFile, content);
  const { relay, events } = await startGateway({ routes, stateFile });
  expect(relay.state('mail')).toMatchObject({ weights: { a: 10_000, b: 0, c: 0 }, generation: 0 });
  expect(events).toMatchObject([{ kind: 'state unusable', level: 'warning' }]);
  expect(events[0]?.message).toContain(warning);
  expect(events[0]?.message).toContain(stateFile);
});

test('a bad route does not take a good one with it', async () => {
  const stateFile = join(temporaryFolder(), 'routes.json');
  writeFileSync(stateFile, JSON.stringify({ routes: { mail: kept, chat: null, gone: kept } }));
  const { relay, events } = await startGateway({ routes, stateFile });
  expect(relay.state('mail').weights).toEqual(kept.weights);
  expect(events.filter(event => event.kind === 'state unusable')).toHaveLength(2);
});

test('a target that left without any weight is forgotten, a new one starts with none', async () => {
  const stateFile = join(temporaryFolder(), 'routes.json');
  writeFileSync(stateFile, keptWith({ weights: { a: 1_000, b: 9_000, retired: 0 } }));
  const { relay, events } = await startGateway({ routes, stateFile });
  expect(relay.state('mail').weights).toEqual({ a: 1_000, b: 9_000, c: 0 });
  expect(events.map(event => event.kind)).toEqual(['state restored']);
});

test('what a crash left beside the file is overwritten', async () => {
  const stateFile = join(temporaryFolder(), 'routes.json');
  writeFileSync(stateFile, JSON.stringify({ routes: { mail: kept } }));
  writeFileSync(`${stateFile}.new`, '{"routes":{"mail":{"weig');
  const { url, relay } = await startGateway({ routes, stateFile });
  expect(relay.state('mail').generation).toBe(7);
  await putRoute(url, 'mail', { weights: { c: 10_000 }, generation: 8, reason: 'r' });
  expect(JSON.parse(readFileSync(stateFile, 'utf8')).routes.mail.weights.c).toBe(10_000);
  expect(existsSync(`${stateFile}.new`)).toBe(false);
});

function keptWith(part: object): string {
  return JSON.stringify({ routes: { mail: { ...kept, ...part } } });
}
