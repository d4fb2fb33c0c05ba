import { describe, expect, test } from 'vitest';
import { binomial, seeded } from '../../../test/sim/random.ts';
import { policyOf } from '../../../test/support/scripted-reader.ts';
import type { Readings, RouteState, SignalReadings, Weights } from '../types.ts';
import { type Confirmation, type ConfirmInput, confirmRoutes, type Followed } from './confirm.ts';

const driver = "driver: { kind: relaycore, url: 'http://127.0.0.1:1' }";
const policy = policyOf(`
models: { a: { endpoint: 'http://127.0.0.1:2' }, b: {}, c: {}, d: {}, e: {} }
routes:
  mail: { targets: [a, b], ${driver} }
  chat: { targets: [c, d], ${driver} }
  search: { targets: [d, c], ${driver} }
  idle: { targets: [e] }
`);

interface Tick {
  readonly requests?: Readonly<Record<string, number>>;
  readonly failed?: Readonly<Record<string, number>>;
  readonly copies?: Readonly<Record<string, number>>;
  readonly vantage?: 'gateway' | 'server';
}

/** Ticks of five seconds on one route whose gateway holds what it was told. */
function following(weights: Weights, route = 'mail', others: Readonly<Record<string, Weights>> = {}) {
  let remembered: ReadonlyMap<string, Followed> = new Map();
  let at = 0;
  let generation = 1;
  const ticks = (count: number, tick: Tick, change: Partial<ConfirmInput> = {}): Confirmation => {
    for (let i = 0; i < count; i++) {
      at += 5_000;
      remembered = confirmRoutes(remembered, {
        policy,
        states: new Map(
          Object.entries({ ...others, [route]: weights }).map(([name, held]) => [name, state(name, held)]),
        ),
        gateways: new Map([[route, { kind: 'converged', changed: false }]]),
        readings: readings(at, tick),
        ...change,
      });
    }
    return remembered.get(route)!.confirmation;
  };
  const state = (name: string, held: Weights): RouteState => ({
    route: name,
    generation,
    weights: held,
    phase: { kind: 'primary', since: 0 },
    backoff: { level: 0 },
    updatedAt: 0,
  });
  ticks(1, {});
  return { ticks, now: () => at, change: () => (generation += 1) };
}

function readings(
  at: number,
  { requests = {}, failed = {}, copies = {}, vantage = 'gateway' }: Tick,
): Readings {
  const counted = (model: string): SignalReadings => {
    const bad = failed[model] ?? 0;
    const observed = [
      { badness: 0, count: (requests[model] ?? 0) - bad },
      { badness: 1, count: bad },
    ];
    const absent = { kind: 'absent', reason: 'nobody' } as const;
    const success = { kind: 'counts', vantage, levels: { warning: observed, critical: observed } } as const;
    return { success, latency: absent, accuracy: absent, feedback: absent };
  };
  return {
    at,
    models: new Map(['a', 'b', 'c', 'd'].map(model => [model, counted(model)])),
    copies: new Map(Object.entries(copies)),
    queries: {},
    resources: new Map(),
  };
}

const all = { a: 10_000, b: 0 };

describe('confirmed', () => {
  test('ten requests are enough where one target should get them all', () => {
    const mail = following(all);
    expect(mail.ticks(1, { requests: { a: 9 } })).toEqual({
      kind: 'pending',
      detail: '9 of 10 requests seen so far',
    });
    expect(mail.ticks(1, { requests: { a: 1 } })).toEqual({ kind: 'confirmed', since: mail.now() });
  });

  test('a small share takes more of them, and then it is told', () => {
    const mail = following({ a: 500, b: 9500 });
    expect(mail.ticks(13, { requests: { a: 3, b: 47 } })).toMatchObject({ kind: 'pending' });
    expect(mail.ticks(1, { requests: { a: 3, b: 47 } })).toEqual({ kind: 'confirmed', since: mail.now() });
  });

  test('what old requests said at first is forgotten', () => {
    const mail = following(all);
    expect(mail.ticks(1, { requests: { a: 10, b: 40 } })).toEqual({
      kind: 'pending',
      detail: 'a should get 100 %, and got 20 % of 50 requests',
    });
    expect(mail.ticks(1, { requests: { a: 50 } })).toMatchObject({ kind: 'confirmed' });
  });

  test('it stays so without requests, and begins anew with the next generation', () => {
    const mail = following(all);
    mail.ticks(1, { requests: { a: 50 } });
    const since = mail.now();
    expect(mail.ticks(100, {})).toEqual({ kind: 'confirmed', since });
    mail.change();
    expect(mail.ticks(1, { requests: { a: 50 } })).toEqual({ kind: 'pending', detail: 'told just now' });
  });

  test('a share that is clearly another one is not confirmed, and nobody is accused', () => {
    const mail = following({ a: 5000, b: 5000 });
    expect(mail.ticks(30, { requests: { a: 35, b: 15 } })).toMatchObject({
      kind: 'pending',
      detail: expect.stringMatching(/^. should get 50 %, and got [37]0 % of \d+ requests$/),
    });
  });

  test('five points off are nobody’s fault', () => {
    expect(following({ a: 5000, b: 5000 }).ticks(200, { requests: { a: 27, b: 23 } })).toMatchObject({
      kind: 'confirmed',
    });
  });
});

