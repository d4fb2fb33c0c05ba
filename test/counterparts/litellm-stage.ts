import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { addDeployments, litellmToken, startFakeLitellm } from '../../controller/src/apply/fixture.ts';
import { startPostgresql } from '../support/postgresql.ts';
import { startOpenai } from './fake-openai.ts';
import { installLitellm } from './litellm-install.ts';
import { createTables, forgetDeployments, startLitellm } from './litellm-server.ts';

/** Two proxies on one database, for all tests of a file, and how a test gets one as nobody has told it anything yet. */
export interface Stage {
  startFake(): Promise<string>;
  startReal(): Promise<string>;
  /** The other proxy: it has the same deployments once it has looked into the database. */
  second(): string;
}

/** Besides what tests add, a deployment that only the configuration file knows. */
export const fixedId = 'fixed';

const config = `model_list:
  - model_name: ${fixedId}
    litellm_params: { model: openai/any, api_base: 'http://127.0.0.1:1', api_key: none, weight: 1 }
    model_info: { id: ${fixedId} }
litellm_settings: { telemetry: false }
`;

export function setStage(): Stage {
  const stops: (() => Promise<unknown>)[] = [];
  let databaseUrl: string;
  let upstreams: readonly string[];
  let proxies: readonly string[];

  const started = <T extends { stop(): Promise<unknown> }>(each: T): T => {
    stops.unshift(each.stop);
    return each;
  };

  beforeAll(async () => {
    const installed = await installLitellm(line => console.error(`counterparts: ${line}`));
    const folder = await mkdtemp(join(tmpdir(), 'counterparts-'));
    stops.push(() => rm(folder, { recursive: true, force: true }));
    databaseUrl = await started(await startPostgresql({ folder })).freshDatabase();
    await createTables(installed, databaseUrl);
    upstreams = (await Promise.all(['one', 'two'].map(startOpenai))).map(each => started(each).url);
    const settings = { installed, folder, databaseUrl, token: litellmToken, config };
    const both = await Promise.all([startLitellm(settings), startLitellm(settings)]);
    proxies = both.map(each => started(each).url);
  });

  afterAll(async () => {
    for (const stop of stops) await stop();
  });

  return {
    startFake: async () => (await startFakeLitellm()).url,
    async startReal() {
      await forgetDeployments(databaseUrl);
      await addDeployments(proxies[0]!, litellmToken, name => upstreams[name === 'a' ? 0 : 1]!);
      return proxies[0]!;
    },
    second: () => proxies[1]!,
  };
}
