import { LineCounter, parseDocument } from 'yaml';
import type { z } from 'zod';
import { type Approval, resolveApproval } from './approval.ts';
import { type Balance, resolveBalance } from './balance.ts';
import { checkPolicy } from './checks.ts';
import { type Environment, secretsIn, substitute } from './environment.ts';
import { type Failback, resolveFailback } from './failback.ts';
import { atEdges, commonEdges, profilesNamed } from './latency-edges.ts';
import { checkSecrets } from './probe-checks.ts';
import { type Probe, type Probing, resolveProbe, resolveProbing } from './probes.ts';
import type { Problem } from './problems.ts';
import { problemsOf } from './problems.ts';
import { type Resource, resolveResource } from './resources.ts';
import type { DriverFile, PolicyFile } from './schema.ts';
import { policySchema } from './schema.ts';
import type { Signal } from './signals.ts';
import { defaultThresholds, mergeThresholds, signalsOf, type Thresholds } from './signals.ts';

export type { Approval } from './approval.ts';
export type { Balance } from './balance.ts';
export type { CauseKind, Failback, FailbackSteps } from './failback.ts';
export type { Expectation, JsonExpectation, Probe, Probing } from './probes.ts';

/** The policy as everything else reads it: defaults filled in, references checked, units in the names. */
export interface Policy {
  /** Signals of a model that the policy does not name. */
  readonly defaults: readonly Signal[];
  readonly models: Readonly<Record<string, Model>>;
  readonly resources: readonly Resource[];
  readonly routes: Readonly<Record<string, Route>>;
  readonly detection: Detection;
  readonly alerts: {
    readonly windowMinutes: number;
    readonly minRequests: number;
    readonly cooldownMinutes: number;
    readonly webhooks: readonly string[];
    readonly heartbeat?: string;
    readonly controllerTokenFile?: string;
    readonly links: {
      readonly controller?: string;
      readonly grafana?: string;
      readonly runbooks?: string;
    };
  };
  /** When many models go critical together, it is one incident with one cause. */
  readonly incidents: {
    readonly modelsPercent: number;
    readonly minimumModels: number;
    readonly withinMs: number;
    readonly holdSwitches: boolean;
  };
  /** How many models automatic failovers may leave at once. */
  readonly switching: {
    /** So many, or this share of all models, whichever is more. */
    readonly maxSimultaneous: number;
    readonly maxPercent: number;
    readonly withinMs: number;
  };
  readonly probes: {
    readonly intervalMs: number;
    readonly timeoutMs: number;
    /** A target looked at longer ago is looked at again before a route is moved to it. */
    readonly freshMs: number;
  };
}

export interface Model {
  /** The policy's key: what routes and the API call it. */
  readonly id: string;
  /** Value of the model label in the metrics; the same as `id` unless stated. */
  readonly name: string;
  /** When stated, only series of this version are the model. */
  readonly version?: string;
  /** Names of the profiles that its metrics are found by. */
  readonly profiles: readonly string[];
  readonly endpoint?: string;
  readonly probes: readonly Probe[];
  readonly probing: Probing;
  readonly signals: readonly Signal[];
}

export type DriverConfig = DriverFile;
export type Mode = 'observe' | 'advise' | 'approve' | 'auto';

export interface Route {
  readonly name: string;
  /** Model ids in order of priority; the first is the primary. */
  readonly targets: readonly [string, ...string[]];
  /** What those of them that say so can take, in requests a second. */
  readonly capacities: Readonly<Record<string, number>>;
  readonly driver: DriverConfig;
  readonly mode: Mode;
  /** When somebody changes the weights at the gateway: set them back, or keep to them. */
  readonly changedByHand: 'restore' | 'adopt';
  readonly failback: Failback;
  readonly approval: Approval;
  /** Off unless stated. */
  readonly balance?: Balance;
}

export interface Detection {
  readonly tickMs: number;
  readonly ingestionLagMs: number;
  readonly maxGapMs: number;
  readonly staleMs: number;
  /** Mean years between two false alarms of one model. */
  readonly yearsPerFalseAlarm: {
    readonly warning: number;
    readonly critical: number;
  };
  readonly agreementMs: { readonly mild: number; readonly severe: number };
  /** Whether evidence counts less against a model whose badness comes in bursts. */
  readonly tempering: boolean;
  readonly hardDown?: { readonly failures: number; readonly forMs: number };
}

export type LoadedPolicy =
  | { readonly kind: 'ok'; readonly policy: Policy }
  | { readonly kind: 'refused'; readonly problems: readonly Problem[] };

