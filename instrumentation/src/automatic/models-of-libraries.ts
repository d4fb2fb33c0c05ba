import type { Instrumentation } from '../index.ts';
import type { Model } from '../model.ts';
import type { LibraryContext } from './library.ts';

/** What the application says of the models that its libraries ask. */
export interface LibraryModels {
  /** For calls that do not name their model. Default: what runs it (`openai`, `onnxruntime`, `huggingface`). */
  readonly name?: string | undefined;
  /** Default: `unversioned`. */
  readonly version?: string | undefined;
  /** Models whose requests are counted elsewhere already: their calls are not counted again. */
  readonly countedElsewhere?: readonly string[] | undefined;
}

/** Callers may name any model; what comes after as many is `_OTHER`. */
const mostNames = 100;
const otherName = '_OTHER';

/** Finds the recorder of a call's model. */
export function modelsOfLibraries(
  { name: defaultName, version = 'unversioned', countedElsewhere = [] }: LibraryModels,
  recording: () => Instrumentation | undefined,
): LibraryContext['modelOf'] {
  const names = new Set<string>();

  function known(name: string): string {
    if (!names.has(name) && names.size >= mostNames) return otherName;
    names.add(name);
    return name;
  }

  return ({ name, operation, provider }): Model | undefined => {
    const called = name ?? defaultName ?? provider;
    if (countedElsewhere.includes(called)) return undefined;
    return recording()?.model({ name: known(called), version, operation, provider });
  };
}
