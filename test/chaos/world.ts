import { Refusal } from '../../controller/src/errors.ts';
import type { Loop, LoopParts } from '../../controller/src/loop.ts';
import type { Weights } from '../../controller/src/types.ts';
import type { Random } from '../sim/random.ts';
import { type Controllers, controllersOf } from './controllers.ts';
import { describeEpisode, type Episode, type PersonEpisode, type Script } from './episodes.ts';
import { hangsMs, latestMs } from './gateway.ts';
import { type Violation, type Watch, watch } from './invariants.ts';
import { type Outside, outsideOf } from './outside.ts';
import { act } from './people.ts';
import { clockTime, type Scene, sceneOf } from './scene.ts';
import { startsAt, tickMs, troubleMs } from './stage.ts';

/** What became of one seed. */
export interface Played {
  readonly seed: number;
  /** The first thing that did not hold; the play ends there. */
  readonly violation?: Violation;
  /** What happened, by its name, and how often. */
  readonly counts: ReadonlyMap<string, number>;
  /** The same in words, when they were asked for. */
  readonly account: readonly string[];
  /** From the end of all trouble until every gateway held what is desired. */
  readonly recoverMs: number;
}

export interface PlayOptions {
  /** Changes a part of the controller, to see that it is noticed. */
  readonly tamper?: (parts: LoopParts) => LoopParts;
  readonly withAccount?: boolean;
}

const overAt = startsAt + troubleMs;
const lookEveryMs = 10_000;
const answerEveryMs = 60_000;

/**
 * When every gateway holds what is desired, at the latest, after all trouble: a hand on it is answered a minute after the
 * last change, what was sent to one that hung may still
 * arrive, then the next look is due, then a round begins, and one more tells again what came late.
 */
const boundMs = answerEveryMs + Math.max(hangsMs, latestMs) + lookEveryMs + 2 * tickMs;
const endsAt = overAt + boundMs + 20_000;

/** Plays a script to its end, or to the first violation. */
export async function play(
  script: Script,
  { tamper = parts => parts, withAccount = false }: PlayOptions = {},
): Promise<Played> {
  const scene = sceneOf(script, withAccount);
  const { time, counts, account, policy } = scene;
  let violation: Violation | undefined;
  const guard = watch({
    policy,
    now: time.now,
    violated(found) {
      violation ??= found;
      scene.tell(() => `NOT HELD: ${found.what}`);
    },
    truth(name) {
      const { probes, at } = controllers.named(name).looked;
      const { lastBadAt, badSince } = outside.truth;
      return { probes, probesAt: at, lastBadAt: new Map(lastBadAt), badSince: new Map(badSince) };
    },
  });
  const outside = outsideOf(scene, guard);
  const rest = restsOf(scene, outside, guard);
  const controllers = controllersOf({ scene, outside, guard, tamper, onRest: rest.onRest });
  setUp(script, { scene, outside, controllers, lots: scene.stream('people') });
  await time.runUntil(endsAt, () => violation !== undefined);
  if (!violation) rest.atEnd();
  counts.set('steps', time.steps());
  counts.set('judged', guard.judgements());
  const recoverMs = (rest.recoveredAt() ?? endsAt) - overAt;
  return { seed: script.seed, counts, account, recoverMs, ...(violation && { violation }) };
}

/** Between two rounds everything that was decided is done, unless it could not be done. */
function restsOf({ time }: Scene, { database, gateways }: Outside, guard: Watch) {
  let recoveredAt: number | undefined;
  let restedAt = 0;

  function stray(): string | undefined {
    const { routes } = database.tables();
    for (const [route, list] of gateways) {
      const row = routes.get(route);
      if (!row) return `${route} was not taken over`;
      // A gateway that serves is left as it is until something was decided.
      const found = list.find(gateway => !isSame(gateway.weights(), JSON.parse(row.weights)));
      if (found && row.generation > 0)
        return `${found.name} holds ${JSON.stringify(found.weights())}, desired is generation ${row.generation}: ${row.weights}`;
    }
    return undefined;
  }

  return {
    recoveredAt: () => recoveredAt,
    onRest(name: string, loop: Loop): void {
      guard.judged(name, loop.status());
      if (time.now() < overAt) return;
      restedAt = time.now();
      const found = stray();
      if (found === undefined) recoveredAt ??= time.now();
      else if (time.now() >= overAt + boundMs) guard.complain('converges', found);
    },
    atEnd() {
      if (restedAt < overAt + boundMs) guard.complain('converges', 'no round ended any more');
    },
  };
}

