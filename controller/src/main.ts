#!/usr/bin/env node
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { compilePolicy } from '@relaycore/rules';
import { Command } from 'commander';
import { pino } from 'pino';
import { backtest } from './backtest.ts';
import { configOf, type ServeOptions } from './config.ts';
import { messageOf } from './errors.ts';
import { prometheusClient } from './read/client.ts';
import { readPolicy, serve } from './serve.ts';

const program = new Command('relayctl').description(
  'Notices when a served model goes bad, moves its route to a good backup, and brings it back once it has proven itself.',
);

program
  .command('serve')
  .description('run the controller')
  .requiredOption('--policy <file>', 'policy of thresholds and routes')
  .option('--prometheus <url>', 'Prometheus to read (PROMETHEUS_URL, default http://127.0.0.1:9090)')
  .option(
    '--data <folder>',
    'embedded database, used without DATABASE_URL (RELAYCORE_DATA, default .relaycore)',
  )
  .option(
    '--host <address>',
    'address to listen on (HOST, default 127.0.0.1; another one needs RELAYCORE_TOKEN)',
  )
  .option('--port <number>', 'port to listen on (PORT, default 8080; 0 takes a free one)')
  .action(runServer);

program
  .command('check')
  .description('check a policy; lists every problem with its remedy')
  .argument('<file>', 'policy file')
  .action(async (file: string) => {
    const { models, routes } = await readPolicy(file, process.env);
    console.log(
      `${file} is good: ${Object.keys(models).length} models, ${Object.keys(routes).length} routes`,
    );
  });

program
  .command('compile')
  .description('compile a policy to Prometheus recording and alerting rules')
  .argument('<file>', 'policy file')
  .requiredOption('--out <folder>', 'folder for the rule files')
  .action(async (file: string, { out }: { out: string }) => {
    await mkdir(out, { recursive: true });
    for (const [name, text] of Object.entries(compilePolicy(await readPolicy(file, process.env)))) {
      await writeFile(join(out, name), text);
      console.log(join(out, name));
    }
  });

program
  .command('backtest')
  .description('replay a policy over what Prometheus holds; lists the switches it would have made')
  .requiredOption('--policy <file>', 'policy to try')
  .requiredOption('--from <time>', 'ISO 8601, epoch milliseconds, or a time ago such as 2h')
  .option('--to <time>', 'likewise', 'now')
  .option('--prometheus <url>', 'Prometheus to read (PROMETHEUS_URL, default http://127.0.0.1:9090)')
  .option('--json', 'print the switches with their whole evidence')
  .action(runBacktest);

await program.parseAsync().catch(error => {
  console.error(`relayctl: ${messageOf(error)}`);
  process.exitCode = 1;
});

async function runServer(options: ServeOptions): Promise<void> {
  const log = pino({ name: 'relaycore', base: null, timestamp: pino.stdTimeFunctions.isoTime });
  const config = configOf(options, process.env);
  const controller = await serve(config, await readPolicy(config.policyFile, process.env), log);
  log.info({ listening: controller.url, prometheus: config.prometheusUrl }, 'controller started');
  if (config.token === undefined) log.warn('no RELAYCORE_TOKEN: the API is open, on loopback only');
  const stop = (signal: NodeJS.Signals) => {
    log.info({ signal }, 'stopping after the round in flight');
    controller.stop().then(
      () => process.exit(0),
      error => {
        log.error({ error: messageOf(error) }, 'stopping failed');
        process.exit(1);
      },
    );
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
}

async function runBacktest(options: BacktestArguments): Promise<void> {
  const now = Date.now();
  const from = instant('--from', options.from, now);
  const until = instant('--to', options.to, now);
  if (from >= until) throw new Error(`--from ${options.from} is not before --to ${options.to}`);
  const policy = await readPolicy(options.policy, process.env);
  const { prometheusUrl } = configOf(options, process.env);
  const client = prometheusClient({ url: prometheusUrl, timeoutMs: 60_000 });
  const switches = await backtest({
    policy,
    client,
    from,
    until,
    onProgress: at => process.stderr.write(`\r${Math.round((100 * (at - from)) / (until - from))} %`),
  });
  process.stderr.write('\r');
  if (options.json) console.log(JSON.stringify(switches, null, 2));
  else {
    for (const { at, route, change } of switches)
      console.log(
        `${new Date(at).toISOString()}  ${route}  ${change.kind} ${change.from} → ${change.to}: ${change.words}`,
      );
    console.log(`${switches.length} switches in ${((until - from) / 3_600_000).toFixed(1)} h`);
  }
}

interface BacktestArguments {
  readonly policy: string;
  readonly from: string;
  readonly to: string;
  readonly prometheus?: string;
  readonly json?: boolean;
}

const unitMs = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

function instant(option: string, text: string, now: number): number {
  if (text === 'now') return now;
  const ago = /^(\d+(?:\.\d+)?)([smhd])$/.exec(text);
  if (ago) return now - Number(ago[1]) * unitMs[ago[2] as keyof typeof unitMs];
  const at = /^\d+$/.test(text) ? Number(text) : Date.parse(text);
  if (Number.isFinite(at)) return at;
  throw new Error(
    `${option} ${text} is not a time; give 2026-11-01T12:00:00Z, epoch milliseconds, or a time ago such as 2h`,
  );
}
