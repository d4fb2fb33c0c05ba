import { checkName } from './custom-checks.ts';
import type { Problem } from './problems.ts';
import { syntaxError } from './promql.ts';
import type { PolicyFile, ResourceFile } from './schema.ts';
import { objectionToValue } from './selectors.ts';

/** What the schema cannot see of the resources. */
export function checkResources({ resources, signals }: PolicyFile): Problem[] {
  return Object.entries(resources).flatMap(([name, resource]) => [
    ...checkName(`resources.${name}`, name, Object.keys(signals)),
    ...checkValue(`resources.${name}.value`, resource.value),
    ...checkThresholds(`resources.${name}`, resource),
  ]);
}

function checkValue(path: string, value: string): Problem[] {
  const error = syntaxError(value);
  if (error) return [{ path, message: `is not PromQL: ${error}`, remedy: 'correct the expression' }];
  const objection = objectionToValue(value);
  return objection ? [{ path, ...objection }] : [];
}

function checkThresholds(path: string, resource: ResourceFile): Problem[] {
  const { warning_threshold: warning, critical_threshold: critical, clear_below: clear } = resource;
  const problems: Problem[] = [];
  if (critical !== undefined && critical < warning)
    problems.push({
      path,
      message: `the warning (${warning}) comes after the critical (${critical})`,
      remedy: 'a warning has to be raised first: give warning_threshold the lower number',
    });
  if (clear !== undefined && clear >= warning)
    problems.push({
      path: `${path}.clear_below`,
      message: `${clear} is not below the warning (${warning})`,
      remedy: 'what is over has to be told from what begins: give a lower number, or leave it out',
    });
  return problems;
}
