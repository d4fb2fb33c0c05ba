import { backtest } from '../backtest.ts';
import { configOf } from '../config.ts';
import { prometheusClient } from '../read/client.ts';
import { readPolicy } from '../serve.ts';
import { wrongUsage } from './exit.ts';
import { instant } from './times.ts';

export interface BacktestArguments {
  readonly policy: string;
  readonly from: string;
  readonly to: string;
  readonly prometheus?: string;
  readonly json?: boolean;
}

/** Lists the switches that a policy would have made. */
export async function runBacktest(options: BacktestArguments): Promise<void> {
  const now = Date.now();
  const from = instant('--from', options.from, now);
  const until = instant('--to', options.to, now);
  if (from >= until) throw wrongUsage(`--from ${options.from} is not before --to ${options.to}`);
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