describe('not followed', () => {
  test('a target that should get nothing gets some, half a minute later', () => {
    const mail = following(all);
    expect(mail.ticks(6, { requests: { a: 26, b: 24 } })).toMatchObject({ kind: 'pending' });
    expect(mail.ticks(1, { requests: { a: 26, b: 24 } })).toEqual({
      kind: 'not_followed',
      since: mail.now(),
      detail: 'the gateway says 0 % for b, which got 48 % of the requests in the last minute',
    });
    const since = mail.now();
    expect(mail.ticks(20, { requests: { a: 26, b: 24 } })).toMatchObject({ since });
  });

  test('a few requests are enough when all of them go wrong', () => {
    const mail = following(all);
    expect(mail.ticks(30, { requests: { b: 1 } })).toMatchObject({ kind: 'not_followed' });
  });

  test.each([
    ['stragglers', { requests: { a: 49, b: 1 } }],
    ['second attempts after a failure', { requests: { a: 40, b: 10 }, failed: { a: 10 } }],
    ['shadow copies', { requests: { a: 40, b: 10 }, copies: { b: 10 } }],
  ] as const)('%s are no reason', (_what, tick) => {
    expect(following(all).ticks(60, tick).kind).not.toBe('not_followed');
  });

  test('the controller’s own probes are not taken for callers, at a server that counts them', () => {
    const mail = following({ a: 0, b: 10_000 });
    const probed = (tick: number) => ({ requests: { a: tick % 2, b: 2 }, vantage: 'server' as const });
    for (let tick = 0; tick < 60; tick++) expect(mail.ticks(1, probed(tick)).kind).not.toBe('not_followed');
  });

  test('what is tolerated is not accused by chance, in hours of it', () => {
    const mail = following(all);
    const random = seeded('chance');
    const seen = new Set<string>();
    for (let tick = 0; tick < 4000; tick++) {
      const b = binomial(random, 20, 0.05);
      seen.add(mail.ticks(1, { requests: { a: 20 - b, b } }).kind);
    }
    expect(seen).toEqual(new Set(['confirmed']));
  });
});

describe('cannot be told', () => {
  test('of models that another route sends traffic to', () => {
    const chat = following({ c: 10_000, d: 0 }, 'chat', { search: { d: 10_000, c: 0 } });
    expect(chat.ticks(9, { requests: { c: 50, d: 50 } })).toEqual({
      kind: 'untold',
      detail: 'd serves search as well',
    });
  });

  test('of a model that another route has without traffic nobody is accused', () => {
    const chat = following({ c: 10_000, d: 0 }, 'chat', { search: { d: 0, c: 0 } });
    expect(chat.ticks(30, { requests: { c: 25, d: 25 } }).kind).toBe('pending');
  });

  test('of a dry run', () => {
    expect(following({ e: 10_000 }, 'idle').ticks(1, { requests: { a: 50 } })).toMatchObject({
      kind: 'untold',
      detail: 'a dry run sends nobody anywhere',
    });
  });
});

test('while the gateway does not hold it, or nothing can be read, nothing is said', () => {
  const mail = following(all);
  expect(
    mail.ticks(
      1,
      { requests: { a: 50 } },
      { gateways: new Map([['mail', { kind: 'open', detail: 'refused' }]]) },
    ),
  ).toMatchObject({ kind: 'pending', detail: 'the gateway does not hold them yet' });
  mail.ticks(2, { requests: { a: 50 } });
  const unread = { ...readings(0, {}), problem: 'Prometheus did not answer' };
  expect(mail.ticks(9, {}, { readings: unread })).toMatchObject({ kind: 'confirmed' });
});
