import { closestName, type Problem } from './problems.ts';
import { syntaxError } from './promql.ts';
import type { CustomSignalFile, PolicyFile } from './schema.ts';
import { type Objection, objectionToCounters, objectionToHistogram } from './selectors.ts';
import { builtInNames, mergeThresholds, type Thresholds } from './signals.ts';

/** What the schema cannot see of the signals that a policy adds. */
export function checkCustomSignals(file: PolicyFile, defaults: Thresholds): Problem[] {
  return [
    ...Object.entries(file.signals).flatMap(([name, signal]) => [
      ...checkName(`signals.${name}`, name, []),
      ...checkSource(`signals.${name}`, signal),
      ...checkThresholds(`signals.${name}`, name, signal, defaults),
    ]),
    ...Object.entries(file.models).flatMap(([id, model]) =>
      Object.keys(model.signals ?? {}).flatMap(name => {
        const path = `models.${id}.signals.${name}`;
        const signal = Object.hasOwn(file.signals, name) ? file.signals[name] : undefined;
        return signal
          ? checkThresholds(path, name, signal, mergeThresholds(defaults, model))
          : unknownSignal(path, name, Object.keys(file.signals));
      }),
    ),
  ];
}

/** A person's hand on a route is recorded in the place of a signal. */
const reserved: readonly string[] = [...builtInNames, 'manual'];

/** Signals and resources share their names: both stand in the same label. */
export function checkName(path: string, name: string, others: readonly string[]): Problem[] {
  if (others.includes(name))
    return [{ path, message: `signals.${name} has that name too`, remedy: 'give one of them another name' }];
  if (!reserved.includes(name)) return [];
  const remedy =
    name === 'manual'
      ? 'give another name'
      : 'change its thresholds under model_performance, or give another name';
  return [{ path, message: `"${name}" is taken`, remedy }];
}

function checkSource(path: string, { bad, total, scores }: CustomSignalFile): Problem[] {
  const isPair = bad !== undefined && total !== undefined && scores === undefined;
  const isScores = bad === undefined && total === undefined && scores !== undefined;
  const problems: Problem[] = [];
  if (!isPair && !isScores)
    problems.push({
      path,
      message: 'is neither a pair of counters nor a histogram of scores',
      remedy: 'give bad and total, or scores alone',
    });
  return [
    ...problems,
    ...checkExpression(`${path}.bad`, bad, objectionToCounters),
    ...checkExpression(`${path}.total`, total, objectionToCounters),
    ...checkExpression(`${path}.scores`, scores, objectionToHistogram),
  ];
}

function checkExpression(
  path: string,
  expression: string | undefined,
  objectionTo: (expression: string) => Objection | undefined,
): Problem[] {
  if (expression === undefined) return [];
  const error = syntaxError(expression);
  if (error) return [{ path, message: `is not PromQL: ${error}`, remedy: 'correct the expression' }];
  const objection = objectionTo(expression);
  return objection ? [{ path, ...objection }] : [];
}

function checkThresholds(
  path: string,
  name: string,
  { scores }: CustomSignalFile,
  { custom }: Thresholds,
): Problem[] {
  const { critical, warning = critical } = custom[name]!;
  const isLate = scores === undefined ? warning > critical : warning < critical;
  const problems: Problem[] = [];
  if (isLate)
    problems.push({
      path,
      message: `the warning (${warning}) comes after the critical (${critical})`,
      remedy: `a warning has to be raised first: give warning_threshold the ${scores === undefined ? 'lower' : 'higher'} number`,
    });
  for (const [level, threshold] of Object.entries({ warning, critical }))
    if (threshold <= 0 || threshold >= 1)
      problems.push({
        path: `${path}.${level}_threshold`,
        message: `${threshold} leaves nothing to tell apart`,
        remedy: 'give a number between 0 and 1, for example 0.02',
      });
  return problems;
}

function unknownSignal(path: string, name: string, known: readonly string[]): Problem[] {
  const near = closestName(name, known);
  const remedy = near
    ? `did you mean "${near}"?`
    : `add it under signals, or use one of: ${known.join(', ') || '(none yet)'}`;
  return [{ path, message: `there is no signal "${name}"`, remedy }];
}
