import { litellmToken } from '../../controller/src/apply/fixture.ts';
import { fixedId } from './litellm-stage.ts';

/* Requests to a LiteLLM that is the real one or its fake, past the driver. */

export interface Step {
  readonly method?: string;
  readonly path: string;
  readonly body?: object;
  readonly token?: string;
}

export const list: Step = { path: '/v1/model/info' };

export const change = (id: string, body: object): Step => ({
  method: 'PATCH',
  path: `/model/${id}/update`,
  body,
});

/** The status, and of the answer what the driver reads. */
export async function answerTo(url: string, step: Step) {
  const response = await ask(url, step);
  const { data, error, current_values } = (await response.json()) as Answer;
  const deployments = data
    ?.filter(({ model_name }) => model_name !== fixedId)
    .map(({ model_name, litellm_params, model_info: { id, db_model, blocked, relaycore } }) => {
      const { api_base, ...params } = litellm_params;
      return { model_name, params, id, db_model, blocked, relaycore };
    });
  return { status: response.status, deployments, error, strategy: current_values?.routing_strategy };
}

/** How many of so many requests each deployment got, by what LiteLLM says. */
export async function servedBy(url: string, requests: number): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  const body = { model: 'mail-filter', messages: [{ role: 'user', content: 'spam?' }] };
  for (let i = 0; i < requests; i++) {
    const response = await ask(url, { method: 'POST', path: '/v1/chat/completions', body });
    const id = response.headers.get('x-litellm-model-id') ?? `answered ${response.status}`;
    counts[id] = (counts[id] ?? 0) + 1;
    await response.body?.cancel();
  }
  return counts;
}

interface Answer {
  readonly data?: readonly {
    readonly model_name: string;
    readonly litellm_params: Readonly<Record<string, unknown>>;
    readonly model_info: Readonly<Record<string, unknown>>;
  }[];
  readonly error?: object;
  readonly current_values?: { readonly routing_strategy: string };
}

function ask(url: string, { method = 'GET', path, body, token = litellmToken }: Step): Promise<Response> {
  return fetch(`${url}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    signal: AbortSignal.timeout(30_000),
    ...(body && { body: JSON.stringify(body) }),
  });
}
