import type { DriverConfig } from '@relaycore/rules';
import type { GatewayDriver } from './driver.ts';
import { dryRunDriver } from './dry-run.ts';
import { relaycoreDriver } from './relaycore.ts';

/** The driver that a route's policy names. */
export function createDriver(config: DriverConfig): GatewayDriver {
  switch (config.kind) {
    case 'relaycore':
      return relaycoreDriver({
        urls: [config.url].flat(),
        ...(config.token !== undefined && { token: config.token }),
      });
    case 'dry-run':
      return dryRunDriver();
  }
}
