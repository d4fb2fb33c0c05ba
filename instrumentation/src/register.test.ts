import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { freePort, type RunningServer, startPrometheus } from '../../test/support/servers.ts';
import { type Application, createApplication, type Serving } from '../test/applications.ts';
import { type FakeOpenai, startFakeOpenai } from '../test/fake-openai.ts';

const example = fileURLToPath(new URL('../examples/commonjs/server.cjs', import.meta.url));
const streaming = fileURLToPath(new URL('../test/applications/streaming.mjs', import.meta.url));
const register = ['--import', '@neuroweaver/instrumentation/register'];

/** With the shape of the packages, which are large: classes behind getters that nobody can change. */
const standIns = {
  'node_modules/onnxruntime-node/package.json': '{"name":"onnxruntime-node","version":"1.30.0"}',
  'node_modules/onnxruntime-node/session.js': `
    exports.InferenceSession = class InferenceSession {
      inputNames = ['x'];
      static async create() { return new InferenceSession(); }
      async run(feeds) { return feeds; }
    };`,
  'node_modules/onnxruntime-node/index.js': `
    const session = require('./session.js');
    Object.defineProperty(exports, 'InferenceSession', { enumerable: true, get: function () { return session.InferenceSession; } });`,
  'node_modules/@huggingface/transformers/package.json': JSON.stringify({
    name: '@huggingface/transformers',
    version: '4.3.1',
    exports: { import: './index.mjs', require: './index.cjs' },
  }),
  'node_modules/@huggingface/transformers/pipeline.cjs': `
    module.exports = async task => {
      const closure = (...given) => closure._call(...given);
      class Pipeline { async _call(text) { return text.length; } }
      return Object.assign(Object.setPrototypeOf(closure, Pipeline.prototype), { task, model: { config: {} } });
    };`,
  'node_modules/@huggingface/transformers/index.mjs': `
    import made from './pipeline.cjs';
    export const pipeline = made;`,
  'node_modules/@huggingface/transformers/index.cjs': `
    Object.defineProperty(exports, 'pipeline', { enumerable: true, get: () => require('./pipeline.cjs') });`,
};

const askEverything = `
  const main = async () => {
    await new OpenAI({ apiKey: 'none' }).chat.completions.create({ model: 'chat', messages: [] });
    await (await InferenceSession.create('/models/spam-v1.onnx')).run({ x: 1 });
    await (await pipeline('summarization', 'org/short'))('a text');
    const page = await (await fetch('http://127.0.0.1:' + process.env.OTEL_EXPORTER_PROMETHEUS_PORT + '/metrics')).text();
    for (const line of page.split('\\n')) if (/^ml_server_requests_total.* 1$/.test(line)) console.log(line);
  };
  main();`;

const programs = {
  'all.mjs': `import OpenAI from 'openai';
    import { InferenceSession } from 'onnxruntime-node';
    import { pipeline } from '@huggingface/transformers';${askEverything}`,
  'all.cjs': `const OpenAI = require('openai');
    const { InferenceSession } = require('onnxruntime-node');
    const { pipeline } = require('@huggingface/transformers');${askEverything}`,
  'joins.mjs': `import { init } from '@neuroweaver/instrumentation';
    import { Worker } from 'node:worker_threads';
    const worker = new Worker('', { eval: true });
    await new Promise(resolve => worker.once('exit', resolve));
    const ml = init({ port: 0, serviceName: 'other' });
    await ml.ready;
    console.log(ml.endpoint);`,
  'goes-on.cjs': `console.log('the server goes on');`,
};

/** Each test starts a Node or two, which a busy machine is slow at. */
vi.setConfig({ testTimeout: 120_000 });

let application: Application;
let fake: FakeOpenai;
beforeAll(async () => {
  fake = await startFakeOpenai();
  application = await createApplication({ ...standIns, ...programs });
});
afterAll(async () => {
  await application?.remove();
  fake?.stop();
});

test.each(['all.mjs', 'all.cjs'])('%s: calls of all libraries are counted', async program => {
  const port = await freePort();
  const { said, warned, code } = await application.run([...register, program], variables(port));
  const counted = [
    ...said.matchAll(/gen_ai_provider_name="(\w+)",gen_ai_request_model="([^"]+)".*outcome="ok"/g),
  ];
  expect(warned).toBe('');
  expect(code).toBe(0);
  expect(counted.map(([, provider, model]) => `${provider} ${model}`).toSorted()).toEqual([
    'huggingface org/short',
    'onnxruntime spam-v1',
    'openai chat',
  ]);
});

test('a library that was loaded before is warned of', async () => {
  const variables_ = variables(await freePort());
  const { warned } = await application.run(['--require', 'openai', ...register, 'goes-on.cjs'], variables_);
  expect(warned).toContain('NeuroweaverWarning: openai was loaded before @neuroweaver/instrumentation');
});

test('init gives what is there, with a warning of what it has no effect on', async () => {
  const port = await freePort();
  const { said, warned, code } = await application.run([...register, 'joins.mjs'], variables(port));
  expect(said.trim()).toBe(`http://127.0.0.1:${port}/metrics`);
  expect(warned).toContain('NeuroweaverWarning: init() has no effect on serviceName, port:');
  expect(code).toBe(0);
});

