import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { diag } from '@opentelemetry/api';
import { tokenCheck } from '../bearer.ts';

/** The page that Prometheus scrapes. */
export interface Endpoint {
  /** Resolves once the page is served; rejects, saying what to do, if it cannot be. */
  readonly ready: Promise<void>;
  /** Where the page is; undefined while a free port is still being chosen, and after listening failed. */
  url(): string | undefined;
  /** Stops serving; a scrape under way is cut off. */
  close(): Promise<void>;
}

export interface EndpointOptions {
  readonly host: string;
  /** 0 takes a free port. */
  readonly port: number;
  /** PEM; without it the page is served over plain HTTP. */
  readonly tls: { readonly key: Buffer; readonly cert: Buffer } | undefined;
  /** What a scraper has to show as `Authorization: Bearer …`; without it anybody who can connect may read. */
  readonly bearerToken: string | undefined;
  /** Answers with the page; a rejection is answered with 500. */
  readonly answer: (request: IncomingMessage, response: ServerResponse) => Promise<void>;
}

const path = '/metrics';

/** Whether this is a server of ours, whose requests are no requests of the application. */
export function isPageServer(server: object): boolean {
  return pageServers.has(server);
}

const pageServers = new WeakSet<object>();

/**
 * Serves the page from a server of ours instead of the exporter's: that one replaces port 0 by 9464, answers 200 when
 * collecting failed (which Prometheus reads as a healthy server without series), and holds the process open through
 * the connection that Prometheus keeps alive.
 */
export function openEndpoint(options: EndpointOptions): Endpoint {
  const { host, port, tls } = options;
  let failed = false;
  const listener = createListener(options);
  const server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener);
  pageServers.add(server);
  // Neither listening nor an idle scraper may keep a model server alive that is done.
  server.unref();
  server.on('connection', socket => socket.unref());

  const ready = new Promise<void>((resolve, reject) => {
    server.on('error', cause => {
      failed = !server.listening;
      reject(new Error(describeListenFailure(host, port, cause), { cause }));
    });
    server.listen({ host, port }, () => {
      diag.info(`The metrics page is at ${url()}. ${whoReaches(host)}`);
      resolve();
    });
  });
  // Nobody has to wait for `ready`: an unhandled rejection would take the model server down.
  ready.catch(() => {});

  function url(): string | undefined {
    if (failed) return undefined;
    const bound = server.listening ? (server.address() as AddressInfo).port : port;
    if (bound === 0) return undefined;
    return `${tls ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${bound}${path}`;
  }

  return {
    ready,
    url,
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function createListener({ bearerToken, answer }: EndpointOptions): RequestListener {
  const isAllowed = bearerToken === undefined ? () => true : tokenCheck(bearerToken);
  return (request, response) => {
    if (request.url?.split('?', 1)[0] !== path) {
      response.writeHead(404).end(`The metrics are at ${path}.\n`);
    } else if (!isAllowed(request)) {
      const challenge = { 'www-authenticate': 'Bearer' };
      response.writeHead(401, challenge).end('Show the token as "Authorization: Bearer TOKEN".\n');
    } else {
      answer(request, response).catch(error => answerFailure(response, error));
    }
  };
}

/** Half a page cannot be taken back: the connection is cut, so that the scraper does not take it for a whole one. */
function answerFailure(response: ServerResponse, error: unknown): void {
  diag.error('Collecting the metrics failed', error);
  if (response.headersSent) response.destroy();
  else response.writeHead(500).end(`Collecting the metrics failed: ${error}\n`);
}

function whoReaches(host: string): string {
  if (host !== '127.0.0.1' && host !== 'localhost' && host !== '::1') return `It listens on ${host}.`;
  return (
    "Only this machine reaches it, because model names and traffic are nobody else's business by default: " +
    'give init() a host such as 0.0.0.0, or set OTEL_EXPORTER_PROMETHEUS_HOST, for a Prometheus elsewhere.'
  );
}

function describeListenFailure(host: string, port: number, cause: NodeJS.ErrnoException): string {
  const attempt = `The metrics page could not listen on ${host}:${port}`;
  if (cause.code === 'EADDRINUSE') {
    return `${attempt}: the port is taken. Give init() another port, or 0 for a free one, or set OTEL_EXPORTER_PROMETHEUS_PORT.`;
  }
  return `${attempt} (${cause.message}). Give init() a host and port of this machine that the process may open.`;
}
