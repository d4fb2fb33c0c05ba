import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

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
  /** Writes the page in the Prometheus text format. */
  readonly renderPage: () => Promise<string>;
}

const path = '/metrics';

/**
 * Serves the page from a server of ours instead of the exporter's: that one replaces port 0 by 9464, answers 200 when
 * collecting failed (which Prometheus reads as a healthy server without series), and holds the process open through
 * the connection that Prometheus keeps alive.
 */
export function openEndpoint({ host, port, renderPage }: EndpointOptions): Endpoint {
  let failed = false;
  const server = createServer((request, response) => {
    if (request.url?.split('?', 1)[0] === path) void answerPage(response, renderPage);
    else response.writeHead(404).end(`The metrics are at ${path}.\n`);
  });
  // Neither listening nor an idle scraper may keep a model server alive that is done.
  server.unref();
  server.on('connection', socket => socket.unref());

  const ready = new Promise<void>((resolve, reject) => {
    server.on('error', cause => {
      failed = !server.listening;
      reject(new Error(describeListenFailure(host, port, cause), { cause }));
    });
    server.listen({ host, port }, resolve);
  });
  // Nobody has to wait for `ready`: an unhandled rejection would take the model server down.
  ready.catch(() => {});

  return {
    ready,
    url() {
      if (failed) return undefined;
      const bound = server.listening ? (server.address() as AddressInfo).port : port;
      return bound === 0 ? undefined : `http://${host.includes(':') ? `[${host}]` : host}:${bound}${path}`;
    },
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answerPage(response: ServerResponse, renderPage: () => Promise<string>): Promise<void> {
  try {
    const page = await renderPage();
    response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }).end(page);
  } catch (error) {
    response.writeHead(500).end(`Collecting the metrics failed: ${error}\n`);
  }
}

function describeListenFailure(host: string, port: number, cause: NodeJS.ErrnoException): string {
  const attempt = `The metrics page could not listen on ${host}:${port}`;
  if (cause.code === 'EADDRINUSE') {
    return `${attempt}: the port is taken. Give init() another port, or 0 for a free one, or set OTEL_EXPORTER_PROMETHEUS_PORT.`;
  }
  return `${attempt} (${cause.message}). Give init() a host and port of this machine that the process may open.`;
}
