import { type LibraryName, libraryNames } from './libraries.ts';
import type { LibraryModels } from './models-of-libraries.ts';
import { problemWithPath, type ServedModel } from './paths.ts';

/** What the variables beside those of `init` say. To be used only where there are no problems. */
export interface Variables {
  readonly requests: readonly ServedModel[];
  readonly libraries: readonly LibraryName[];
  readonly models: LibraryModels;
  readonly bearerToken: string | undefined;
  /** Each says what is wrong, and what to write. */
  readonly problems: readonly string[];
}

export function readVariables(environment: NodeJS.ProcessEnv, serviceName: string): Variables {
  const problems: string[] = [];
  const name = given(environment.NEUROWEAVER_MODEL);
  const version = given(environment.NEUROWEAVER_MODEL_VERSION) ?? 'unversioned';
  const requests = readPaths(environment.NEUROWEAVER_PATHS, { name, version }, problems).map(
    ({ path, named }) => ({
      path,
      model: {
        ...named,
        operation: given(environment.NEUROWEAVER_OPERATION) ?? 'inference',
        provider: given(environment.NEUROWEAVER_PROVIDER) ?? serviceName,
      },
    }),
  );
  const countedElsewhere = requests.map(({ model }) => model.name);
  return {
    requests,
    libraries: readLibraries(environment.NEUROWEAVER_LIBRARIES, problems),
    models: { name, version, countedElsewhere },
    bearerToken: given(environment.NEUROWEAVER_METRICS_TOKEN),
    problems,
  };
}

/** As in OpenTelemetry, an empty variable is as good as none. */
function given(variable: string | undefined): string | undefined {
  return variable?.trim() || undefined;
}

function listOf(variable: string | undefined): readonly string[] | undefined {
  const value = given(variable);
  if (value === 'none') return [];
  return value?.split(',').map(part => part.trim());
}

interface Named {
  readonly name: string;
  readonly version: string;
}

/** `PATH`, `METHOD PATH`, and either with `=MODEL` or `=MODEL@VERSION` behind it. */
function readPaths(
  variable: string | undefined,
  { name, version }: Omit<Named, 'name'> & { readonly name: string | undefined },
  problems: string[],
): readonly { readonly path: string; readonly named: Named }[] {
  const entries = listOf(variable) ?? (name === undefined ? [] : ['/*']);
  return entries.flatMap(entry => {
    const [path = '', model, more] = entry.split('=').map(part => part.trim());
    const [modelName = name, modelVersion = version] = model?.split('@') ?? [];
    const problem =
      more === undefined ? problemWithPath(path) : `- ${entry} has a second =: write PATH=MODEL`;
    if (problem !== undefined) problems.push(`${problem}, in NEUROWEAVER_PATHS`);
    else if (!modelName || !modelVersion)
      problems.push(
        `- NEUROWEAVER_PATHS has ${entry} without a model: set NEUROWEAVER_MODEL, or write ${path}=MODEL or ` +
          `${path}=MODEL@VERSION`,
      );
    else return [{ path, named: { name: modelName, version: modelVersion } }];
    return [];
  });
}

function readLibraries(variable: string | undefined, problems: string[]): readonly LibraryName[] {
  const names = listOf(variable) ?? libraryNames;
  const isKnown = (name: string): name is LibraryName => libraryNames.some(known => known === name);
  const unknown = names.filter(name => !isKnown(name));
  if (unknown.length > 0)
    problems.push(
      `- NEUROWEAVER_LIBRARIES has ${unknown.map(name => JSON.stringify(name)).join(', ')}: write any of ` +
        `${libraryNames.join(',')}, or none`,
    );
  return names.filter(isKnown);
}
