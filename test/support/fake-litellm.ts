import { createHash, randomUUID } from 'node:crypto';
import type { RequestListener, ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';

/**
 * A LiteLLM proxy with a database, as far as its models can be read, changed and used. What it answers, also to
 * mistakes, is what version 1.106.2 answers; `npm run test:counterparts` holds the two against each other.
 */
export interface FakeLitellm {
  readonly listener: RequestListener;
  /** `router_settings.routing_strategy`. */
  strategy: string;
  /** What becomes of changes from now on. */
  trouble?: 'fails though applied' | 'answers though dropped' | 'fails' | 'hangs' | undefined;
  /** So often deployments are still shown as they were, by a worker that has not looked into the database yet. */
  staleReads: number;
  /** Every change that came, as `ID BODY`. */
  readonly changes: string[];
  /** A deployment as the database has it, for hands other than the driver's. */
  row(id: string): LitellmRow;
}

export interface LitellmRow {
  model_name: string;
  litellm_params: Record<string, unknown>;
  model_info: Record<string, unknown>;
}

export function createFakeLitellm(token: string): FakeLitellm {
  const rows = new Map<string, LitellmRow>();
  let shown = '[]';

  function list(): string {
    if (fake.staleReads > 0) fake.staleReads--;
    else shown = JSON.stringify([...rows].map(([id, row]) => shownAs(id, row)));
    return `{"data":${shown}}`;
  }

  async function change(id: string, body: string, response: ServerResponse): Promise<void> {
    fake.changes.push(`${id} ${body}`);
    const row = rows.get(id);
    if (!row) return refuse(response, 404, 'not_found_error', `Model ${id} not found on proxy.`);
    if (fake.trouble === 'hangs') return;
    if (fake.trouble === undefined || fake.trouble === 'fails though applied') {
      const next = merged(row, JSON.parse(body));
      if (JSON.stringify(next) !== JSON.stringify(row)) rows.delete(id); // what changed is listed last
      rows.set(id, next);
    }
    if (fake.trouble?.startsWith('fails'))
      return refuse(response, 500, 'internal_server_error', 'Error updating model: connection reset');
    answer(response, 200, { model_id: id, ...row });
  }

  const fake: FakeLitellm = {
    strategy: 'simple-shuffle',
    staleReads: 0,
    changes: [],
    row: id => rows.get(id)!,
    async listener(request, response) {
      const { pathname } = new URL(request.url!, 'http://litellm');
      const sent = request.headers.authorization?.replace('Bearer ', '') ?? '';
      if (sent !== token) return refuseKey(response, sent);
      const [, id] = /^\/model\/([^/]+)\/update$/.exec(pathname) ?? [];
      if (id !== undefined) return change(decodeURIComponent(id), await text(request), response);
      if (pathname === '/v1/model/info') return void json(response, 200).end(list());
      if (pathname === '/router/settings')
        return answer(response, 200, { current_values: { routing_strategy: fake.strategy } });
      if (pathname === '/model/new') return add(rows, await text(request), response);
      if (pathname === '/v1/chat/completions') return complete(rows, await text(request), response);
      refuse(response, 404, 'not_found', 'Not Found');
    },
  };
  return fake;
}

/** The row's own id and origin, whatever stands in `model_info`, and no secrets. */
function shownAs(id: string, { model_name, litellm_params, model_info }: LitellmRow): LitellmRow {
  const { api_key, ...params } = litellm_params;
  return {
    model_name,
    litellm_params: params,
    model_info: { blocked: false, ...model_info, id, db_model: true },
  };
}

/**
 * A change that leaves switches out turns them off, one that leaves the id out makes up another one, and null is no
 * change.
 */
function merged(row: LitellmRow, change: Partial<LitellmRow>): LitellmRow {
  const { litellm_params, model_info } = change;
  return {
    ...row,
    litellm_params: {
      ...row.litellm_params,
      ...(litellm_params && { ...switchedOff, ...known(litellm_params) }),
    },
    model_info: {
      ...row.model_info,
      ...(model_info && { id: randomUUID(), db_model: false, ...known(model_info) }),
    },
  };
}

const known = (fields: Readonly<Record<string, unknown>>) =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null));

const switchedOff = {
  allow_client_keepalive_override: false,
  use_in_pass_through: false,
  use_litellm_proxy: false,
  use_xai_oauth: false,
  merge_reasoning_content_in_choices: false,
};

function add(rows: Map<string, LitellmRow>, body: string, response: ServerResponse): void {
  const { model_name, litellm_params, model_info = {} } = JSON.parse(body) as LitellmRow;
  const id = String(model_info.id ?? randomUUID());
  const row = { model_name, litellm_params: { ...switchedOff, ...litellm_params }, model_info };
  rows.set(id, row);
  answer(response, 200, { model_id: id, ...row });
}

/** Picks as `simple-shuffle` does, among all that are not paused, and says which one it was. */
function complete(rows: Map<string, LitellmRow>, body: string, response: ServerResponse): void {
  const { model } = JSON.parse(body) as { model: string };
  const open = [...rows].filter(([, row]) => row.model_name === model && row.model_info.blocked !== true);
  const chosen = picked(open);
  if (!chosen) {
    refuse(response, 400, 'invalid_request_error', `Invalid model name passed in model=${model}`);
    return;
  }
  response.setHeader('x-litellm-model-id', chosen[0]);
  answer(response, 200, { choices: [{ message: { role: 'assistant', content: 'ok' } }] });
}

function picked(open: readonly [string, LitellmRow][]): [string, LitellmRow] | undefined {
  const tickets = open.map(([, { litellm_params }]) => Number(litellm_params.weight ?? 0));
  const sum = tickets.reduce((total, weight) => total + weight, 0);
  if (sum === 0) return open[Math.floor(Math.random() * open.length)];
  const drawn = Math.random() * sum;
  return open.find((_, i) => drawn < tickets.slice(0, i + 1).reduce((total, weight) => total + weight, 0));
}

/** LiteLLM shows the hash of a key that it does not know. */
function refuseKey(response: ServerResponse, key: string): void {
  const hash = createHash('sha256').update(key).digest('hex');
  const message = `Authentication Error, Invalid proxy server token passed. Received API Key = sk-..., Key Hash (Token) =${hash}. Unable to find token in cache or \`LiteLLM_VerificationTokenTable\``;
  refuse(response, 401, 'token_not_found_in_db', message, 'key');
}

function refuse(
  response: ServerResponse,
  status: number,
  type: string,
  message: string,
  param: string | null = null,
): void {
  answer(response, status, { error: { message, type, param, code: String(status) } });
}

const answer = (response: ServerResponse, status: number, body: object) =>
  void json(response, status).end(JSON.stringify(body));

const json = (response: ServerResponse, status: number) =>
  response.writeHead(status, { 'content-type': 'application/json' });
