import { pino } from 'pino';
import { configOf, type ServeOptions } from '../config.ts';
import { messageOf } from '../errors.ts';
import { readPolicy, serve } from '../serve.ts';

/** Runs the controller until a signal ends it. */
export async function runController(options: ServeOptions): Promise<void> {
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
