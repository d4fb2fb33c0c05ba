import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parseArgs } from 'node:util';
import { init, type Ticket } from '@neuroweaver/instrumentation';
import express, { type NextFunction, type Request, type Response } from 'express';
import { predict } from './mail/classifier.ts';
import { loadModel } from './mail/train.ts';

/**
 * One model behind HTTP, in a process of its own:
 *
 *   node --conditions=source deploy/demo/model-server.ts --model spam-v1 --version 1 --port 8101 --metrics-port 9464
 *     --cache .cache/demo [--latency-thresholds 0.25,0.5] [--stay-with-parent]
 *
 * `POST /classify` answers whether a mail is spam, `POST /labels` takes the truth about earlier answers, `GET /healthz`
 * says that the process serves. Prints one line of JSON when it listens. SIGUSR2 toggles a busy event loop, SIGTERM
 * lets requests finish and ends the process.
 */
const options = readOptions();
const classifier = await loadModel(options.cacheFolder, options.model);

const ml = init({
  serviceName: options.model,
  port: options.metricsPort,
  ...(options.latencyThresholdsSeconds && { latencyThresholdsSeconds: options.latencyThresholdsSeconds }),
});
const model = ml.model({
  name: options.model,
  version: options.version,
  operation: 'classify',
  provider: 'relaycore-demo',
});

/** What this process answered lately, by request id, until its label arrives. */
const predictions = new Map<string, boolean>();
const rememberedPredictions = 10_000;

const app = express().disable('x-powered-by');
app.post('/classify', startTicket, express.json({ limit: '2mb' }), classify, refuseClassify);
app.post('/labels', express.json({ limit: '2mb' }), takeLabels);
app.get('/healthz', (_request, response) => {
  response.json({ status: 'ok', model: options.model, version: options.version });
});
app.use(refuse);

const server = createServer(app);
server.listen(options.port, '127.0.0.1');
await Promise.all([once(server, 'listening'), ml.ready]);
let busy = false;
process.on('SIGUSR2', toggleBusy);
process.once('SIGTERM', () => void stop());
if (options.stayWithParent) process.stdin.resume().once('end', () => void stop());

const listening = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
console.log(JSON.stringify({ listening, metrics: ml.endpoint }));

/** Before the body is read, so that the measured time is the one that the caller waits. */
function startTicket(_request: Request, response: Response, next: NextFunction): void {
  const ticket = model.start();
  response.locals.ticket = ticket;
  response.once('close', () => {
    if (!response.writableFinished) model.fail(ticket, new Error('the caller went away'), 'cancelled');
  });
  next();
}

function classify(request: Request, response: Response): void {
  const ticket = ticketOf(response);
  const mail = readMail(request.body);
  model.begin(ticket);
  const probability = predict(classifier, mail.text);
  const spam = probability > 0.5;
  remember(mail.id, spam);
  response.json({ id: mail.id, spam, probability, model: options.model, version: options.version });
  model.end(ticket);
}

/** A request that cannot be read says nothing about the model; anything else thrown is the model's failure. */
function refuseClassify(error: unknown, request: Request, response: Response, next: NextFunction): void {
  if (statusOf(error) < 500) model.fail(ticketOf(response), error, 'cancelled');
  else model.fail(ticketOf(response), error);
  refuse(error, request, response, next);
}

function takeLabels(request: Request, response: Response): void {
  const labels = readLabels(request.body);
  let matched = 0;
  for (const { id, spam } of labels) {
    const predicted = predictions.get(id);
    if (predicted === undefined) continue;
    predictions.delete(id);
    model.evaluate('accuracy', predicted === spam ? 1 : 0, { source: 'label' });
    matched += 1;
  }
  response.json({ matched, unknown: labels.length - matched });
}

function remember(id: string, spam: boolean): void {
  predictions.set(id, spam);
  if (predictions.size <= rememberedPredictions) return;
  for (const oldest of predictions.keys()) {
    predictions.delete(oldest);
    return;
  }
}

function toggleBusy(): void {
  busy = !busy;
  if (busy) blockEventLoop();
}

/**
 * Real work in the way of every request: 400 ms without a turn of the event loop, then 30 ms for what has piled up.
 * The loop accepts one connection a turn, so a shorter gap would starve new connections: an outage, not slowness.
 */
function blockEventLoop(): void {
  const until = performance.now() + 400;
  while (busy && performance.now() < until);
  if (busy) setTimeout(blockEventLoop, 30);
}

/** Ends once the requests in flight are answered, or after five seconds. */
async function stop(): Promise<void> {
  busy = false;
  const closed = once(server, 'close');
  server.close();
  const deadline = setTimeout(() => server.closeAllConnections(), 5_000);
  const idle = setInterval(() => server.closeIdleConnections(), 20);
  await closed;
  clearTimeout(deadline);
  clearInterval(idle);
  await ml.shutdown();
  process.exit(0);
}

function refuse(error: unknown, _request: Request, response: Response, next: NextFunction): void {
  if (response.headersSent) {
    next(error);
    return;
  }
  response.status(statusOf(error)).json({ error: error instanceof Error ? error.message : String(error) });
}

function statusOf(error: unknown): number {
  const status = (error as { status?: unknown } | null)?.status;
  return typeof status === 'number' ? status : 500;
}

function ticketOf(response: Response): Ticket {
  return response.locals.ticket as Ticket;
}

function readMail(body: unknown): { id: string; text: string } {
  const { id, text } = (body ?? {}) as { id?: unknown; text?: unknown };
  if (typeof id !== 'string' || typeof text !== 'string') {
    throw badRequest('POST /classify takes {"id": string, "text": string}, text being a raw mail');
  }
  return { id, text };
}

function readLabels(body: unknown): { id: string; spam: boolean }[] {
  const isLabel = (label: { id?: unknown; spam?: unknown } | null) =>
    typeof label?.id === 'string' && typeof label.spam === 'boolean';
  if (!Array.isArray(body) || !body.every(isLabel)) {
    throw badRequest('POST /labels takes [{"id": string, "spam": boolean}, …]');
  }
  return body as { id: string; spam: boolean }[];
}

function badRequest(message: string): Error {
  return Object.assign(new Error(message), { status: 400 });
}

interface Options {
  readonly model: string;
  readonly version: string;
  readonly port: number;
  readonly metricsPort: number;
  readonly cacheFolder: string;
  readonly latencyThresholdsSeconds: readonly number[] | undefined;
  readonly stayWithParent: boolean;
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      model: { type: 'string' },
      version: { type: 'string' },
      port: { type: 'string' },
      'metrics-port': { type: 'string' },
      cache: { type: 'string' },
      'latency-thresholds': { type: 'string' },
      'stay-with-parent': { type: 'boolean', default: false },
    },
  });
  const required = ['model', 'version', 'port', 'metrics-port', 'cache'] as const;
  const missing = required.filter(name => values[name] === undefined);
  if (missing.length > 0)
    throw new Error(`model-server: missing ${missing.map(name => `--${name}`).join(', ')}`);
  return {
    model: values.model!,
    version: values.version!,
    port: readNumber('--port', values.port!),
    metricsPort: readNumber('--metrics-port', values['metrics-port']!),
    cacheFolder: values.cache!,
    latencyThresholdsSeconds: values['latency-thresholds']
      ?.split(',')
      .map(text => readNumber('--latency-thresholds', text)),
    stayWithParent: values['stay-with-parent'],
  };
}

function readNumber(option: string, text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0))
    throw new Error(`model-server: ${option} takes numbers, not "${text}"`);
  return value;
}
