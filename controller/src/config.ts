import type { DatabaseLocation } from './record/database.ts';

/** How the controller is started; thresholds and routes are the policy's, not here. */
export interface Config {
  readonly policyFile: string;
  readonly prometheusUrl: string;
  readonly database: DatabaseLocation;
  readonly host: string;
  readonly port: number;
  readonly token?: string;
}

export interface ServeOptions {
  readonly policy: string;
  readonly prometheus?: string;
  readonly data?: string;
  readonly host?: string;
  readonly port?: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Options before environment before defaults. Throws with every problem listed. */
export function configOf(options: ServeOptions, environment: Environment): Config {
  const problems: string[] = [];
  const prometheusUrl = options.prometheus ?? environment.PROMETHEUS_URL ?? 'http://127.0.0.1:9090';
  if (!isHttp(prometheusUrl))
    problems.push(
      `--prometheus ${prometheusUrl} is not an http address; give one such as http://127.0.0.1:9090`,
    );
  const writtenPort = options.port ?? environment.PORT ?? '8080';
  const port = Number(writtenPort);
  if (!/^\d+$/.test(writtenPort) || port > 65535)
    problems.push(`--port ${writtenPort} is not a port; give a number from 0 to 65535`);
  const token = environment.RELAYCORE_TOKEN;
  if (token !== undefined && token.length < 16)
    problems.push('RELAYCORE_TOKEN is too short to be a secret; give at least 16 characters');
  const host = options.host ?? environment.HOST ?? '127.0.0.1';
  if (token === undefined && !isLoopback(host))
    problems.push(
      `without RELAYCORE_TOKEN the API is served on loopback only; set it, or leave --host ${host} out`,
    );
  const url = environment.DATABASE_URL;
  if (url !== undefined && !/^postgres(ql)?:\/\//.test(url))
    problems.push(
      'DATABASE_URL does not begin with postgresql://; correct it, or leave it out to use the embedded database',
    );
  if (problems.length > 0) throw new Error(problems.join('\n'));
  return {
    policyFile: options.policy,
    prometheusUrl,
    host,
    port,
    ...(token !== undefined && { token }),
    database:
      url === undefined
        ? { kind: 'embedded', folder: options.data ?? environment.RELAYCORE_DATA ?? '.relaycore' }
        : { kind: 'postgresql', url, timeoutMs: 5000 },
  };
}

const isHttp = (text: string) => URL.canParse(text) && /^https?:$/.test(new URL(text).protocol);
const isLoopback = (host: string) =>
  host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
