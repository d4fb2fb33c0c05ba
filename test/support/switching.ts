import type { Desired, GatewayDriver } from '../../controller/src/apply/driver.ts';

const deadlineMs = 10_000;

/**
 * Tells the gateway to send everything to one target.
 *
 * @returns milliseconds from the decision to the first answer of that target; requests of `ask` follow each other
 */
export async function switchTo(
  target: string,
  {
    driver,
    route,
    targets,
    generation,
    ask,
  }: {
    readonly driver: GatewayDriver;
    readonly route: string;
    readonly targets: readonly string[];
    readonly generation: number;
    /** Sends one request through the gateway and says which target answered. */
    ask(): Promise<string>;
  },
): Promise<number> {
  const weights = Object.fromEntries(targets.map(each => [each, each === target ? 10_000 : 0]));
  const desired: Desired = { weights, generation, reason: 'switching' };
  const deadline = AbortSignal.timeout(deadlineMs);
  const begun = performance.now();
  const applied = await driver.apply(route, desired, deadline);
  if (applied.kind !== 'applied') throw new Error(`not switched to ${target}: ${JSON.stringify(applied)}`);
  while ((await ask()) !== target)
    if (deadline.aborted) throw new Error(`${target} did not answer within ${deadlineMs} ms`);
  return performance.now() - begun;
}
