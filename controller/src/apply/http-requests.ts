import { fillTemplate } from '@relaycore/rules';
import { messageOf } from '../errors.ts';
import { pointerStep } from '../json-pointer.ts';
import type { ApplyResult } from './driver.ts';
import type { HttpOptions } from './http-gateway.ts';

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
  options: HttpOptions,
  { method, url, route, body }: Ask,
  signal: AbortSignal,
): Promise<{ status: number; text: string }> {
  try {
    const headers = headersFor(options, route);
    if (body !== undefined && !headers.has('content-type')) headers.set('content-type', 'application/json');
    const content = body === undefined ? {} : { body };
    const response = await fetch(new URL(url), { method, headers, signal, redirect: 'manual', ...content });
    return { status: response.status, text: await response.text() };
  } catch (cause) {
    throw new Error(`${method} ${withoutQuery(url)}`, { cause });
  }
}

const headersFor = ({ headers }: HttpOptions, route: string) =>
  new Headers(Object.entries(headers).map(([name, value]) => [name, filled(value, { route }, encodeURI)]));
