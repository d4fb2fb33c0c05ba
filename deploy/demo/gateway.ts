/**
 * The demo's gateway: one route, `mail-filter`, carried by the relay kit.
 *
 *   node --conditions=source deploy/demo/gateway.ts --port 7000 --metrics-port 9464 --state FILE
 *        --target spam-v1@1=http://127.0.0.1:7001 --target spam-v2@2=http://127.0.0.1:7002
 *        [--follow redis://127.0.0.1:6379] [--latency-thresholds 0.25,0.5] [--stay-with-parent]
 *
 * --follow names where routes are read from beside what is pushed: a Redis, another gateway (http:), or a file (file:).
 * Prints one line when it listens: {"listening":"http://127.0.0.1:7000","metrics":"http://127.0.0.1:9464/metrics"}.
 * Port 0 takes a free one. Ends on SIGTERM, and with --stay-with-parent when its standard input ends.
 */

import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { init } from '@neuroweaver/instrumentation';
import { createRelay, type FollowOptions, type TargetOptions } from '@relaycore/controller/relay';
import express from 'express';

const host = '127.0.0.1';
const route = 'mail-filter';
const shutdownDeadlineMs = 10_000;

const options = readOptions(process.argv.slice(2));
const ml = init({
  serviceName: 'mail-gateway',
  port: options.metricsPort,
  ...(options.latencyThresholdsSeconds && { latencyThresholdsSeconds: options.latencyThresholdsSeconds }),
});
const relay = createRelay({
  // Classifying a mail twice changes nothing, so a request may always be tried again elsewhere.
  routes: { [route]: { targets: options.targets, allowRetry: 'always', attemptTimeoutMs: 10_000 } },
  stateFile: options.stateFile,
  follow: options.follow,
  telemetry: ml.gateway(),
});

const app = express();
app.disable('x-powered-by');
app.get('/healthz', (_request, response) => void response.json({ status: 'ok' }));
app.use(relay.routes());
app.use(`/${route}`, relay.forward(route));

await ml.ready;
const server = app.listen(options.port, host);
await once(server, 'listening');
const { port } = server.address() as AddressInfo;
console.log(JSON.stringify({ listening: `http://${host}:${port}`, metrics: ml.endpoint }));

process.once('SIGTERM', stop);
process.once('SIGINT', stop);
if (options.stayWithParent) process.stdin.once('end', stop).once('error', stop).resume();

async function stop(): Promise<void> {
  // Whatever still hangs then would keep the process for ever.
  setTimeout(() => process.exit(1), shutdownDeadlineMs).unref();
  const closed = closeServer(server);
  await relay.close({ deadlineMs: shutdownDeadlineMs / 2 });
  server.closeIdleConnections();
  await closed;
  await ml.shutdown();
  process.exit(0);
}

function closeServer(listening: Server): Promise<void> {
  return new Promise(resolve => listening.close(() => resolve()));
}

function readOptions(args: string[]) {
  const { values } = parseArgs({
    args,
    options: {
      port: { type: 'string', default: '0' },
      'metrics-port': { type: 'string', default: '0' },
      state: { type: 'string' },
      follow: { type: 'string' },
      target: { type: 'string', multiple: true, default: [] },
      'latency-thresholds': { type: 'string' },
      'stay-with-parent': { type: 'boolean', default: false },
    },
  });
  if (values.state === undefined) throw new Error('gateway: give --state FILE, where the routes are kept');
  return {
    port: readNumber('--port', values.port),
    metricsPort: readNumber('--metrics-port', values['metrics-port']),
    stateFile: values.state,
    follow: values.follow === undefined ? undefined : readFollow(values.follow),
    targets: values.target.map(readTarget),
    latencyThresholdsSeconds: values['latency-thresholds']
      ?.split(',')
      .map(text => readNumber('--latency-thresholds', text)),
    stayWithParent: values['stay-with-parent'],
  };
}

/** `spam-v1@1=http://127.0.0.1:7001`: model, version, address. */
function readTarget(text: string): TargetOptions {
  const [, model, version, url] = /^([^@=]+)@([^=]+)=(.+)$/.exec(text) ?? [];
  if (model && version && url) return { model, version, url };
  throw new Error(
    `gateway: --target ${text} is no MODEL@VERSION=URL, such as spam-v1@1=http://127.0.0.1:7001`,
  );
}

function readFollow(text: string): FollowOptions {
  const protocol = URL.canParse(text) ? new URL(text).protocol : '';
  if (/^rediss?:$/.test(protocol)) return { redis: text };
  if (/^https?:$/.test(protocol)) return { url: text };
  if (protocol === 'file:') return { file: fileURLToPath(text) };
  throw new Error('gateway: --follow wants an address that begins with redis:, http:, https: or file:');
}

function readNumber(option: string, text: string): number {
  const number = Number(text);
  if (text.trim() !== '' && Number.isFinite(number) && number >= 0) return number;
  throw new Error(`gateway: ${option} ${text} is no number of 0 or more`);
}
