import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Client, startClient } from '../../deploy/demo/client.ts';
import { ensureModels } from '../../deploy/demo/mail/train.ts';
import { type Stack, type StackOptions, startStack } from '../../deploy/demo/stack.ts';
import { type Watch, watchController } from '../../deploy/demo/watch.ts';
import { startWebhookSink } from '../../deploy/demo/webhook-sink.ts';

export const root = fileURLToPath(new URL('../..', import.meta.url));

/** The demo's servers with mail on them, for a test to play its own story. */
export interface Demo {
  readonly stack: Stack;
  readonly client: Client;
  readonly watch: Watch;
  stop(): Promise<void>;
}

export async function startDemo({
  seed,
  ...options
}: { readonly seed: number } & Pick<StackOptions, 'mode'>): Promise<Demo> {
  const folder = await mkdtemp(join(tmpdir(), 'relaycore-demo-'));
  const cacheFolder = join(root, '.cache/demo');
  const { mail } = await ensureModels(cacheFolder);
  const sink = await startWebhookSink(() => undefined);
  const onProgress = () => undefined;
  const stack = await startStack({ folder, cacheFolder, webhookUrl: sink.url, onProgress, ...options });
  const { gateway, labelUrls } = stack;
  const client = startClient({ gatewayUrl: gateway.url, labelUrls, mail, labelDelayMs: 500, seed });
  const watch = watchController(stack.controller().url, () => undefined);
  return {
    stack,
    client,
    watch,
    async stop() {
      watch.stop();
      await client.stop();
      await stack.stop();
      await sink.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
