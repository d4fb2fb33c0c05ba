import type { Policy } from '../policy.ts';
import { neuroweaver } from './neuroweaver.ts';
import type { Profile } from './profile.ts';
import { relaykit } from './relaykit.ts';

/** Every known profile by its name. */
export const profiles: Readonly<Record<string, Profile>> = { neuroweaver, relaykit };

/** Looked for under every policy: models that it does not name are found by these. */
const always = [relaykit, neuroweaver];

/** The profiles that the policy's models are found by, in the order in which they are believed. */
export function profilesOf({ models }: Pick<Policy, 'models'>): readonly Profile[] {
  const named = new Set(Object.values(models).flatMap(model => model.profiles));
  return inOrderOfBelief.filter(profile => always.includes(profile) || named.has(profile.name));
}

/** The gateway saw what callers got, so it comes first. */
export const inOrderOfBelief: readonly Profile[] = Object.values(profiles).toSorted(
  (a, b) => Number(b.vantage === 'gateway') - Number(a.vantage === 'gateway'),
);

/** What a policy may say of a model; the relay kit is found by itself. */
export const profileNames = Object.keys(profiles).filter(name => name !== relaykit.name);

export type { LabelValues, OutcomeCounter, Profile } from './profile.ts';
