import { createHash } from 'node:crypto';
import type { DriverConfig } from '@relaycore/rules';
import { messageOf } from '../errors.ts';
import type { Desired, GatewayDriver } from './driver.ts';
import { sumOf } from './shares.ts';

/** What holds of every driver, so that none has to think of it. */
export function guarded(driver: GatewayDriver, config: DriverConfig): GatewayDriver {
  return hidingSecrets(refusingNonsense(driver), secretsIn(config));
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

/**
 * A gateway may repeat what it was sent, and a library quote what it could not use; what people read later must not
 * have the secrets in it.
 */
function hidingSecrets(driver: GatewayDriver, secrets: readonly string[]): GatewayDriver {
  const hidden = (text: string) => secrets.reduce((rest, secret) => rest.replaceAll(secret, '***'), text);
  const hiddenIn = <T extends object>(result: T): T =>
    'detail' in result ? { ...result, detail: hidden(String(result.detail)) } : result;
  return {
    ...driver,
    read: (route, signal) =>
      driver.read(route, signal).catch(error => {
        throw new Error(hidden(messageOf(error)));
      }),
    apply: async (route, desired, signal) => hiddenIn(await driver.apply(route, desired, signal)),
    verify: async (route, desired, signal) => hiddenIn(await driver.verify(route, desired, signal)),
  };
}

/** The longest first, as one may be a part of another. A few letters are no secret, but part of many words. */
function secretsIn(config: DriverConfig): readonly string[] {
  return candidatesIn(config)
    .filter(secret => secret.length > 3)
    .sort((a, b) => b.length - a.length);
}

function candidatesIn(config: DriverConfig): readonly string[] {
  switch (config.kind) {
    case 'relaycore':
      return [config.token ?? ''];
    case 'litellm': // which quotes the hash of a key that it does not know
      return [
        config.token ?? '',
        createHash('sha256')
          .update(config.token ?? '')
          .digest('hex'),
      ];
    case 'document':
      return [decodeURIComponent(new URL(config.redis ?? 'redis://').password)];
    case 'http': // in `Bearer SECRET` the whole and its end
      return Object.values(config.headers).flatMap(value => [value, value.split(' ').at(-1)!]);
    case 'haproxy':
    case 'kubernetes': // whose secrets stand in the kubeconfig, and are never quoted
    case 'dry-run':
      return [];
  }
}
