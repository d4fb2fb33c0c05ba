import { closestName, type Problem } from './problems.ts';
import type { DriverFile, PolicyFile, RouteFile } from './schema.ts';
import {
  fillTemplate,
  isForEachTarget,
  leavesOpen,
  placeholdersIn,
  routePlaceholders,
  targetPlaceholders,
} from './templates.ts';

type Driver<Kind> = Extract<DriverFile, { kind: Kind }>;

/** How a route's driver fits its targets, and the drivers each other. */
export function checkDrivers(routes: PolicyFile['routes']): Problem[] {
  return [
    ...Object.entries(routes).flatMap(([name, route]) => checkDriver(`routes.${name}.driver`, name, route)),
    ...checkOneRouteAPlace(routes),
  ];
}

function checkDriver(path: string, name: string, { driver, targets }: RouteFile): Problem[] {
  switch (driver.kind) {
    case 'haproxy':
      return [
        ...checkBackendName(path, name, driver),
        ...checkKeys(`${path}.servers`, Object.keys(driver.servers), targets),
        ...checkValues(`${path}.servers`, driver.servers, targets, 'server'),
      ];
    case 'document':
      return [...checkOneStore(path, driver), ...checkRedis(`${path}.redis`, driver.redis)];
    case 'http':
      return checkHttp(path, driver, targets);
    case 'litellm':
      return [
        ...checkKeys(`${path}.deployments`, Object.keys(driver.deployments), targets),
        ...checkValues(`${path}.deployments`, driver.deployments, targets, 'deployment'),
      ];
    case 'kubernetes':
      return [
        ...checkObjectName(path, name, driver),
        ...checkKeys(`${path}.backends`, Object.keys(driver.backends), targets),
        ...checkValues(`${path}.backends`, driver.backends, targets, 'backend'),
      ];
    case 'relaycore':
    case 'dry-run':
      return [];
  }
}

function checkBackendName(path: string, route: string, { backend }: Driver<'haproxy'>): Problem[] {
  if (backend !== undefined || /^[A-Za-z0-9_.:-]+$/.test(route)) return [];
  return [
    {
      path,
      message: `no backend of HAProxy can be called "${route}"`,
      remedy: `add ${path}.backend with its name`,
    },
  ];
}

function checkObjectName(path: string, route: string, { name, resource }: Driver<'kubernetes'>): Problem[] {
  if (name !== undefined || /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/.test(route)) return [];
  return [
    {
      path,
      message: `no ${resource} can be called "${route}"`,
      remedy: `add ${path}.name with its name`,
    },
  ];
}

/** Two routes in one place would undo each other's weights for ever. */
function checkOneRouteAPlace(routes: PolicyFile['routes']): Problem[] {
  const taken = new Map<string, string>();
  return Object.entries(routes).flatMap(([name, { driver }]) => {
    const [word, places] = placesOf(name, driver);
    const place = places.find(each => taken.has(each));
    if (place === undefined) {
      for (const each of places) taken.set(each, name);
      return [];
    }
    const message = `the ${word} ${place} belongs to the route "${taken.get(place)}" already`;
    return [{ path: `routes.${name}.driver`, message, remedy: `give each route a ${word} of its own` }];
  });
}

/** What a driver changes as a whole, and what that is called. */
function placesOf(route: string, driver: DriverFile): readonly [word: string, places: readonly string[]] {
  switch (driver.kind) {
    case 'haproxy':
      return ['backend', [driver.socket].flat().map(socket => `${driver.backend ?? route} at ${socket}`)];
    case 'litellm':
      return ['model group', [driver.url].flat().map(url => `${driver.group ?? route} at ${url}`)];
    case 'kubernetes': {
      const { resource, namespace, name = route, rule, kubeconfig = '', context = '' } = driver;
      return ['rule', [`${rule} of ${resource} ${namespace}/${name} ${kubeconfig} ${context}`.trim()]];
    }
    case 'relaycore':
    case 'document':
    case 'http':
    case 'dry-run':
      return ['', []];
  }
}

function checkOneStore(path: string, { file, redis }: Driver<'document'>): Problem[] {
  if ((file === undefined) !== (redis === undefined)) return [];
  return [
    {
      path,
      message: file === undefined ? 'says no place for the document' : 'says two places for the document',
      remedy:
        'give either file, for example /etc/flagd/routes.json, or redis, for example redis://127.0.0.1:6379',
    },
  ];
}

/** A password with a sign of its own meaning in it would make another address of this one. */
function checkRedis(path: string, address: string | undefined): Problem[] {
  if (
    address === undefined ||
    (/^rediss?:\/\/([^/@\s]*@)?[^/@\s]+(\/\d*)?$/.test(address) && isEncoded(address))
  )
    return [];
  const remedy =
    'write redis://HOST:PORT, rediss:// for TLS, or redis://:PASSWORD@HOST:PORT with the password percent-encoded';
  return [{ path, message: 'is not an address of Redis', remedy }];
}

function isEncoded(address: string): boolean {
  try {
    decodeURIComponent(address);
    return URL.canParse(address);
  } catch {
    return false;
  }
}

