import { Agent, request } from 'node:http';
import { type Answer, type ClientStatistics, createStatistics, type Summary } from './client-statistics.ts';
import type { Mail } from './mail/corpus.ts';
import { draw, type Population, type PopulationName } from './mail/population.ts';
import { seededRandom } from './mail/random.ts';

export interface ClientOptions {
  /** Requests go to `POST {gatewayUrl}/mail-filter/classify`. */
  readonly gatewayUrl: string;
  /** Where each model takes labels: the whole address, `http://…/labels`. */
  readonly labelUrls: Readonly<Record<string, string>>;
  readonly mail: Readonly<Record<PopulationName, Population>>;
  /** Default 100. */
  readonly ratePerSecond?: number;
  /** From the answer until its label is known. */
  readonly labelDelayMs: number;
  /** The same seed draws the same mail in the same order. */
  readonly seed: number;
  /** Hears how each request ended. */
  readonly onAnswer?: (answer: Answer) => void;
}

export interface Client {
  /** Which mail arrives from now on; `early` at first. */
  population(name: PopulationName): void;
  statistics(): Statistics;
  /** What became of the requests sent between two times, in epoch milliseconds and whole seconds. */
  between(fromMs: number, untilMs: number): Summary;
  /** Sends no more, and resolves when nothing is in flight; labels that are not due yet are dropped. */
  stop(): Promise<void>;
}

export interface Statistics extends ReturnType<ClientStatistics['totals']> {
  readonly labelsSent: number;
  /** Labels that no model server took: unknown model, unreachable server, error status. */
  readonly labelsLost: number;
  /** The last 15 minutes, oldest second first. */
  readonly seconds: ReturnType<ClientStatistics['seconds']>;
}

/**
 * People's mail: an open loop, so a slow gateway gets no fewer requests. Later each answer's true label goes to the
 * model that gave it.
 */
export function startClient(options: ClientOptions): Client {
  const statistics = createStatistics();
  const agent = new Agent({ keepAlive: true });
  const labels = startLabels({ urls: options.labelUrls, delayMs: options.labelDelayMs, agent });
  const random = seededRandom(options.seed);
  const inFlight = new Set<Promise<void>>();
  let population: PopulationName = 'early';
  let count = 0;

  const stopPacing = startPacing(options.ratePerSecond ?? 100, () => {
    count += 1;
    const mail = draw(options.mail[population], random);
    track(inFlight, ask({ id: `${mail.id}/${count}`, mail, population }));
  });

  async function ask(asked: Question): Promise<void> {
    const sentAtMs = Date.now();
    const startedAtMs = performance.now();
    statistics.recordSent(sentAtMs);
    const body = JSON.stringify({ id: asked.id, text: asked.mail.text });
    const reply = await post(`${options.gatewayUrl}/mail-filter/classify`, body, agent);
    const latencySeconds = (performance.now() - startedAtMs) / 1000;
    const answer = { ...judge(reply, asked), sentAtMs, endedAtMs: Date.now(), latencySeconds };
    statistics.recordAnswer(answer);
    if (answer.outcome === 'answered')
      labels.add({ id: asked.id, spam: asked.mail.spam, model: answer.model });
    options.onAnswer?.(answer);
  }

  return {
    population(name) {
      population = name;
    },
    statistics: () => ({ ...statistics.totals(), ...labels.counts(), seconds: statistics.seconds() }),
    between: statistics.between,
    async stop() {
      stopPacing();
      await Promise.all(inFlight);
      await labels.stop();
      agent.destroy();
    },
  };
}

const requestTimeoutMs = 10_000;
const paceMs = 5;
const labelBatchMs = 250;

interface Question {
  readonly id: string;
  readonly mail: Mail;
  readonly population: PopulationName;
}

