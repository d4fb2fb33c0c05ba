import type { DriverConfig } from '@relaycore/rules';
import { documentDriver } from './document.ts';
import type { Desired, GatewayDriver } from './driver.ts';
import { dryRunDriver } from './dry-run.ts';
import { haproxyDriver } from './haproxy.ts';
import { httpDriver } from './http.ts';
import { relaycoreDriver } from './relaycore.ts';
import { sumOf } from './shares.ts';

/** The driver that the policy of a route with these targets names. */
export function createDriver(config: DriverConfig, targets: readonly string[]): GatewayDriver {
  return refusingNonsense(driverOf(config, targets));
}

function driverOf(config: DriverConfig, targets: readonly string[]): GatewayDriver {
  switch (config.kind) {
    case 'relaycore':
      return relaycoreDriver({
        urls: [config.url].flat(),
        ...(config.token !== undefined && { token: config.token }),
      });
    case 'haproxy':
      return haproxyDriver(config);
    case 'document':
      return documentDriver(config);
    case 'http':
      return httpDriver(config, targets);
    case 'dry-run':
      return dryRunDriver();
  }
}

/** No gateway is told that nobody serves, or shares that are none. */
function refusingNonsense(driver: GatewayDriver): GatewayDriver {
  return {
    ...driver,
    async apply(route, desired, signal) {
      const detail = nonsenseIn(desired);
      return detail === undefined ? driver.apply(route, desired, signal) : { kind: 'rejected', detail };
    },
  };
}

function nonsenseIn({ weights }: Desired): string | undefined {
  const values = Object.values(weights);
  const wrong = values.find(weight => !Number.isInteger(weight) || weight < 0);
  if (wrong !== undefined) return `the weight ${wrong} is none; give whole basis points`;
  const sum = sumOf(values);
  if (sum === 10_000) return undefined;
  return sum === 0
    ? 'all weights are zero, so nobody would serve; give one target 10000'
    : `the weights sum to ${sum}; they must sum to 10000 basis points`;
}
