import { readFile, stat, utimes, writeFile } from 'node:fs/promises';
import { FlagdCore } from '@openfeature/flagd-core';
import { createClient } from '@redis/client';
import { describe, expect, onTestFinished, test } from 'vitest';
import { documentDriver } from './document.ts';
import type { Desired } from './driver.ts';
import { documentFile, kill, portOf, startRedisServer } from './fixture.ts';
import { reconcile } from './reconcile.ts';

/* What is the documents' own; what all drivers promise is in drivers.test.ts. */

const route = 'mail-filter';
const desired: Desired = { weights: { a: 500, b: 9_500, c: 0 }, generation: 5, reason: 'a may prove itself' };
const toB: Desired = { weights: { a: 0, b: 10_000, c: 0 }, generation: 6, reason: 'a fails' };
const soon = () => AbortSignal.timeout(2_000);
const look = (driver: ReturnType<typeof documentDriver>, wanted = desired) =>
  reconcile(driver, route, wanted, { tell: false, timeoutMs: 1_000 });

/** A driver for a file that holds this text already. */
async function onFile(text?: string) {
  const file = documentFile();
  if (text !== undefined) await writeFile(file, text);
  const driver = documentDriver({ file, prefix: '' });
  return { file, driver, flags: async () => JSON.parse(await readFile(file, 'utf8')).flags };
}

test('the document is a flag definition', async () => {
  const { driver, file } = await onFile();
  await driver.apply(route, desired, soon());
  expect(await readFile(file, 'utf8')).toBe(`{
  "$schema": "https://flagd.dev/schema/v0/flags.json",
  "flags": {
    "mail-filter": {
      "state": "ENABLED",
      "variants": {
        "a": "a",
        "b": "b",
        "c": "c"
      },
      "defaultVariant": "b",
      "targeting": {
        "fractional": [
          [
            "a",
            5
          ],
          [
            "b",
            95
          ]
        ]
      },
      "metadata": {
        "generation": 5,
        "reason": "a may prove itself"
      }
    }
  }
}
`);
});

describe('what flagd’s own evaluator makes of it', () => {
  const asked = 20_000;
  test.each<[string, Desired['weights'], Record<string, number>]>([
    ['5 to 95', desired.weights, { a: 0.05, b: 0.95 }],
    ['everything to one', toB.weights, { b: 1 }],
    ['basis points', { a: 55, b: 9_900, c: 45 }, { a: 0.0055, b: 0.99, c: 0.0045 }],
  ])('%s', async (_, weights, shares) => {
    const { driver, file } = await onFile();
    await driver.apply(route, { ...desired, weights }, soon());
    const flagd = new FlagdCore();
    flagd.setConfigurations(await readFile(file, 'utf8'));
    const counts = new Map<string, number>();
    for (let i = 0; i < asked; i++) {
      const { value } = flagd.resolveStringEvaluation(route, 'none', { targetingKey: `user-${i}` });
      counts.set(value, (counts.get(value) ?? 0) + 1);
    }
    expect([...counts.keys()].sort()).toEqual(Object.keys(shares));
    for (const [model, share] of Object.entries(shares)) {
      const deviation = Math.sqrt((share * (1 - share)) / asked);
      expect(Math.abs(counts.get(model)! / asked - share)).toBeLessThanOrEqual(5 * deviation);
    }
  });

  test('a caller without a key gets the target with the largest share', async () => {
    const { driver, file } = await onFile();
    await driver.apply(route, desired, soon());
    const flagd = new FlagdCore();
    flagd.setConfigurations(await readFile(file, 'utf8'));
    expect(flagd.resolveStringEvaluation(route, 'none', {}).value).toBe('b');
  });
});

describe('what else stands in the file', () => {
  const others = `{
    "flags" : {
        "new-colour": { "state": "ENABLED", "variants": { "on": 1.0, "big": 12345678901234567890 },
                        "defaultVariant": "on", "metadata": {"owner": "caf\\u00e9"} },
        "empty": {"state":"DISABLED","variants":{}}
    },
    "$evaluators": { "x": { "in": [ "a", { "var": "b" } ] } }
}
`;

  test('stays as it is, to the byte', async () => {
    const { driver, file, flags } = await onFile(others);
    expect(await driver.apply(route, desired, soon())).toEqual({ kind: 'applied' });
    expect(await driver.apply(route, toB, soon())).toEqual({ kind: 'applied' });
    expect(Object.keys(await flags())).toEqual(['new-colour', 'empty', route]);
    const text = await readFile(file, 'utf8');
    for (const line of others.split('\n').filter(line => /colour|owner|evaluators/.test(line)))
      expect(text).toContain(line);
  });

  test('in the flag itself stays, also what its variants stand for', async () => {
    const variants = { a: { url: 'http://1' }, b: { url: 'http://2' }, c: { url: 'http://3' } };
    const flag = { state: 'ENABLED', variants, defaultVariant: 'a', metadata: { owner: 'mail' } };
    const { driver, flags } = await onFile(JSON.stringify({ flags: { [route]: flag } }));
    expect(await driver.read(route, soon())).toEqual({ weights: { a: 10_000, b: 0, c: 0 } });
    expect(await driver.apply(route, desired, soon())).toEqual({ kind: 'applied' });
    expect((await flags())[route]).toMatchObject({ variants, metadata: { owner: 'mail', generation: 5 } });
  });

  test('keeps the permissions of the file', async () => {
    const { driver, file } = await onFile(others);
    const { mode } = await stat(file);
    await driver.apply(route, desired, soon());
    expect((await stat(file)).mode).toBe(mode);
  });
});