interface Cast {
  readonly lots: Random;
  readonly scene: Scene;
  readonly outside: Outside;
  readonly controllers: Controllers;
}

function setUp({ episodes }: Script, cast: Cast): void {
  const { scene, outside, controllers } = cast;
  const { time, count, tell } = scene;
  time.after(0, outside.begin);
  time.after(100, controllers.start);
  for (const episode of episodes) {
    time.after(episode.at - startsAt, () => {
      count(coverageOf(episode));
      const lasts = episode.until > episode.at ? `, until ${clockTime(episode.until)}` : '';
      tell(() => `${describeEpisode(episode)}${lasts}`);
      begin(episode, cast);
    });
    time.after(episode.until - startsAt, () => end(episode, cast));
  }
}

/** What is wrong for a while is looked up while it is; this is what happens at once. */
function begin(episode: Episode, cast: Cast): void {
  const { outside, controllers } = cast;
  const [first] = controllers.working();
  if (episode.kind === 'restart') outside.restart(episode.model);
  if (episode.kind === 'drift') outside.drift(episode);
  if (episode.kind === 'crash') first?.life.arm(episode);
  if (episode.kind === 'stop') first?.stopping.abort();
  if (episode.kind === 'second controller') controllers.start();
  if (episode.kind === 'person') ask(episode, cast, mostTries);
}

function end(episode: Episode, { controllers }: Cast): void {
  const working = controllers.working();
  if (episode.kind === 'crash') for (const { life } of working) life.arm(undefined);
  if (episode.kind === 'second controller') {
    const last = working.at(-1);
    if (episode.crashes) last?.life.crash();
    else last?.stopping.abort();
  }
  const isOfController = ['crash', 'stop', 'second controller'].includes(episode.kind);
  if (isOfController && controllers.working().length === 0) controllers.start();
}

const mostTries = 3;
/** So many answers get lost on the way to the person. */
const lostShare = 0.3;
const patienceMs = 2_000;

/** Who gets no answer asks again, with the same key. */
function ask(episode: PersonEpisode & Episode, cast: Cast, tries: number): void {
  const { time, count, tell } = cast.scene;
  const again = () => {
    const isInTime = time.now() + 2 * patienceMs < overAt;
    if (tries > 1 && isInTime) time.after(patienceMs, () => ask(episode, cast, tries - 1));
  };
  const answers = cast.controllers.working().at(-1)?.hands;
  const answer = answers ? act(answers, episode) : Promise.reject(new Error('no controller answers'));
  answer.then(
    done => {
      if (done !== undefined) count(`done: ${episode.does}`);
      tell(() => `a person: ${episode.does} is done: ${JSON.stringify(done ?? 'nothing to do')}`);
      if (cast.lots() < lostShare) again();
    },
    error => {
      tell(() => `a person: ${episode.does} is not done: ${error.message}`);
      if (!(error instanceof Refusal)) again();
    },
  );
}

function coverageOf(episode: Episode): string {
  switch (episode.kind) {
    case 'model':
    case 'prometheus':
    case 'probes':
      return `${episode.kind} ${episode.how}`;
    case 'drift':
      return `gateway ${episode.how}`;
    case 'person':
      return 'people';
    default:
      return episode.kind;
  }
}

const isSame = (one: Weights, other: Weights) =>
  Object.keys({ ...one, ...other }).every(model => (one[model] ?? 0) === (other[model] ?? 0));
