import type { Policy } from '@relaycore/rules';
import { pino } from 'pino';
import { expect, onTestFinished } from 'vitest';
import { ask, startServer } from '../../controller/relay/fixture.ts';
import { createApi } from '../../controller/src/api/app.ts';
import type { GatewayDriver } from '../../controller/src/apply/driver.ts';
import { dryRunDriver } from '../../controller/src/apply/dry-run.ts';
import { createLoop, type Loop } from '../../controller/src/loop.ts';
import type { Prober } from '../../controller/src/read/probes.ts';
import type { Database } from '../../controller/src/record/database.ts';
import { createTelemetry } from '../../controller/src/telemetry.ts';
import { type ManualClock, manualClock } from './manual-clock.ts';
import { noProber, policyOf, type ScriptedReader, scriptedReader } from './scripted-reader.ts';

/** The API of a controller whose time and readings the test makes. */
export interface ApiWorld {
  readonly url: string;
  readonly loop: Loop;
  readonly clock: ManualClock;
  readonly reader: ScriptedReader;
  readonly drivers: Map<string, GatewayDriver>;
  /** Rounds five seconds apart. */
  ticks(count: number): Promise<void>;
  /** Anything that the API is asked. */
  ask(path: string, init?: RequestInit & { headers?: Record<string, string> }): Promise<Response>;
  get(path: string): Promise<Answer>;
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Answer>;
}

export interface Answer {
  readonly status: number;
  readonly type: string | null;
  // The tests look into answers of every kind; what they find is compared, never trusted.
  readonly body: Record<string, unknown> & { readonly [list in Lists]?: Row[] };
}

type Lists = 'events' | 'alerts' | 'proposals' | 'entries' | 'routes';
type Row = Record<string, unknown> & { readonly id: number };

export interface Given {
  readonly database: Database;
  readonly policy: Policy;
  readonly token: string;
  readonly prober: Prober;
  readonly clock: ManualClock;
}

const twoRoutes = policyOf(`
detection: { tick_seconds: 5, ingestion_lag_seconds: 0, hard_down: { failures: 10, seconds: 10 } }
models: { spam-nb: { version: '1' }, spam-lr: { version: '2' }, chat-a: {} }
routes:
  mail-filter: { targets: [spam-nb, spam-lr] }
  chat: { targets: [chat-a] }
`);

export async function startApi({
  database,
  policy = twoRoutes,
  token,
  prober = noProber,
  clock = manualClock(),
}: Partial<Given> & Pick<Given, 'database'>): Promise<ApiWorld> {
  const reader = scriptedReader();
  const log = pino({ level: 'silent' });
  const drivers = new Map(Object.keys(policy.routes).map(name => [name, dryRunDriver()]));
  const telemetry = createTelemetry(() => loop.status());
  const parts = { policy, database, clock, telemetry, log, prober };
  const loop = createLoop({ ...parts, reader, drivers });
  const url = await startServer(createApi({ ...parts, loop, ...(token !== undefined && { token }) }));
  onTestFinished(() => telemetry.close());
  const here: ApiWorld = {
    url,
    loop,
    clock,
    reader,
    drivers,
    async ticks(count) {
      for (let tick = 0; tick < count; tick++) {
        clock.advance(5_000);
        await loop.tick();
      }
    },
    ask: (path, init) => ask(`${url}${path}`, init),
    get: async path => answerOf(await here.ask(path)),
    post: async (path, body, headers) =>
      answerOf(
        await here.ask(path, {
          method: 'POST',
          headers: { 'content-type': 'application/json', ...headers },
          body: typeof body === 'string' ? body : JSON.stringify(body),
        }),
      ),
  };
  return here;
}

export async function answerOf(response: Response): Promise<Answer> {
  const body = (await response.json()) as Answer['body'];
  return { status: response.status, type: response.headers.get('content-type'), body };
}

/** What every refusal has: the kind, what was wrong and the way out (RFC 9457). */
export function expectProblem(
  answer: Answer,
  statusCode: number,
  code: string,
  detail: RegExp | string,
  remedy: RegExp,
): void {
  expect(answer.status).toBe(statusCode);
  expect(answer.type).toMatch(/^application\/problem\+json/);
  expect(answer.body).toMatchObject({
    type: `urn:relaycore:problem:${code}`,
    title: code.replaceAll('_', ' '),
    status: statusCode,
    detail: expect.stringMatching(detail),
    remedy: expect.stringMatching(remedy),
    instance: expect.stringMatching(/^\//),
  });
}
