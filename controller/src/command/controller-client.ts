import { randomUUID } from 'node:crypto';
import { type Command, Option } from 'commander';
import { messageOf } from '../errors.ts';
import { Ended, exits } from './exit.ts';

/** What every command that asks a controller takes. */
export interface ControllerOptions {
  readonly controller: string;
  readonly token?: string;
  readonly json?: boolean;
}

export function asksController(command: Command): Command {
  return command
    .addOption(
      new Option('--controller <url>', 'address of the controller')
        .env('RELAYCORE_URL')
        .default('http://127.0.0.1:8080'),
    )
    .addOption(new Option('--token <secret>', 'token of its API').env('RELAYCORE_TOKEN'))
    .option('--json', 'print what the API answers');
}

export interface ControllerClient {
  get<Answer>(path: string, query?: Readonly<Record<string, string | number | undefined>>): Promise<Answer>;
  /** Sent once more, under the same key, when it stays unclear whether it arrived. */
  post<Answer>(path: string, body: object): Promise<Answer>;
}

const timeoutMs = 10_000;

export function controllerClient({ controller, token }: ControllerOptions): ControllerClient {
  const headers = {
    'user-agent': 'relayctl/1',
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
  };
  const base = baseOf(controller);

  async function ask(path: string, init: RequestInit): Promise<Response> {
    try {
      return await fetch(`${base}/api/v1/performance/${path}`, {
        ...init,
        signal: AbortSignal.timeout(timeoutMs),
      });
    } catch (error) {
      throw new Ended(
        exits.unreachable,
        `no controller answers at ${controller} (${messageOf(error)}); start it with "relayctl serve", or give its address with --controller or RELAYCORE_URL`,
      );
    }
  }

  return {
    async get(path, query = {}) {
      const search = new URLSearchParams();
      for (const [key, value] of Object.entries(query))
        if (value !== undefined) search.set(key, String(value));
      return answerOf(await ask(search.size > 0 ? `${path}?${search}` : path, { headers }), controller);
    },
    async post(path, body) {
      const request = {
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/json', 'idempotency-key': randomUUID() },
        body: JSON.stringify(body),
      };
      return answerOf(await ask(path, request).catch(() => ask(path, request)), controller);
    },
  };
}

function baseOf(controller: string): string {
  if (URL.canParse(controller) && /^https?:$/.test(new URL(controller).protocol))
    return controller.replace(/\/+$/, '');
  throw new Ended(
    exits.wrongUsage,
    `--controller ${controller} is not an http address; give one such as http://127.0.0.1:8080`,
  );
}

async function answerOf<Answer>(response: Response, controller: string): Promise<Answer> {
  const body = await response.json().catch(() => undefined);
  if (response.ok && body !== undefined) return body as Answer;
  const { detail, remedy } = (body ?? {}) as { detail?: unknown; remedy?: unknown };
  if (typeof detail !== 'string')
    throw new Ended(
      exits.unreachable,
      `what answers at ${controller} is no controller (status ${response.status}); correct --controller or RELAYCORE_URL`,
    );
  const way = response.status === 401 ? 'give its token with RELAYCORE_TOKEN or --token' : remedy;
  throw new Ended(exits.refused, `${detail}; ${way}`);
}
