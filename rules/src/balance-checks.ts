import { shippedBalance } from './balance.ts';
import { closestName, type Problem } from './problems.ts';
import type { BalanceFile, PolicyFile, RouteFile } from './schema.ts';

/** How the balancing of a route fits its targets, its bounds each other, and its pace what it is measured by. */
export function checkBalance(
  path: string,
  route: RouteFile,
  alerts: PolicyFile['alert_settings'],
): Problem[] {
  const { balance, targets } = route;
  if (!balance) return [];
  if (targets.length < 2)
    return [
      { path, message: 'the route has one target only', remedy: 'add another target, or leave it out' },
    ];
  return [
    ...checkParts(path, balance, targets),
    ...checkBounds(path, balance, (balance.targets ?? targets).length),
    ...checkPace(path, balance, alerts),
  ];
}

function checkParts(path: string, { targets: parts }: BalanceFile, targets: readonly string[]): Problem[] {
  if (!parts) return [];
  const problems = parts.flatMap((part, index): Problem[] => {
    const at = `${path}.targets.${index}`;
    if (parts.indexOf(part) !== index)
      return [{ path: at, message: `"${part}" stands twice`, remedy: 'remove the second one' }];
    if (targets.includes(part)) return [];
    const near = closestName(part, targets);
    const remedy = near ? `did you mean "${near}"?` : `use some of: ${targets.join(', ')}`;
    return [{ path: at, message: `"${part}" is no target of the route`, remedy }];
  });
  if (!parts.includes(targets[0]!))
    problems.push({
      path: `${path}.targets`,
      message: `the primary "${targets[0]}" does not take part`,
      remedy: `add it, or put one that takes part first under the route's targets`,
    });
  return problems;
}

function checkBounds(path: string, balance: BalanceFile, parts: number): Problem[] {
  const minimum = balance.minimum_percent ?? shippedBalance.minimumPercent;
  const maximum = balance.maximum_percent ?? shippedBalance.maximumPercent;
  if (minimum * parts > 100)
    return [
      {
        path: `${path}.minimum_percent`,
        message: `${parts} targets with at least ${minimum} % each are more than 100 %`,
        remedy: `give at most ${Math.floor(100 / parts)}`,
      },
    ];
  if (maximum * parts < 100)
    return [
      {
        path: `${path}.maximum_percent`,
        message: `${parts} targets with at most ${maximum} % each are less than 100 %`,
        remedy: `give at least ${Math.ceil(100 / parts)}`,
      },
    ];
  return [];
}

function checkPace(
  path: string,
  { every_minutes: every }: BalanceFile,
  { evaluation_window_minutes: window }: PolicyFile['alert_settings'],
): Problem[] {
  if (every === undefined || every >= window) return [];
  return [
    {
      path: `${path}.every_minutes`,
      message: `${every} is shorter than the evaluation window (${window}), so a step would be judged by requests from before it`,
      remedy: `give at least ${window}, or a shorter alert_settings.evaluation_window_minutes`,
    },
  ];
}
