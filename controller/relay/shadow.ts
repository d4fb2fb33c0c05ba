/**
 * Copies of callers' requests for targets that have no weight, so that they are known before they are trusted. A copy
 * leaves after its caller has been answered, and only within the bounds; its answer goes to nobody.
 */

import type { IncomingMessage } from 'node:http';
import type { AttemptOutcome, Gateway } from '@neuroweaver/instrumentation';
import { statusOutcome } from './answer.ts';
import { askTarget, isRepeatable, messageFor, outcomeOf } from './ask.ts';
import type { Message } from './attempt.ts';
import type { Body } from './body.ts';
import { createCapacity } from './capacity.ts';
import { type KeptAnswer, keepAnswer } from './compared-answer.ts';
import type { Dispatch } from './dispatch.ts';
import type { Passage } from './forward.ts';
import type { Log, Route, Shadow, Target } from './options.ts';
import type { Weights } from './state.ts';

export interface Shadows {
  /**
   * Call it when the answer to a caller has begun, before any of its body is read. Undefined when no copy is to be
   * sent; else call what it returns when the caller's answer is over.
   */
  plan(
    passage: Pick<Passage, 'request' | 'body'>,
    live: Target,
    answer: IncomingMessage,
  ): ((outcome: AttemptOutcome) => void) | undefined;
  /** Sends no more copies and ends those under way. */
  close(): Promise<void>;
}

interface Context {
  readonly dispatch: Dispatch;
  readonly weights: () => Weights;
  readonly telemetry: Gateway;
  readonly log: Log;
  readonly random: () => number;
}

export function createShadows(route: Route, context: Context): Shadows {
  return route.shadow
    ? openShadows(route, route.shadow, context)
    : { plan: () => undefined, async close() {} };
}

/** A copy may take so many times as long as a target may be silent. */
const longestSilences = 4;

interface Copy {
  readonly target: Target;
  readonly message: Message;
  readonly live: KeptAnswer | undefined;
  /** Gives its place back. */
  readonly release: () => void;
}

function openShadows(route: Route, shadow: Shadow, context: Context): Shadows {
  const { dispatch, weights, telemetry, log, random } = context;
  const { compare, percent, maxBodyBytes } = shadow;
  const bounds = { capacity: { requestsPerSecond: shadow.maxPerSecond, inFlight: shadow.maxInFlight } };
  const places = createCapacity([bounds], performance.now());
  const underWay = new Set<Promise<void>>();
  const closing = new AbortController();
  const longestMs = Math.min(2 ** 31 - 1, longestSilences * route.attemptTimeoutMs);
  let comparisonFailed = false;

  /** Another target than the caller's. */
  function choose(live: Target): Target | undefined {
    const now = weights();
    const candidates = (shadow.targets ?? route.targets.filter(({ model }) => !now[model])).filter(
      target => target !== live,
    );
    return candidates[Math.floor(random() * candidates.length)];
  }

  function fits(target: Target, body: Body): boolean {
    const small = body.kind === 'none' || (body.kind === 'buffered' && body.bytes.length <= maxBodyBytes);
    return small && dispatch.hasRoom(target) && places.hasRoom(bounds, performance.now());
  }

  async function send({ target, message, live }: Copy, signal: AbortSignal): Promise<void> {
    const end = dispatch.begin(target, { shadow: true });
    const result = await askTarget(target, message, { route, signal }).catch(unaskable);
    if (result.kind !== 'answer') return end(outcomeOf(result), false);
    const kept = keepAnswer(result.answer, live ? maxBodyBytes : 0);
    const outcome = await readToEnd(result.answer, route.attemptTimeoutMs, signal);
    end(outcome, false);
    if (live && outcome === 'ok') await score(target, live, kept);
  }

  async function score({ model, version }: Target, live: KeptAnswer, copy: KeptAnswer): Promise<void> {
    const [ours, theirs] = await Promise.all([live.whole(), copy.whole()]);
    if (!ours || !theirs) return;
    try {
      const score = compare?.(ours, theirs);
      if (score !== undefined) telemetry.agreement({ route: route.name, model, version, score });
    } catch (cause) {
      if (!comparisonFailed) log(failedComparison(route, cause));
      comparisonFailed = true;
    }
  }

  function start(copy: Copy): void {
    const limit = new AbortController();
    const deadline = setTimeout(() => limit.abort(), longestMs);
    const sent = send(copy, AbortSignal.any([closing.signal, limit.signal])).finally(() => {
      clearTimeout(deadline);
      copy.release();
      underWay.delete(sent);
    });
    underWay.add(sent);
  }

  return {
    plan({ request, body }, live, answer) {
      if (!isRepeatable(route, request.method ?? 'GET') || random() * 100 >= percent) return undefined;
      const target = choose(live);
      if (!target || closing.signal.aborted) return undefined;
      if (!fits(target, body)) return void dispatch.note('shadow_dropped', target);
      const copy = {
        target,
        message: marked(messageFor(request, target, body)),
        live: compare && keepAnswer(answer, maxBodyBytes),
        release: places.take(bounds, performance.now()),
      };
      return outcome => {
        if (outcome === 'cancelled' || closing.signal.aborted) copy.release();
        else start(outcome === 'ok' ? copy : { ...copy, live: undefined });
      };
    },
    async close() {
      closing.abort();
      await Promise.all(underWay);
    },
  };
}

/** What cannot be spelled in HTTP reached nobody. */
const unaskable = () => ({ kind: 'cancelled' }) as const;

/** So that a model server can leave copies out of what it bills, logs or learns from. */
function marked(message: Message): Message {
  return { ...message, headers: { ...message.headers, 'x-relaycore-shadow': 'true' } };
}

/** Reads and forgets; what keeps pieces of it listens for itself. */
async function readToEnd(
  answer: IncomingMessage,
  silenceMs: number,
  signal: AbortSignal,
): Promise<AttemptOutcome> {
  let silent = false;
  const silence = setTimeout(() => {
    silent = true;
    answer.destroy();
  }, silenceMs);
  try {
    for await (const _ of answer) silence.refresh();
    return statusOutcome(answer.statusCode ?? 0);
  } catch {
    if (signal.aborted) return 'cancelled';
    return silent ? 'timeout' : 'error';
  } finally {
    clearTimeout(silence);
  }
}

function failedComparison({ name }: Route, cause: unknown) {
  const message = `answers of route "${name}" are not compared: "compare" threw; correct it. This is said once`;
  return { kind: 'comparison failed', level: 'warning', route: name, message, cause } as const;
}
