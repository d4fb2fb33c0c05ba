import { isMainThread } from 'node:worker_threads';
import { NeuroweaverInstrumentation } from './automatic/plugin.ts';
import { shareRegistered } from './automatic/registered.ts';
import { readVariables } from './automatic/variables.ts';
import { warn } from './automatic/warn.ts';
import { readOptions } from './options.ts';
import { isDisabled } from './provider.ts';
import { startMeasuring } from './start.ts';

/*
 * node --import @neuroweaver/instrumentation/register server.js
 *
 * Measures a server that knows nothing of it, as environment variables say. Worker threads inherit `--import`; one page
 * is enough.
 */
if (isMainThread && !isDisabled(process.env)) register(process.env);

function register(environment: NodeJS.ProcessEnv): void {
  const { settings, problems } = readOptions({}, environment);
  const variables = readVariables(environment, settings.serviceName);
  const wrong = [...problems, ...variables.problems];
  if (wrong.length > 0) {
    warn(`Nothing is measured until these are corrected, and the server goes on:\n${wrong.join('\n')}`);
    return;
  }
  // OpenTelemetry's global provider stays free for the application's own SDK, which starts later.
  const started = { ...settings, bearerToken: variables.bearerToken, globalProvider: false };
  const ml = startMeasuring(started);
  ml.ready.catch((error: Error) => warn(error.message));
  shareRegistered(ml, started);
  const { requests, libraries, models } = variables;
  new NeuroweaverInstrumentation({ requests, libraries, models, ml });
}