describe('refused, with what to do:', () => {
  const flag = (more: object) => JSON.stringify({ flags: { [route]: { state: 'ENABLED', ...more } } });
  test.each([
    ['a file that is not JSON', '{ "flags": {', /is not JSON; correct it/],
    ['flags in a list', '{ "flags": [] }', /has no "flags" by name/],
    [
      'rules of somebody else',
      flag({ variants: { a: 'a' }, targeting: { if: [true, 'a', 'b'] } }),
      /is none of weights; give it another name, or take its targeting away/,
    ],
    [
      'a variant whose value only people know',
      flag({ variants: { a: { url: 'http://1' }, b: { url: 'http://2' } } }),
      /has no variant "c"; it has: a, b. Add it with its value/,
    ],
  ])('%s', async (_, text, message) => {
    const { driver, file } = await onFile(text);
    const result = await driver.apply(route, desired, soon());
    expect(result).toEqual({ kind: 'rejected', detail: expect.stringMatching(message) });
    expect(result).toMatchObject({ detail: expect.stringContaining(file) });
    expect(await readFile(file, 'utf8')).toBe(text);
  });

  test('a folder that is not there', async () => {
    const driver = documentDriver({ file: '/nonexistent/routes.json', prefix: '' });
    expect(await driver.apply(route, desired, soon())).toMatchObject({
      kind: 'unknown',
      detail: expect.stringContaining('/nonexistent/routes.json'),
    });
  });
});

test('a flag that somebody disabled says so, and stays disabled until the next change', async () => {
  const { driver, file } = await onFile();
  await driver.apply(route, desired, soon());
  await writeFile(file, (await readFile(file, 'utf8')).replace('ENABLED', 'DISABLED'));
  expect(await look(driver)).toMatchObject({ kind: 'conflict' });
  expect(await look(driver, toB)).toEqual({ kind: 'converged', changed: true });
});

test('a lock that a dead process left behind is broken', async () => {
  const { driver, file } = await onFile();
  await writeFile(`${file}.lock`, '');
  expect(await driver.apply(route, desired, AbortSignal.timeout(100))).toMatchObject({ kind: 'unknown' });
  await utimes(`${file}.lock`, 0, 0);
  expect(await driver.apply(route, desired, soon())).toEqual({ kind: 'applied' });
});

test('routes of one file, changed by many at once, all arrive', async () => {
  const { file, flags } = await onFile();
  const names = Array.from({ length: 12 }, (_, i) => `route-${i}`);
  const results = await Promise.all(
    names.map(name => documentDriver({ file, prefix: '' }).apply(name, desired, soon())),
  );
  expect(new Set(results.map(({ kind }) => kind))).toEqual(new Set(['applied']));
  expect(Object.keys(await flags()).sort()).toEqual(names.sort());
});

describe('Redis', () => {
  const driverAt = (url: string) => documentDriver({ redis: url, prefix: 'route:' });

  test('publishes each change on the channel of the key', async () => {
    const { url } = await startRedisServer();
    const gateway = await createClient({ url }).connect();
    onTestFinished(() => gateway.destroy());
    const heard: string[] = [];
    await gateway.pSubscribe('route:*', (text, channel) => heard.push(`${channel} ${text}`));
    const driver = driverAt(url);
    for (const each of [desired, desired, toB]) await driver.apply(route, each, soon());
    const generations = () => heard.map(each => /"generation": (\d+)/.exec(each)?.[1]);
    await expect.poll(generations, { timeout: 5_000 }).toEqual(['5', '6']);
    expect(heard[1]).toMatch(/^route:mail-filter \{/);
  });

  test('that was killed and came back empty is told again', async () => {
    const first = await startRedisServer();
    const driver = driverAt(first.url);
    expect(await look(driver)).toEqual({ kind: 'converged', changed: true });
    await kill(first);
    expect(await look(driver)).toMatchObject({
      kind: 'open',
      detail: expect.stringContaining('ECONNREFUSED'),
    });
    await startRedisServer(portOf(first));
    expect(await look(driver)).toEqual({ kind: 'converged', changed: true });
    expect(await look(driver)).toEqual({ kind: 'converged', changed: false });
  });

  test('that wants another password says so, and the password is not in it', async () => {
    const { url } = await startRedisServer(undefined, 'requirepass right\n');
    const right = url.replace('//', '//:right@');
    expect(await driverAt(right).apply(route, desired, soon())).toEqual({ kind: 'applied' });
    const result = await driverAt(url.replace('//', '//:s3cret@')).apply(route, toB, soon());
    expect(result).toMatchObject({ kind: 'unknown', detail: expect.stringContaining('WRONGPASS') });
    expect(result).not.toMatchObject({ detail: expect.stringContaining('s3cret') });
  });
});
