import type { Model } from '../policy.ts';
import { knative } from './knative.ts';
import { kserve } from './kserve.ts';
import { litellm } from './litellm.ts';
import { neuroweaver } from './neuroweaver.ts';
import type { Profile } from './profile.ts';
import { relaykit } from './relaykit.ts';
import { sglang } from './sglang.ts';
import { tgi } from './tgi.ts';
import { triton } from './triton.ts';
import { vllm } from './vllm.ts';

/** Every known profile by its name, in the order in which those of one vantage are believed. */
export const profiles: Readonly<Record<string, Profile>> = {
  relaykit,
  litellm,
  knative,
  neuroweaver,
  vllm,
  sglang,
  tgi,
  triton,
  kserve,
};

/** Looked for under every policy: models that it does not name are found by these. */
const always = [relaykit, neuroweaver];

/** The profiles that these models are found by, in the order in which they are believed. */
export function profilesOf(models: readonly Pick<Model, 'profiles'>[]): readonly Profile[] {
  const named = new Set(models.flatMap(model => model.profiles));
  return inOrderOfBelief.filter(profile => always.includes(profile) || named.has(profile.name));
}

/** The gateway saw what callers got, so it comes first. */
export const inOrderOfBelief: readonly Profile[] = Object.values(profiles).toSorted(
  (a, b) => Number(b.vantage === 'gateway') - Number(a.vantage === 'gateway'),
);

/** What a policy may say of a model; the relay kit is found by itself. */
export const profileNames = Object.keys(profiles).filter(name => name !== relaykit.name);

export type { LabelValues, OutcomeCounter, Profile } from './profile.ts';
