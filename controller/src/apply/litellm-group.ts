import type { DriverConfig } from '@relaycore/rules';
import { z } from 'zod';

export type LitellmOptions = Omit<Extract<DriverConfig, { kind: 'litellm' }>, 'kind'>;

/** One proxy, and how it is asked. */
export type LitellmProxy = Pick<LitellmOptions, 'token'> & { readonly url: string };

/** The deployments of one `model_name` at one moment, as the worker that answered routes by them. */
export interface LitellmGroup {
  readonly where: string;
  readonly deployments: readonly LitellmDeployment[];
}

export interface LitellmDeployment {
  readonly id: string;
  readonly weight?: number;
  /** What LiteLLM goes by where nobody has a weight. */
  readonly rpm?: number;
  readonly tpm?: number;
  /** Only the lowest of a group that can serve gets requests; weights count among equals. */
  readonly order?: number;
  /** Somebody paused it: it gets nothing, whatever its weight. */
  readonly blocked: boolean;
  /** Deployments of the configuration file cannot be changed. */
  readonly inDatabase: boolean;
  /** Switches of `litellm_params` that are on; a change that leaves them out would turn some of them off. */
  readonly switchedOn: readonly string[];
  /** What it was told last; absent when nothing was. */
  readonly told?: LitellmNote;
}

/** What a deployment is told: its weight, and what is noted of it. */
export interface LitellmChange {
  readonly weight: number;
  readonly note: LitellmNote;
}

/** A generation and the share of the target in it, basis points. Kept in `model_info`, where LiteLLM keeps whatever one gives it. */
export type LitellmNote = z.output<typeof note>;

/** Known to LiteLLM, and not what was asked for: asking again will not help. */
export class RefusedByLitellm extends Error {}

/**
 * @throws RefusedByLitellm when the proxy knows no such group, or does not let the token read
 * @throws Error when it does not answer, or with something else than its models
 */
export async function readGroup(
  proxy: LitellmProxy,
  name: string,
  signal: AbortSignal,
): Promise<LitellmGroup> {
  const { data } = await read(proxy, '/v1/model/info', models, signal);
  const deployments = data.filter(({ model_name }) => model_name === name).map(deploymentOf);
  if (deployments.length > 0)
    return { where: `the model group ${name} of the LiteLLM at ${proxy.url}`, deployments };
  const names = [...new Set(data.map(({ model_name }) => model_name))].join(', ');
  throw new RefusedByLitellm(
    `the LiteLLM at ${proxy.url} has no model group "${name}"; it has: ${names}. Add it, or name the right one as driver.group`,
  );
}

/**
 * Sets the weight of a deployment and notes what was told.
 *
 * @throws RefusedByLitellm when LiteLLM does not take it
 * @throws Error when it is unknown whether it took it
 */
export async function tellDeployment(
  proxy: LitellmProxy,
  { id, switchedOn }: LitellmDeployment,
  { weight, note }: LitellmChange,
  signal: AbortSignal,
): Promise<void> {
  const body = {
    litellm_params: { ...Object.fromEntries(switchedOn.map(name => [name, true])), weight },
    model_info: { id, db_model: true, relaycore: note }, // without its id it would get a new one
  };
  await ask(proxy, 'PATCH', `/model/${encodeURIComponent(id)}/update`, signal, body);
}

/** How requests are shared out; LiteLLM's default where a proxy does not say, as old ones. */
export async function readStrategy(proxy: LitellmProxy, signal: AbortSignal): Promise<string> {
  try {
    return (await read(proxy, '/router/settings', settings, signal)).current_values.routing_strategy;
  } catch (error) {
    if (error instanceof RefusedByLitellm) return usualStrategy;
    throw error;
  }
}

const note = z.object({ generation: z.int().min(0), share: z.int().min(0) });

const amount = z.number().nullish();

const models = z.object({
  data: z.array(
    z.object({
      model_name: z.string(),
      litellm_params: z.looseObject({ weight: amount, rpm: amount, tpm: amount, order: amount }),
      model_info: z.looseObject({
        id: z.string(),
        db_model: z.boolean().default(false),
        blocked: z.boolean().nullish(),
        relaycore: note.optional().catch(undefined),
      }),
    }),
  ),
});

const usualStrategy = 'simple-shuffle';
const settings = z.object({
  current_values: z.object({ routing_strategy: z.string().default(usualStrategy) }),
});

function deploymentOf({
  litellm_params,
  model_info: { id, db_model, blocked, relaycore },
}: z.output<typeof models>['data'][number]): LitellmDeployment {
  const { weight, rpm, tpm, order } = litellm_params;
  return {
    id,
    ...(typeof weight === 'number' && { weight }),
    ...(typeof rpm === 'number' && { rpm }),
    ...(typeof tpm === 'number' && { tpm }),
    ...(typeof order === 'number' && { order }),
    blocked: blocked === true,
    inDatabase: db_model,
    switchedOn: Object.keys(litellm_params).filter(name => litellm_params[name] === true),
    ...(relaycore && { told: relaycore }),
  };
}

async function read<T extends z.ZodType>(
  proxy: LitellmProxy,
  path: string,
  schema: T,
  signal: AbortSignal,
): Promise<z.output<T>> {
  const text = await ask(proxy, 'GET', path, signal);
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    throw new Error(
      `GET ${proxy.url}${path} answered something else than LiteLLM does: ${text.slice(0, 200)}`,
    );
  }
}

/** Redirections are not followed: the token is meant for this proxy. */
async function ask(
  { url, token }: LitellmProxy,
  method: string,
  path: string,
  signal: AbortSignal,
  body?: object,
): Promise<string> {
  const what = `${method} ${url.replace(/\/$/, '')}${path}`;
  const response = await fetch(`${url.replace(/\/$/, '')}${path}`, {
    method,
    signal,
    redirect: 'manual',
    headers: {
      'content-type': 'application/json',
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    },
    ...(body && { body: JSON.stringify(body) }),
  }).catch(cause => {
    throw new Error(what, { cause });
  });
  const text = await response.text();
  if (response.ok) return text;
  const detail = `${what} answered ${response.status}: ${text.slice(0, 2000)}`;
  const unclear = response.status >= 500 || response.status === 408 || response.status === 429;
  throw unclear ? new Error(detail) : new RefusedByLitellm(detail);
}
