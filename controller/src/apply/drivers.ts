import type { DriverConfig } from '@relaycore/rules';
import { documentDriver } from './document.ts';
import type { GatewayDriver } from './driver.ts';
import { dryRunDriver } from './dry-run.ts';
import { guarded } from './guarded.ts';
import { haproxyDriver } from './haproxy.ts';
import { httpDriver } from './http.ts';
import { kubernetesDriver } from './kubernetes.ts';
import { litellmDriver } from './litellm.ts';
import { relaycoreDriver } from './relaycore.ts';

/** The driver that the policy of a route with these targets names. */
export function createDriver(config: DriverConfig, targets: readonly string[]): GatewayDriver {
  return guarded(driverOf(config, targets), config);
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
    case 'litellm':
      return litellmDriver(config);
    case 'kubernetes':
      return kubernetesDriver(config);
    case 'dry-run':
      return dryRunDriver();
  }
}