/**
 * Reads a policy from YAML text. A refused policy lists every problem, each with path, message and remedy.
 * `${NAME}` inside a string is replaced from `environment`, so that addresses and secrets stay out of the file.
 */
export function loadPolicy(text: string, environment: Environment = {}): LoadedPolicy {
  const file = readYaml(text);
  if (file.kind === 'refused') return file;
  const missing: Problem[] = [];
  const written = substitute(file.value ?? {}, environment, [], missing);
  const parsed = policySchema.safeParse(written, { reportInput: true });
  const unsafe = [...missing, ...checkSecrets(file.value)];
  const problems = parsed.success
    ? [...unsafe, ...checkPolicy(parsed.data)]
    : [
        ...unsafe,
        ...problemsOf(parsed.error).filter(isNotAt(missing)),
        ...checkReadablePart(written, parsed.error),
      ];
  if (problems.length > 0 || !parsed.success) return { kind: 'refused', problems };
  const secretsOf = (id: string) => probeSecrets(file.value, id, environment);
  return { kind: 'ok', policy: resolve(parsed.data, secretsOf) };
}

/** What a variable stands for cannot be judged while it is not set. */
const isNotAt = (missing: readonly Problem[]) => (problem: Problem) =>
  !missing.some(({ path }) => path === problem.path);

type ReadYaml =
  | { readonly kind: 'read'; readonly value: unknown }
  | { readonly kind: 'refused'; readonly problems: readonly Problem[] };

function readYaml(text: string): ReadYaml {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true, prettyErrors: false });
  const problems = document.errors.map(error => ({
    path: '(file)',
    message: `line ${lines.linePos(error.pos[0]).line}: ${error.code === 'MULTIPLE_DOCS' ? 'a second document begins' : error.message}`,
    remedy: 'correct the YAML on that line',
  }));
  if (problems.length > 0) return { kind: 'refused', problems };
  try {
    const value: unknown = document.toJS();
    JSON.stringify(value); // throws where an alias leads back into itself
    return { kind: 'read', value };
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n')[0] : String(error);
    const message = `an alias cannot be followed: ${reason}`;
    return {
      kind: 'refused',
      problems: [{ path: '(file)', message, remedy: 'write the value out in full' }],
    };
  }
}

/** The cross-checks on what remains when the misshapen places are taken out, so that one mistake hides no other. */
function checkReadablePart(written: unknown, error: z.ZodError): Problem[] {
  const part = structuredClone(written);
  let issues = error.issues;
  for (let round = 0; round < 5; round++) {
    for (const issue of issues)
      removeAt(part, issue.code === 'unrecognized_keys' ? [...issue.path, issue.keys[0]!] : issue.path);
    const again = policySchema.safeParse(part);
    if (again.success) return checkPolicy(again.data);
    issues = again.error.issues;
  }
  return [];
}

/** Removes the place; where it is missing itself or part of a list, the nearest mapping entry around it. */
function removeAt(root: unknown, path: readonly PropertyKey[]): void {
  let removal: (() => void) | undefined;
  let place: unknown = root;
  for (const [depth, step] of path.entries()) {
    if (place === null || typeof place !== 'object') break;
    if (!(step in place)) {
      if (depth < path.length - 1) return;
      break;
    }
    const parent = place as Record<PropertyKey, unknown>;
    if (!Array.isArray(parent)) removal = () => delete parent[step];
    place = parent[step];
  }
  removal?.();
}

/** What each golden request of a model takes from the environment. */
function probeSecrets(written: unknown, id: string, environment: Environment): string[][] {
  const { models } = written as { models: Record<string, { probes?: unknown[] }> };
  return (models[id]!.probes ?? []).map(probe => secretsIn(probe, environment));
}

