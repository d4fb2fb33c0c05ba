import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from './client.ts';
import type { Marks } from './report.ts';
import type { Stack } from './stack.ts';
import type { Timeline } from './timeline.ts';
import type { Watch } from './watch.ts';

export type StoryName = 'drift' | 'outage' | 'latency' | 'prometheus';
export const stories: readonly StoryName[] = ['drift', 'outage', 'latency', 'prometheus'];

export interface Scene {
  readonly stack: Stack;
  readonly client: Client;
  readonly watch: Watch;
  readonly timeline: Timeline;
  readonly marks: Marks;
  /** How much longer than usual a change may take, as somebody has to say yes to it. */
  readonly patience: number;
}

const healthyMs = 65_000;
const shownAfterMs = 15_000;

/** Plays one story to its end; every step waits for what really happens, none for a guess. */
export async function play(story: StoryName, scene: Scene): Promise<void> {
  await healthyTraffic(scene);
  switch (story) {
    case 'drift':
      return drift(scene);
    case 'outage':
      return outage(scene);
    case 'latency':
      return latency(scene);
    case 'prometheus':
      return prometheusAway(scene);
  }
}

async function healthyTraffic({ watch, timeline, marks }: Scene): Promise<void> {
  await watch.until(
    status => status.models.some(model => model.model_id === 'spam-v1' && model.verdict === 'healthy'),
    {
      ms: 60_000,
      what: 'a healthy verdict on spam-v1',
    },
  );
  marks.healthySince = Date.now();
  timeline.event(
    'story',
    `spam-v1 is healthy and serves; ${healthyMs / 1000} s of normal mail, in which nothing may move`,
  );
  await delay(healthyMs);
}

/** The mail changes to a kind that spam-v1 has never seen the like of. Nothing is injected: it really is wrong. */
async function drift(scene: Scene): Promise<void> {
  const { client, timeline, marks } = scene;
  client.population('shifted');
  marks.troubleAt = Date.now();
  timeline.event(
    'story',
    'the mail changes: newsletters that look like spam, and later spam; spam-v1 was never trained on such mail',
  );
  await failoverBecauseOf(scene, 'accuracy', 180_000);
  await delay(shownAfterMs);
  client.population('early');
  marks.troubleOverAt = Date.now();
  timeline.event(
    'story',
    'the mail is as it was; spam-v1 has to prove itself before it gets its traffic back',
  );
  await failback(scene);
}

async function outage(scene: Scene): Promise<void> {
  const { stack, timeline, marks } = scene;
  stack.primary.signal('SIGKILL');
  marks.troubleAt = Date.now();
  timeline.event('fault', 'spam-v1 is killed (SIGKILL)');
  await failoverBecauseOf(scene, 'success', 60_000);
  await delay(shownAfterMs);
  await stack.startPrimaryAgain();
  marks.troubleOverAt = Date.now();
  timeline.event('story', 'spam-v1 is started again');
  await failback(scene);
}

async function latency(scene: Scene): Promise<void> {
  const { stack, timeline, marks } = scene;
  stack.primary.signal('SIGUSR2');
  marks.troubleAt = Date.now();
  timeline.event('fault', 'the event loop of spam-v1 is kept busy: it answers, but late');
  await failoverBecauseOf(scene, 'latency', 120_000);
  await delay(shownAfterMs);
  stack.primary.signal('SIGUSR2');
  marks.troubleOverAt = Date.now();
  timeline.event('story', 'spam-v1 has its event loop back');
  await failback(scene);
}

/** Without Prometheus nobody knows anything: nothing may move. When it is back, real trouble is noticed as ever. */
async function prometheusAway(scene: Scene): Promise<void> {
  const { stack, client, watch, timeline, marks } = scene;
  const generation = watch.status()?.routes[0]?.generation;
  process.kill(stack.prometheus().pid, 'SIGKILL');
  const from = Date.now();
  timeline.event('fault', 'Prometheus is killed (SIGKILL)');
  const blind = await watch.until(({ problem }) => problem !== null, {
    ms: 20_000,
    what: 'the status "unknown"',
  });
  marks.unknown = { from, reason: blind.problem ?? '' };
  timeline.event('alert', `the status says unknown: ${blind.problem}`);
  await delay(20_000);
  await stack.startPrometheusAgain();
  const back = await watch.until(
    status =>
      status.problem === null &&
      status.models.some(({ model_id, verdict }) => model_id === 'spam-v1' && verdict === 'healthy'),
    { ms: 60_000, what: 'a healthy verdict after Prometheus came back' },
  );
  marks.unknown.until = Date.now();
  if (back.routes[0]?.generation !== generation) throw new Error('the route moved while Prometheus was away');
  timeline.event('back', 'Prometheus is back, nothing has moved meanwhile');
  client.population('shifted');
  marks.troubleAt = Date.now();
  timeline.event('story', 'the mail changes, to see that all goes on');
  await failoverBecauseOf(scene, 'accuracy', 180_000);
  await delay(shownAfterMs);
  marks.troubleOverAt = Date.now();
}

async function failoverBecauseOf(
  { watch, marks, patience }: Scene,
  signal: string,
  ms: number,
): Promise<void> {
  const failover = await watch.event(
    event => event.kind === 'failover' && Date.parse(event.switch_timestamp) >= marks.troubleAt!,
    { ms: ms * patience, what: `a failover because of ${signal}` },
  );
  if (failover.signal !== signal)
    throw new Error(`the failover is because of ${failover.signal}, not ${signal}: ${failover.reason}`);
}

async function failback({ watch, timeline, patience }: Scene): Promise<void> {
  const returned = await watch.event(event => event.kind === 'failback', {
    ms: 300_000 * patience,
    what: 'the failback',
  });
  await watch.until(status => (status.routes[0]?.generation ?? 0) >= returned.generation, {
    ms: 10_000,
    what: 'the status after the failback',
  });
  await delay(5_000);
  timeline.event('back', 'spam-v1 serves everything again');
}
