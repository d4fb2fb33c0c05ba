/** What is wrong with a gateway's options: where, what, and what to do. */

import type {
  CapacityOptions,
  FollowOptions,
  OutlierOptions,
  RelayOptions,
  RetryBudgetOptions,
  RouteOptions,
  ShadowOptions,
  TargetOptions,
} from './options.ts';

export function problemsOf({ routes, stateFile, token, follow }: RelayOptions): string[] {
  return [
    ...(stateFile ? [] : ['stateFile: empty; name a file that survives a restart of the gateway']),
    ...(token === undefined || /^\S+$/.test(token) ? [] : [`token: ${tokenRemedy}`]),
    ...(follow ? followProblems(follow) : []),
    ...(Object.keys(routes).length > 0 ? [] : ['routes: none given; name at least one']),
    ...Object.entries(routes).flatMap(([name, route]) => routeProblems(name, route)),
  ];
}

const tokenRemedy =
  'empty or with spaces; give a secret without, or leave it out to admit loopback callers only';

function followProblems(follow: FollowOptions): string[] {
  const { redis, file, url } = follow as Readonly<Record<string, string | undefined>>;
  const given = [redis, file, url].filter(place => place !== undefined);
  return [
    ...(given.length === 1 && given[0] !== '' ? [] : ['follow: give one of redis, file and url']),
    // An address may carry a password, so it is not repeated.
    ...(redis === undefined || isAddress(redis, /^rediss?:$/)
      ? []
      : ['follow.redis: must be an address such as redis://127.0.0.1:6379']),
    ...(url === undefined || isAddress(url, /^https?:$/)
      ? []
      : ['follow.url: must be an http or https address of a gateway']),
    ...timeProblems('follow.pollMs', follow.pollMs),
  ];
}

function isAddress(text: string, protocol: RegExp): boolean {
  return URL.canParse(text) && protocol.test(new URL(text).protocol);
}

function routeProblems(name: string, route: RouteOptions): string[] {
  const at = `routes.${name}`;
  const models = route.targets.map(target => target.model);
  const repeated = new Set(models.filter((model, index) => models.indexOf(model) !== index));
  return [
    ...(/^[\w.~-]+$/.test(name) ? [] : [`${at}: the name stands in a path; use letters, digits and . _ ~ -`]),
    ...(models.length > 0 ? [] : [`${at}.targets: none given; name at least one`]),
    ...[...repeated].map(model => `${at}.targets: "${model}" stands twice; weights need distinct names`),
    ...route.targets.flatMap((target, index) => targetProblems(`${at}.targets[${index}]`, target)),
    ...choiceProblems(`${at}.allowRetry`, route.allowRetry, ['idempotent', 'always']),
    ...timeProblems(`${at}.attemptTimeoutMs`, route.attemptTimeoutMs),
    ...timeProblems(`${at}.connectTimeoutMs`, route.connectTimeoutMs),
    ...choiceProblems(`${at}.whenFull`, route.whenFull, ['send', 'refuse']),
    ...budgetProblems(`${at}.retryBudget`, route.retryBudget),
    ...outlierProblems(`${at}.outliers`, route.outliers || undefined),
    ...(route.shadow ? shadowProblems(`${at}.shadow`, route.shadow, models) : []),
  ];
}

function targetProblems(at: string, { model, version, url, capacity }: TargetOptions): string[] {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const plain = parsed && /^https?:$/.test(parsed.protocol) && parsed.search + parsed.hash === '';
  return [
    // The name is sent back in a header, where other characters are not allowed.
    ...(/^[\x21-\x7e]+$/.test(model) ? [] : [`${at}.model: "${model}" must be visible ASCII without spaces`]),
    ...(version ? [] : [`${at}.version: empty; metrics tell versions apart by it`]),
    ...(plain ? [] : [`${at}.url: "${url}" must be an http or https address without ? and #`]),
    ...(capacity ? capacityProblems(`${at}.capacity`, capacity) : []),
  ];
}

function capacityProblems(at: string, { requestsPerSecond, inFlight }: CapacityOptions): string[] {
  return [
    ...numberProblems(`${at}.requestsPerSecond`, requestsPerSecond, { above: 0 }),
    ...numberProblems(`${at}.inFlight`, inFlight, { from: 1 }),
  ];
}

function budgetProblems(at: string, budget: RetryBudgetOptions = {}): string[] {
  return [
    ...numberProblems(`${at}.share`, budget.share, { from: 0 }),
    ...numberProblems(`${at}.minimum`, budget.minimum, { from: 0 }),
  ];
}

function outlierProblems(at: string, outliers: OutlierOptions = {}): string[] {
  return [
    ...numberProblems(`${at}.failuresInRow`, outliers.failuresInRow, { from: 1 }),
    ...timeProblems(`${at}.baseMs`, outliers.baseMs),
    ...timeProblems(`${at}.capMs`, outliers.capMs),
    ...numberProblems(`${at}.maxShare`, outliers.maxShare, { from: 0, to: 1 }),
    ...numberProblems(`${at}.successesNeeded`, outliers.successesNeeded, { from: 1 }),
  ];
}

function shadowProblems(at: string, shadow: ShadowOptions, models: readonly string[]): string[] {
  const strangers = (shadow.targets ?? []).filter(model => !models.includes(model));
  return [
    ...strangers.map(model => `${at}.targets: "${model}" is no target of this route: ${models.join(', ')}`),
    ...numberProblems(`${at}.percent`, shadow.percent ?? Number.NaN, { from: 0, to: 100 }),
    ...numberProblems(`${at}.maxPerSecond`, shadow.maxPerSecond, { above: 0 }),
    ...numberProblems(`${at}.maxInFlight`, shadow.maxInFlight, { from: 1 }),
    ...numberProblems(`${at}.maxBodyBytes`, shadow.maxBodyBytes, { from: 0 }),
  ];
}

function choiceProblems(at: string, choice: string | undefined, choices: readonly string[]): string[] {
  if (choice === undefined || choices.includes(choice)) return [];
  return [`${at}: must be ${choices.join(' or ')}`];
}

/** Node's timers hold at most 2^31 - 1 ms; more would fire at once. */
function timeProblems(at: string, ms: number | undefined): string[] {
  if (ms === undefined || (ms > 0 && ms < 2 ** 31)) return [];
  return [`${at}: ${ms} must be more than 0 and less than ${2 ** 31}`];
}

interface Range {
  readonly above?: number;
  readonly from?: number;
  readonly to?: number;
}

function numberProblems(at: string, number: number | undefined, { above, from, to }: Range): string[] {
  if (number === undefined) return [];
  const inside = (above === undefined || number > above) && (from === undefined || number >= from);
  if (inside && (to === undefined || number <= to)) return [];
  const least = above === undefined ? `${from} or more` : `more than ${above}`;
  return [`${at}: ${number} must be ${least}${to === undefined ? '' : `, at most ${to}`}`];
}
