import { neuroweaver } from './neuroweaver.ts';
import type { Profile } from './profile.ts';
import { relaykit } from './relaykit.ts';

/** Every known profile by its name. */
export const profiles: Readonly<Record<string, Profile>> = { neuroweaver, relaykit };

export type { Profile } from './profile.ts';
