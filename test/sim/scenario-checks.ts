import type { Problem } from '@relaycore/rules';
import type { z } from 'zod';
import { format, type ScenarioFile } from './scenario-file.ts';

/** What the schema cannot see: how the parts fit together. */
export function inconsistencies(written: ScenarioFile): Problem[] {
  const problems: Problem[] = [];
  const say = (path: string, message: string, remedy: string) => problems.push({ path, message, remedy });
  if ((written.rates === undefined) === (written.arrivals === undefined))
    say('rates', 'is needed, unless arrivals are given, and not beside them', format.rates!);
  checkPhases(written.phases, 'phases', written.duration, say);
  for (const [index, { phases }] of written.backups.entries())
    if (phases.length > 0) checkPhases(phases, `backups.${index}.phases`, written.duration, say);
  const replicas = [
    ...written.faults.map((fault, index) => ({ path: `faults.${index}`, ...fault })),
    {
      path: 'resets',
      replica: written.resets?.replica,
    },
  ];
  for (const { path, replica } of replicas)
    if (replica !== undefined && replica > written.replicas)
      say(
        `${path}.replica`,
        `there are ${written.replicas} replicas`,
        `give 1 to ${written.replicas}, or more replicas`,
      );
  if (written.arrivals)
    for (const key of ['diurnal', 'scrape', 'resets'] as const)
      if (written[key]) say(key, 'cannot be combined with arrivals', 'remove one of them');
  if (written.arrivals && (written.replicas > 1 || written.backups.length > 0 || written.traffic.length > 0))
    say('arrivals', 'cannot be combined with replicas, backups or traffic', 'remove one of them');
  const latencies = [...written.phases, ...written.faults, ...written.backups].map(
    ({ latency_ms }) => latency_ms,
  );
  if (!written.arrivals && latencies.some(latency => latency?.kind === 'tokens'))
    say('phases', 'take a latency from tokens, but there are no requests with tokens', format.arrivals!);
  return problems;
}

function checkPhases(
  phases: ScenarioFile['phases'],
  path: string,
  durationMs: number,
  say: (path: string, message: string, remedy: string) => void,
): void {
  for (const [index, { at }] of phases.entries()) {
    const before = phases[index - 1];
    if (index === 0 && at !== 0) say(`${path}.0.at`, 'is not the start', 'give the first phase at: 0h');
    if (before && at <= before.at)
      say(
        `${path}.${index}.at`,
        'does not come after the phase before it',
        'list the phases in order of time',
      );
    if (at >= durationMs)
      say(`${path}.${index}.at`, 'lies beyond the end', 'give a longer duration, or an earlier phase');
  }
}

/** What zod found, in words, each with what the format takes there. */
export function problemsOf(issue: z.core.$ZodIssue, parent: readonly PropertyKey[] = []): Problem[] {
  const path = [...parent, ...issue.path];
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map(key => ({
      path: [...path, key].join('.'),
      message: 'is not a key of a scenario',
      remedy: remedyAt(path),
    }));
  if (issue.code === 'invalid_union') {
    const closest = issue.errors.filter(isOfThatKind).toSorted((a, b) => mistakes(a) - mistakes(b))[0];
    if (closest) return closest.flatMap(inner => problemsOf(inner, path));
  }
  const missing = issue.input === undefined && issue.code === 'invalid_type';
  const message = missing ? 'is missing' : issue.message.replace(/^[A-Z]/, first => first.toLowerCase());
  return [{ path: path.join('.') || '(file)', message, remedy: remedyAt(path) }];
}

/** A form of a union that was meant: a mapping where a mapping is written, and so on. */
const isOfThatKind = (issues: readonly z.core.$ZodIssue[]) =>
  !issues.some(({ path, code }) => path.length === 0 && code === 'invalid_type');

const mistakes = (issues: readonly z.core.$ZodIssue[]) =>
  issues.reduce((sum, issue) => sum + (issue.code === 'unrecognized_keys' ? issue.keys.length : 1), 0);

/** What the format says about that place, or about the nearest one around it. */
function remedyAt(path: readonly PropertyKey[]): string {
  const names = path.filter(step => typeof step === 'string');
  if (names.length === 0) return `a scenario has: ${Object.keys(format).filter(isTopLevel).join(', ')}`;
  for (let length = names.length; length > 0; length--) {
    const near = names.slice(0, length);
    const told = format[near.join('.')] ?? format[near.at(-1)!];
    if (told) return `${near.at(-1)} takes ${told}`;
  }
  return 'see npm run simulate -- --help';
}

const conditionKeys = ['success', 'latency_ms', 'score', 'degraded'];
const isTopLevel = (key: string) => !key.includes('.') && !conditionKeys.includes(key);