/** Calls `send` at this rate on average, whatever became of the earlier calls; lateness is made up for. */
function startPacing(ratePerSecond: number, send: () => void): () => void {
  const startedAtMs = performance.now();
  let sent = 0;
  const timer = setInterval(() => {
    const due = Math.floor(((performance.now() - startedAtMs) / 1000) * ratePerSecond);
    for (; sent < due; sent += 1) send();
  }, paceMs);
  return () => clearInterval(timer);
}

function judge(
  reply: Reply,
  { mail, population }: Question,
): Pick<Answer, 'outcome' | 'population' | 'model' | 'correct'> {
  if (reply.kind === 'none') return { outcome: 'lost', population, model: undefined, correct: undefined };
  const spam = reply.status === 200 ? spamOf(reply.body) : undefined;
  if (spam === undefined) return { outcome: 'failed', population, model: reply.model, correct: undefined };
  return { outcome: 'answered', population, model: reply.model, correct: spam === mail.spam };
}

/** The classification; absent if the answer is none. */
function spamOf(body: string): boolean | undefined {
  try {
    const { spam } = JSON.parse(body) as { spam?: unknown };
    return typeof spam === 'boolean' ? spam : undefined;
  } catch {
    return undefined;
  }
}

interface Label {
  readonly id: string;
  readonly spam: boolean;
  readonly model: string | undefined;
}

/** Sends each label when it is due, in batches, one a model. */
function startLabels({
  urls,
  delayMs,
  agent,
}: {
  urls: ClientOptions['labelUrls'];
  delayMs: number;
  agent: Agent;
}) {
  const waiting: { label: Label; dueAtMs: number }[] = [];
  const inFlight = new Set<Promise<void>>();
  const counts = { labelsSent: 0, labelsLost: 0 };
  const timer = setInterval(() => {
    const notDue = waiting.findIndex(({ dueAtMs }) => dueAtMs > performance.now());
    const due = waiting.splice(0, notDue === -1 ? waiting.length : notDue).map(({ label }) => label);
    for (const [model, batch] of Map.groupBy(due, label => label.model)) track(inFlight, send(model, batch));
  }, labelBatchMs);

  async function send(model: string | undefined, batch: readonly Label[]): Promise<void> {
    const url = model === undefined ? undefined : urls[model];
    const body = JSON.stringify(batch.map(({ id, spam }) => ({ id, spam })));
    const reply = url === undefined ? undefined : await post(url, body, agent);
    const taken = reply?.kind === 'answer' && reply.status === 200;
    counts[taken ? 'labelsSent' : 'labelsLost'] += batch.length;
  }

  return {
    add(label: Label) {
      waiting.push({ label, dueAtMs: performance.now() + delayMs });
    },
    counts: () => ({ ...counts }),
    async stop() {
      clearInterval(timer);
      await Promise.all(inFlight);
    },
  };
}

type Reply =
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly body: string;
      readonly model: string | undefined;
    }
  | { readonly kind: 'none' };

/** Never rejects: a refused or broken connection and a late answer are `none`. */
function post(url: string, body: string, agent: Agent): Promise<Reply> {
  const { promise, resolve } = Promise.withResolvers<Reply>();
  const none = () => resolve({ kind: 'none' });
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
  const options = { method: 'POST', headers, agent, signal: AbortSignal.timeout(requestTimeoutMs) };
  const outgoing = request(url, options, response => {
    const chunks: Buffer[] = [];
    const model = response.headers['x-relaycore-target'];
    response.on('data', (chunk: Buffer) => chunks.push(chunk));
    response.once('error', none);
    response.once('end', () => {
      const text = Buffer.concat(chunks).toString();
      resolve({ kind: 'answer', status: response.statusCode!, body: text, model: model?.toString() });
    });
  });
  outgoing.once('error', none);
  outgoing.end(body);
  return promise;
}

function track(inFlight: Set<Promise<void>>, work: Promise<void>): void {
  inFlight.add(work);
  void work.finally(() => inFlight.delete(work));
}
