import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { jsonQueryOf, untagged } from './prisma-query.ts';

/*
 * Prisma's query engine as its Python client starts it (`-p PORT`), from npm: the binary comes from a server of Prisma's
 * that is no registry. The queries are carried out by Prisma's own engine for WebAssembly, on the real database.
 *
 * ENGINE_PACKAGES: a folder whose node_modules has @prisma/client and @prisma/adapter-pg of the same version.
 */

interface Engine {
  connect(trace: string): Promise<void>;
  query(body: string, trace: string, transaction?: string): Promise<string>;
  startTransaction(options: string, trace: string): Promise<string>;
  commitTransaction(id: string, trace: string): Promise<string>;
  rollbackTransaction(id: string, trace: string): Promise<string>;
}

/** Of all Node versions, but of no types that belong to Node. */
declare const WebAssembly: {
  instantiate(code: Uint8Array, imports: object): Promise<{ instance: { exports: object } }>;
};

const trace = '{}';

if (process.argv.includes('--version')) console.log('query-engine from npm');
else await serve(Number(process.argv[process.argv.indexOf('-p') + 1]));

async function serve(port: number): Promise<void> {
  const engine = await startEngine();
  const server = createServer(async (request, response) => {
    const transaction = request.headers['x-transaction-id']?.toString();
    try {
      response.end(await answer(engine, request.url!, await text(request), transaction));
    } catch (error) {
      response.writeHead(500).end(`${error}`);
    }
  });
  server.listen(port, 'localhost');
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit());
}

async function answer(engine: Engine, url: string, body: string, transaction?: string): Promise<string> {
  const [, id = '', end] = /^\/transaction\/(.+)\/(commit|rollback)$/.exec(url) ?? [];
  if (url === '/status') return '{"status":"ok"}';
  if (url === '/transaction/start') return engine.startTransaction(body, trace);
  if (end === 'commit') return engine.commitTransaction(id, trace);
  if (end === 'rollback') return engine.rollbackTransaction(id, trace);
  const asked = JSON.parse(body) as { query: string } | { batch: { query: string }[]; transaction: boolean };
  if ('query' in asked)
    return asGraphql(
      JSON.parse(await engine.query(JSON.stringify(jsonQueryOf(asked.query)), trace, transaction)),
    );
  const batch = asked.batch.map(({ query }) => jsonQueryOf(query));
  const whole = { batch, ...(asked.transaction && { transaction: {} }) };
  const { batchResult, ...rest } = JSON.parse(await engine.query(JSON.stringify(whole), trace, transaction));
  return JSON.stringify({
    ...rest,
    batchResult: batchResult?.map((each: Result) => JSON.parse(asGraphql(each))),
  });
}

interface Result {
  readonly data?: Readonly<Record<string, unknown>>;
}

/** The client calls every result `result`. */
function asGraphql({ data, ...rest }: Result): string {
  return JSON.stringify({ ...rest, ...(data && { data: { result: untagged(Object.values(data)[0]) } }) });
}

async function startEngine(): Promise<Engine> {
  const load = createRequire(join(process.env.ENGINE_PACKAGES!, 'package.json'));
  const runtime = join(dirname(load.resolve('@prisma/client/package.json')), 'runtime');
  const glue = load(join(runtime, 'query_engine_bg.postgresql.js')) as Glue;
  const code = await readFile(join(runtime, 'query_engine_bg.postgresql.wasm'));
  const { instance } = await WebAssembly.instantiate(code, { './query_engine_bg.js': glue });
  glue.__wbg_set_wasm(instance.exports);
  const { Pool } = load('pg') as { Pool: new (options: object) => object };
  const { PrismaPg } = load('@prisma/adapter-pg') as { PrismaPg: new (pool: object) => object };
  const { bindAdapter } = load('@prisma/driver-adapter-utils') as { bindAdapter(adapter: object): object };
  const adapter = bindAdapter(new PrismaPg(new Pool({ connectionString: process.env.DATABASE_URL, max: 5 })));
  const options = {
    datamodel: await datamodel(),
    logLevel: 'error',
    logQueries: false,
    ignoreEnvVarErrors: true,
  };
  const engine = new glue.QueryEngine(options, line => console.error(line), adapter);
  await engine.connect(trace);
  return engine;
}

/** What wasm-bindgen put between JavaScript and the engine. */
interface Glue {
  readonly QueryEngine: new (options: object, log: (line: string) => void, adapter: object) => Engine;
  __wbg_set_wasm(exports: object): void;
}

/** The client's own generator, which the engine does not know, in exchange for one that has adapters. */
async function datamodel(): Promise<string> {
  const schema = await readFile(process.env.PRISMA_DML_PATH!, 'utf8');
  const generator =
    'generator js {\n  provider = "prisma-client-js"\n  previewFeatures = ["driverAdapters"]\n}\n';
  return schema.replaceAll(/generator \w+ \{[^}]*\}/g, '').concat(generator);
}