/** What the driver is told about models has to be about targets of the route. */
function checkKeys(path: string, models: readonly string[], targets: readonly string[]): Problem[] {
  return models
    .filter(model => !targets.includes(model))
    .map(model => {
      const near = closestName(model, targets);
      return {
        path: `${path}.${model}`,
        message: `"${model}" is no target of the route`,
        remedy: near ? `did you mean "${near}"?` : `use one of: ${targets.join(', ')}`,
      };
    });
}

/** Two targets with one name at the gateway could not have two weights. */
function checkValues(
  path: string,
  names: Readonly<Record<string, string | readonly string[]>>,
  targets: readonly string[],
  word: string,
): Problem[] {
  const all = targets.flatMap(target => [names[target] ?? target].flat().map(name => ({ target, name })));
  return all.flatMap(({ target, name }, index) => {
    const first = all.findIndex(each => each.name === name);
    if (first === index) return [];
    const message = `the ${word} "${name}" stands for ${all[first]!.target} already`;
    return [{ path: `${path}.${target}`, message, remedy: `give each target a ${word} of its own` }];
  });
}

function checkHttp(path: string, driver: Driver<'http'>, targets: readonly string[]): Problem[] {
  const { headers, names, read, write } = driver;
  const weights = targets.map(target => `weight.${target}`);
  const written = [write.url, write.body ?? ''];
  const known = {
    headers: ['route'],
    read: ['route', 'model', 'name'],
    write: [...routePlaceholders, ...weights, ...targetPlaceholders],
  };
  const at = (key: string, text: string | undefined, names: readonly string[]) =>
    checkTemplate(`${path}.${key}`, text ?? '', names);
  return [
    ...checkKeys(`${path}.names`, Object.keys(names), targets),
    ...checkValues(`${path}.names`, names, targets, 'name'),
    ...Object.entries(headers).flatMap(([name, value]) => at(`headers.${name}`, value, known.headers)),
    ...at('read.url', read.url, known.read),
    ...at('read.weight', read.weight, known.read),
    ...at('read.generation', read.generation, known.read),
    ...at('write.url', write.url, known.write),
    ...at('write.body', write.body, known.write),
    ...checkAddress(`${path}.read.url`, read.url),
    ...checkAddress(`${path}.write.url`, write.url),
    ...checkBody(`${path}.write.body`, write.body),
    ...checkAllWritten(`${path}.write`, written, weights),
    ...checkToldApart(`${path}.read.weight`, [read.url, read.weight], targets),
  ];
}

function checkTemplate(path: string, text: string, known: readonly string[]): Problem[] {
  const unknown = placeholdersIn(text).filter(name => !known.includes(name));
  const problems = unknown.map(name => {
    const near = closestName(name, known);
    return {
      path,
      message: `{{${name}}} stands for nothing here`,
      remedy: near
        ? `did you mean "{{${near}}}"?`
        : `use one of: ${known.map(each => `{{${each}}}`).join(', ')}`,
    };
  });
  if (leavesOpen(text))
    problems.push({ path, message: 'opens {{ and does not close it', remedy: 'close it with }}' });
  return problems;
}

/** Addresses stand in logs and errors; headers do not. */
function checkAddress(path: string, url: string): Problem[] {
  if (!/^https?:\/\/[^/]*@/.test(url)) return [];
  return [
    {
      path,
      message: 'has a user or password in it',
      remedy: 'put them into headers, for example { authorization: "Basic ${GATEWAY_CREDENTIALS}" }',
    },
  ];
}

/** What begins like JSON has to be JSON once it is filled in, with a number or an object at each place. */
function checkBody(path: string, body: string | undefined): Problem[] {
  if (body === undefined || !/^\s*[{[]/.test(body) || leavesOpen(body)) return [];
  try {
    JSON.parse(fillTemplate(body, sampleOf));
    return [];
  } catch (error) {
    const message = `is no JSON once it is filled in: ${(error as Error).message}`;
    const remedy =
      'put {{route}}, {{reason}}, {{name}} into quotes, and {{weights}}, {{weight}} where a value stands';
    return [{ path, message, remedy }];
  }
}

/** A text that breaks JSON without quotes, an object that breaks it within them, or a number that does neither. */
function sampleOf(name: string): string {
  if (name === 'weights') return '{"x":1}';
  return ['route', 'reason', 'target', 'model', 'name'].includes(name) ? 'x' : '1';
}

/** A misspelt name is complained about by itself. */
function checkAllWritten(path: string, texts: readonly string[], weights: readonly string[]): Problem[] {
  const used = texts.flatMap(placeholdersIn);
  const known: readonly string[] = [...routePlaceholders, ...targetPlaceholders, ...weights];
  if (used.includes('weights') || used.includes('weight') || !used.every(name => known.includes(name)))
    return [];
  const missing = weights.filter(weight => !used.includes(weight)).map(weight => `{{${weight}}}`);
  if (missing.length === 0) return [];
  const message =
    missing.length === weights.length ? 'says nothing of the weights' : `leaves out ${missing.join(', ')}`;
  const remedy = 'use {{weights}} in url or body, or {{weight}} and {{name}} for a request a target';
  return [{ path, message, remedy }];
}

function checkToldApart(path: string, texts: readonly string[], targets: readonly string[]): Problem[] {
  if (targets.length === 1 || isForEachTarget(texts)) return [];
  return [
    {
      path,
      message: 'reads the same weight for every target',
      remedy: 'use {{name}} in it or in read.url, for example /value/nodes/{{name}}',
    },
  ];
}
