import { fillTemplate } from '@relaycore/rules';
import { messageOf } from '../errors.ts';
import { pointerStep } from '../json-pointer.ts';
import type { ApplyResult } from './driver.ts';
import type { HttpOptions } from './http-gateway.ts';
import { hiding } from './secrets.ts';

/** What the placeholders of the templates stand for. */
export type Values = Readonly<Record<string, string | number | Readonly<Record<string, number>>>>;

export const filledUrl = (template: string, values: Values) => filled(template, values, encodeURIComponent);

export const filledPointer = (template: string, values: Values) => filled(template, values, pointerStep);

/** Texts as they stand between the quotes of JSON; numbers and objects as JSON. */
const filledBody = (template: string, values: Values) =>
  fillTemplate(template, name => {
    const value = values[name]!;
    return typeof value === 'string' ? JSON.stringify(value).slice(1, -1) : JSON.stringify(value);
  });

function filled(template: string, values: Values, escaped: (text: string) => string): string {
  return fillTemplate(template, name => {
    const value = values[name]!;
    return escaped(typeof value === 'object' ? JSON.stringify(value) : String(value));
  });
}

/** Addresses stand in errors and logs; what follows the question mark may be a secret. */
export const withoutQuery = (url: string) => url.split('?')[0]!;

/**
 * The JSON at an address; undefined where there is none (404).
 *
 * @throws Error for every other answer, with its beginning
 */
export async function readJson(
  options: HttpOptions,
  url: string,
  route: string,
  signal: AbortSignal,
): Promise<unknown> {
  const { status, text } = await ask(options, { method: 'GET', url, route }, signal);
  if (status === 404) return undefined;
  if (status >= 300) throw new Error(`GET ${withoutQuery(url)} answered ${status}: ${text.slice(0, 2000)}`);
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`GET ${withoutQuery(url)} answered no JSON: ${text.slice(0, 200)}`);
  }
}

/** Writes once; undefined when the gateway took it. */
export async function writeOnce(
  options: HttpOptions,
  values: Values & { readonly route: string },
  signal: AbortSignal,
): Promise<Exclude<ApplyResult, { kind: 'applied' | 'unchanged' }> | undefined> {
  const { method, url: template, body } = options.write;
  const url = filledUrl(template, values);
  const content = body === undefined ? {} : { body: filledBody(body, values) };
  try {
    const { status, text } = await ask(options, { method, url, route: values.route, ...content }, signal);
    if (status < 300) return undefined;
    const detail = `${method} ${withoutQuery(url)} answered ${status}: ${text.slice(0, 2000)}`;
    if (status === 409 || status === 412) return { kind: 'conflict', detail };
    return { kind: status >= 500 || status === 408 || status === 429 ? 'unknown' : 'rejected', detail };
  } catch (error) {
    return { kind: 'unknown', detail: messageOf(error) };
  }
}

interface Ask {
  readonly method: string;
  readonly url: string;
  readonly route: string;
  readonly body?: string;
}

/** Redirections are not followed: the headers are meant for this gateway. */
async function ask(
  { headers }: HttpOptions,
  { method, url, route, body }: Ask,
  signal: AbortSignal,
): Promise<{ status: number; text: string }> {
  const own = Object.entries(headers).map(([name, value]): [string, string] => [
    name,
    filled(value, { route }, encodeURI),
  ]);
  const secrets = own.flatMap(([, value]) => [value, value.split(' ').at(-1)!]);
  const sent = new Headers(own);
  if (body !== undefined && !sent.has('content-type')) sent.set('content-type', 'application/json');
  const init = {
    method,
    headers: sent,
    signal,
    redirect: 'manual' as const,
    ...(body !== undefined && { body }),
  };
  try {
    const response = await fetch(url, init);
    return { status: response.status, text: hiding(secrets, await response.text()) };
  } catch (error) {
    throw new Error(hiding([...secrets, url], `${method} ${withoutQuery(url)}: ${messageOf(error)}`));
  }
}
