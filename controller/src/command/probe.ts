import type { GoldenOutcome } from '../read/expectation.ts';
import { goldenRequestsOf, type Look, lookAt } from '../read/look.ts';
import { readPolicy } from '../serve.ts';
import { Ended, exits, wrongUsage } from './exit.ts';
import { bold, print, table } from './text.ts';

export interface ProbeArguments {
  readonly policy: string;
  readonly json?: boolean;
}

/** Sends every golden request of a model from here, and says how each went. */
export async function runProbe(name: string, options: ProbeArguments): Promise<void> {
  const { models } = await readPolicy(options.policy, process.env);
  const model = models[name];
  if (!model)
    throw wrongUsage(
      `there is no model "${name}" in ${options.policy}; use one of: ${Object.keys(models).join(', ')}`,
    );
  if (model.endpoint === undefined)
    throw wrongUsage(`${name} has no endpoint; add models.${name}.endpoint to ${options.policy}`);
  const look = await lookAt(model, { all: true });
  print({ model: name, passed: look.failure === undefined, ...look }, options, () => wordsOf(name, look));
  if (look.failure !== undefined)
    throw new Ended(exits.refused, `${name} fails: ${look.failure} (${goldenRequestsOf(model).length} sent)`);
}

function wordsOf(name: string, { outcomes, score, durationMs }: Look): string {
  const scored = score === undefined ? '' : `, score ${Number(score.toFixed(4))}`;
  return [
    table(['GOLDEN REQUEST', 'OUTCOME', 'STATUS', 'TIME', 'SCORE'], outcomes.map(rowOf)),
    bold(`${name}: ${outcomes.length} golden requests in ${Math.round(durationMs)} ms${scored}`),
  ].join('\n');
}

function rowOf({ name, outcome, status, latencyMs, score, reason }: GoldenOutcome) {
  return {
    cells: [
      name,
      outcome.replaceAll('_', ' '),
      status === undefined ? '–' : String(status),
      `${Math.round(latencyMs)} ms`,
      score === undefined ? '–' : String(Number(score.toFixed(4))),
    ],
    notes: reason === undefined ? [] : [reason],
  };
}
