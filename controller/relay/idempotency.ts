/**
 * Which Idempotency-Key has applied which change. A repetition is not answered from memory: the generation fence
 * makes it harmless, and an old answer could claim weights that are no longer there. The memory only catches a key
 * that is used for something else (draft-ietf-httpapi-idempotency-key-header, section 2.7).
 */
export interface KeyMemory {
  reused(key: string, usage: string): boolean;
  remember(key: string, usage: string): void;
}

/** @param capacity keys that are remembered; the oldest is forgotten first */
export function createKeyMemory(capacity: number): KeyMemory {
  const usages = new Map<string, string>();
  return {
    reused: (key, usage) => usages.has(key) && usages.get(key) !== usage,
    remember(key, usage) {
      usages.set(key, usage);
      const oldest = usages.keys().next();
      if (usages.size > capacity && !oldest.done) usages.delete(oldest.value);
    },
  };
}