test('what is wrong with the variables is said, and the server goes on', async () => {
  const wrong = {
    OTEL_EXPORTER_PROMETHEUS_PORT: 'http',
    NEUROWEAVER_PATHS: 'v1',
    NEUROWEAVER_LIBRARIES: 'tf',
  };
  const { said, warned, code } = await application.run([...register, 'goes-on.cjs'], wrong);
  expect(said.trim()).toBe('the server goes on');
  expect(code).toBe(0);
  expect(warned).toContain('NeuroweaverWarning: Nothing is measured until these are corrected');
  expect(warned).toContain('(or set OTEL_EXPORTER_PROMETHEUS_PORT, now "http")');
  expect(warned).toContain('"v1" is no path');
  expect(warned).toContain('NEUROWEAVER_LIBRARIES has "tf"');
});

test('a port that is taken is said, and the server goes on', async () => {
  const holder = createServer().listen(0, '127.0.0.1');
  await once(holder, 'listening');
  const { port } = holder.address() as AddressInfo;
  const server = await application.serve([...register, example], { ...variables(port), PORT: '0' });
  expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
  expect(await server.stop()).toContain(`127.0.0.1:${port}: the port is taken.`);
  holder.close();
});

test('Prometheus sees the requests of a CommonJS server, and of a streaming one with its language model', async () => {
  const [sentiment, chat] = await Promise.all([startSentiment(), startChat()]);
  const prometheus = await startPrometheus({
    folder: application.folder,
    config: `
global: { scrape_interval: 1s }
scrape_configs:
  - job_name: models
    static_configs: [{ targets: ['127.0.0.1:${sentiment.port}', '127.0.0.1:${chat.port}'] }]
`,
  });
  try {
    const ask = async (body: string) =>
      (await fetch(`${sentiment.server.url}/v1/sentiment`, { method: 'POST', body })).status;
    expect(await ask('{"text": "works great"}')).toBe(200);
    expect(await ask('no JSON')).toBe(400);
    await fetch(`${sentiment.server.url}/healthz`);
    const say = async (model: string) =>
      (await fetch(chat.server.url, { method: 'POST', body: JSON.stringify({ model }) })).text();
    expect(await say('small')).toBe('hello');
    await say('status-500');
    const requests = 'ml_server_requests_total';
    expect(await answer(prometheus, `${requests}{gen_ai_request_model="sentiment"} == 1`, 2)).toEqual([
      { model: 'sentiment', outcome: 'cancelled', version: '1' },
      { model: 'sentiment', outcome: 'ok', version: '1' },
    ]);
    const all = await answer(prometheus, `${requests}{ml_model_version="unversioned"} == 1`, 4);
    expect(all.map(({ model, outcome }) => `${model} ${outcome}`)).toEqual([
      'chat error',
      'chat ok',
      'small ok',
      'status-500 error',
    ]);
    const firstToken = 'gen_ai_server_time_to_first_token_count{gen_ai_request_model="small"} == 1';
    expect(await answer(prometheus, firstToken, 1)).toHaveLength(1);
    expect(await answer(prometheus, 'sum(ml_telemetry_rejected_total) == 0', 1)).toHaveLength(1);
  } finally {
    await prometheus.stop();
  }
});

function variables(port: number): NodeJS.ProcessEnv {
  return {
    OTEL_EXPORTER_PROMETHEUS_PORT: String(port),
    OPENAI_BASE_URL: fake.url,
    OPENAI_API_KEY: 'none',
  };
}

interface Measured {
  readonly server: Serving;
  readonly port: number;
}

async function startSentiment(): Promise<Measured> {
  const port = await freePort();
  const model = {
    NEUROWEAVER_MODEL: 'sentiment',
    NEUROWEAVER_MODEL_VERSION: '1',
    NEUROWEAVER_PATHS: '/v1/*',
  };
  const server = await application.serve([...register, example], { ...variables(port), ...model, PORT: '0' });
  return { server, port };
}

async function startChat(): Promise<Measured> {
  const port = await freePort();
  const model = { NEUROWEAVER_MODEL: 'chat' };
  return {
    server: await application.serve([...register, streaming], { ...variables(port), ...model }),
    port,
  };
}

interface Found {
  readonly model?: string;
  readonly outcome?: string;
  readonly version?: string;
}

const queryPauseMs = 100;
const queryDeadlineMs = 60_000;

/** The first answer with as many series, sorted. */
async function answer({ url }: RunningServer, query: string, count: number): Promise<readonly Found[]> {
  const deadline = AbortSignal.timeout(queryDeadlineMs);
  for (;;) {
    const response = await fetch(`${url}/api/v1/query?${new URLSearchParams({ query })}`, {
      signal: deadline,
    });
    const { data } = (await response.json()) as { data: { result: { metric: Record<string, string> }[] } };
    if (data.result.length === count) return data.result.map(({ metric }) => found(metric)).toSorted(byText);
    await delay(queryPauseMs, undefined, { signal: deadline });
  }
}

function found({
  gen_ai_request_model: model,
  outcome,
  ml_model_version: version,
}: Record<string, string>): Found {
  return { ...(model && { model }), ...(outcome && { outcome }), ...(version && { version }) };
}

function byText(left: Found, right: Found): number {
  return JSON.stringify(left) < JSON.stringify(right) ? -1 : 1;
}
