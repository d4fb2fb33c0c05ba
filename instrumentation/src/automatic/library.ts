import type { Model } from '../model.ts';
import type { Rejections } from '../rejections.ts';

/** A library through which applications ask models, and how its calls are seen. */
export interface Library {
  /** As it is imported. */
  readonly name: string;
  /** Versions that look as we know it. What turns out to look otherwise is left as it is. */
  readonly versions: readonly string[];
  /** Sees to the calls of what the module exports; undefined where it looks otherwise. */
  hook(exports: unknown, context: LibraryContext): Hooked | undefined;
  /** Sees to the calls of one client object; false where it is none of this library. */
  wrap(client: unknown, context: LibraryContext): boolean;
}

export interface Hooked {
  /** What the application is to get; what was given, where that could be changed in place. */
  readonly exports: unknown;
  readonly unhook: () => void;
}

export interface LibraryContext {
  /** The recorder for calls of a model; undefined where they are counted elsewhere. */
  readonly modelOf: (called: CalledModel) => Model | undefined;
  readonly rejections: Rejections;
}

/** What a call says of its model. */
export interface CalledModel {
  /** Undefined where the call does not say. */
  readonly name: string | undefined;
  readonly operation: string;
  readonly provider: string;
}