function resolve(file: PolicyFile, secretsOf: (id: string) => string[][]): Policy {
  const thresholds = defaultThresholds(file);
  const defaults = {
    thresholds,
    signals: signalsOf(thresholds, file.signals),
    edgesMs: file.latency_edges_ms,
  };
  const { detection, alert_settings: alerts, notifications } = file;
  return {
    defaults: defaults.signals,
    models: mapValues(file.models, (model, id) => resolveModel(id, model, defaults, file, secretsOf(id))),
    resources: Object.entries(file.resources).map(([name, resource]) => resolveResource(name, resource)),
    routes: mapValues(file.routes, (route, name) => resolveRoute(name, route, file)),
    detection: {
      tickMs: detection.tick_seconds * 1000,
      ingestionLagMs: detection.ingestion_lag_seconds * 1000,
      maxGapMs: detection.max_gap_seconds * 1000,
      staleMs: detection.stale_seconds * 1000,
      yearsPerFalseAlarm: {
        warning: yearsPerFalseAlarm(detection.false_alarms.warning),
        critical: yearsPerFalseAlarm(detection.false_alarms.critical),
      },
      agreementMs: {
        mild: detection.agreement_seconds.mild * 1000,
        severe: detection.agreement_seconds.severe * 1000,
      },
      tempering: detection.tempering,
      ...(detection.hard_down.enabled && {
        hardDown: { failures: detection.hard_down.failures, forMs: detection.hard_down.seconds * 1000 },
      }),
    },
    alerts: {
      windowMinutes: alerts.evaluation_window_minutes,
      minRequests: alerts.min_requests_for_evaluation,
      cooldownMinutes: alerts.alert_cooldown_minutes,
      webhooks: notifications.webhooks,
      ...definedOnly({
        heartbeat: notifications.heartbeat,
        controllerTokenFile: notifications.controller_token_file,
      }),
      links: definedOnly(notifications.links),
    },
    incidents: {
      modelsPercent: file.incidents.models_percent,
      minimumModels: file.incidents.minimum_models,
      withinMs: file.incidents.within_seconds * 1000,
      holdSwitches: file.incidents.hold_switches,
    },
    switching: {
      maxSimultaneous: file.switching.max_simultaneous,
      maxPercent: file.switching.max_percent,
      withinMs: file.switching.within_seconds * 1000,
    },
    probes: {
      intervalMs: file.probes.interval_seconds * 1000,
      timeoutMs: file.probes.timeout_seconds * 1000,
      freshMs: file.probes.fresh_seconds * 1000,
    },
  };
}

interface Defaults {
  readonly thresholds: Thresholds;
  readonly signals: readonly Signal[];
  readonly edgesMs: readonly number[];
}

function resolveModel(
  id: string,
  model: PolicyFile['models'][string],
  defaults: Defaults,
  file: PolicyFile,
  secrets: readonly (readonly string[])[],
): Model {
  const { accuracy, feedback, latency, success_rate, signals } = model;
  const hasItsOwn = accuracy || feedback || latency || success_rate || signals;
  const profiles = profilesNamed(model);
  // Thousands of models that are judged alike share what follows from their thresholds.
  const judged = hasItsOwn
    ? signalsOf(mergeThresholds(defaults.thresholds, model), file.signals)
    : defaults.signals;
  return {
    id,
    name: model.name ?? id,
    profiles,
    probes: (model.probes ?? []).map((probe, index) => resolveProbe(probe, secrets[index]!)),
    probing: resolveProbing(file.probes, model.probing, model.probes),
    signals: atEdges(judged, commonEdges(profiles, defaults.edgesMs)),
    ...definedOnly({ version: model.version, endpoint: model.endpoint?.replace(/\/$/, '') }),
  };
}

function resolveRoute(
  name: string,
  route: PolicyFile['routes'][string],
  { approval, models, alert_settings }: PolicyFile,
): Route {
  const { targets, balance } = route;
  return {
    name,
    targets: route.targets as [string, ...string[]],
    capacities: Object.fromEntries(
      route.targets.flatMap(target => {
        const capacity = models[target]?.capacity?.requests_per_second;
        return capacity === undefined ? [] : [[target, capacity]];
      }),
    ),
    driver: route.driver,
    mode: route.mode,
    // Where the controller moves nothing by itself, the gateway is somebody else's to move.
    changedByHand: route.changed_by_hand ?? (isWatchedOnly(route.mode) ? 'adopt' : 'restore'),
    failback: resolveFailback(route.failback),
    approval: resolveApproval({ ...approval, ...route.approval }),
    ...(balance && { balance: resolveBalance(balance, targets, alert_settings) }),
  };
}

const isWatchedOnly = (mode: Mode) => mode === 'observe' || mode === 'advise';

const yearsOf = { day: 1 / 365.25, week: 7 / 365.25, month: 1 / 12, year: 1 } as const;

/** `2/1000 years` → 500. The schema has checked the form. */
function yearsPerFalseAlarm(written: string): number {
  const [, count, periods, unit] = /^([\d.]+)\s*\/\s*([\d.]+)?\s*(day|week|month|year)/.exec(written)!;
  return (Number(periods ?? 1) * yearsOf[unit as keyof typeof yearsOf]) / Number(count);
}

function mapValues<A, B>(
  record: Readonly<Record<string, A>>,
  change: (value: A, key: string) => B,
): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value, key)]));
}

/** Drops the keys whose value is undefined, as `exactOptionalPropertyTypes` wants them. */
function definedOnly<T extends object>(value: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
