import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type Client, startClient } from './client.ts';
import { trackFirstServed } from './first-served.ts';
import { ensureModels } from './mail/train.ts';
import { conditionKey, type Marks, reportOf } from './report.ts';
import { type Stack, startStack } from './stack.ts';
import { play, type StoryName, stories } from './story.ts';
import { createTimeline, type Timeline } from './timeline.ts';
import { type SwitchEvent, type Watch, watchController } from './watch.ts';
import { type DeliveredAlert, startWebhookSink, type WebhookSink } from './webhook-sink.ts';

const usage = `npm run demo [-- options]

A real mail classifier gets worse, the route moves to a better one, and comes back. Real Prometheus, real Alertmanager.

  --fault outage       kill the primary instead of changing the mail
  --fault latency      keep the primary's event loop busy instead
  --fault prometheus   kill Prometheus: nothing moves until it is back
  --approve            every change of the route waits for your yes
  --once               end by itself when the story is over
  --report FILE        write what happened as JSON
  --rate N             requests a second (default 100)
  --keep               keep the folder with logs and data
  --help               this text
`;

const cacheFolder = fileURLToPath(new URL('../../.cache/demo', import.meta.url));
const labelDelayMs = 1000;

const options = readOptions();
const folder = await mkdtemp(join(tmpdir(), 'relaycore-demo-'));
const ending = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.once(signal, () => ending.abort(signal));

process.exitCode = await run().catch(error => {
  if (ending.signal.aborted) return 130;
  console.error(`\ndemo: ${error instanceof Error ? error.message : error}`);
  console.error(`demo: the logs are in ${folder}`);
  options.keep = true;
  return 1;
});
if (!options.keep) await rm(folder, { recursive: true, force: true });
// Whatever a library still holds open must not keep a finished demo alive.
process.exit();

async function run(): Promise<number> {
  const timeline = createTimeline(process.stdout);
  timeline.event('story', `the story "${options.story}": ${describe(options.story)}`);
  const mail = await prepareModels(timeline);
  const alerts = await startWebhookSink(alert => tellAlert(timeline, alert));
  let stack: Stack | undefined;
  try {
    stack = await startStack({
      folder,
      cacheFolder,
      webhookUrl: alerts.url,
      mode: options.approve ? 'approve' : 'auto',
      onProgress: line => timeline.note(`starting ${line}`),
    });
    return await withTraffic(stack, mail, alerts, timeline);
  } finally {
    await stack?.stop();
    await alerts.stop();
  }
}

async function prepareModels(timeline: Timeline) {
  const { accuracy, mail, trainedNow } = await ensureModels(cacheFolder, line => timeline.note(line));
  for (const [model, { populations }] of Object.entries(accuracy))
    timeline.note(
      `${model}: accuracy on held-back mail ${populations.early.toFixed(3)}, on the mail that comes later ${populations.shifted.toFixed(3)}`,
    );
  if (!trainedNow) timeline.note('(trained before and cached in .cache/demo)');
  return mail;
}

async function withTraffic(
  stack: Stack,
  mail: Parameters<typeof startClient>[0]['mail'],
  alerts: WebhookSink,
  timeline: Timeline,
): Promise<number> {
  const firstServed = trackFirstServed();
  const marks: Marks = { healthySince: Date.now(), firstServedAt: firstServed.times };
  const watch = watchController(stack.controller().url, event => {
    firstServed.switched(event);
    tellSwitch(timeline, event);
  });
  const client = startClient({
    gatewayUrl: stack.gateway.url,
    labelUrls: stack.labelUrls,
    mail,
    ratePerSecond: options.rate,
    labelDelayMs,
    seed: 1,
    onAnswer: firstServed.answered,
  });
  const conditions = watchConditions(watch);
  const stopAsking = tellProposals(watch, timeline);
  const ticker = setInterval(
    () => timeline.state(watch.status(), client.between(Date.now() - 4000, Date.now() - 1000)),
    3000,
  );
  const abandoned = new Promise<never>((_resolve, reject) => {
    ending.signal.addEventListener('abort', () => reject(new Error('interrupted')));
  });
  try {
    timeline.note(
      `mail at ${options.rate} requests a second; true labels come back after ${labelDelayMs / 1000} s`,
    );
    timeline.note('waits of the way back are shortened by deploy/demo/policy.yml from hours to seconds');
    timeline.note(
      `in another terminal: RELAYCORE_URL=${stack.controller().url} npm run -s relayctl -- status`,
    );
    const patience = options.approve ? 10 : 1;
    await Promise.race([play(options.story, { stack, client, watch, timeline, marks, patience }), abandoned]);
    if (options.once) await client.stop();
    const report = reportOf({
      story: options.story,
      marks,
      events: watch.events,
      alerts: alerts.delivered,
      conditions: conditions.times,
      client,
    });
    if (options.report) await writeFile(options.report, `${JSON.stringify(report, null, 2)}\n`);
    summarise(timeline, report, client);
    if (!options.once) await stayOpen(stack, timeline, abandoned);
    return 0;
  } finally {
    clearInterval(ticker);
    conditions.stop();
    stopAsking();
    watch.stop();
    await client.stop();
  }
}

/** When each verdict became true, as the controller first said so. */
function watchConditions(watch: Watch) {
  const times = new Map<string, number>();
  const timer = setInterval(() => {
    for (const { model_id, signals } of watch.status()?.models ?? [])
      for (const { signal, warning, critical } of signals)
        for (const [level, { fired_at }] of [
          ['warning', warning],
          ['critical', critical],
        ] as const) {
          const key = conditionKey(model_id, signal, level);
          if (fired_at !== null && !times.has(key)) times.set(key, Date.parse(fired_at));
        }
  }, 250);
  return { times, stop: () => clearInterval(timer) };
}

/** What waits for a person, once each. */
function tellProposals(watch: Watch, timeline: Timeline): () => void {
  let told: number | undefined;
  const timer = setInterval(() => {
    const proposal = watch.status()?.routes[0]?.proposal;
    if (!proposal || proposal.id === told) return;
    told = proposal.id;
    timeline.event('alert', `proposed: ${proposal.kind} to ${proposal.to}; relayctl approve ${proposal.id}`);
  }, 250);
  return () => clearInterval(timer);
}

async function stayOpen(stack: Stack, timeline: Timeline, abandoned: Promise<never>): Promise<void> {
  const controller = stack.controller().url;
  timeline.event('story', 'everything keeps running; Ctrl-C ends it');
  timeline.note(`status        ${controller}/api/v1/performance/model-status`);
  timeline.note(`switches      ${controller}/api/v1/performance/switch-history`);
  timeline.note(`alerts        ${controller}/api/v1/performance/alerts`);
  timeline.note(`Prometheus    ${stack.prometheus().url}`);
  timeline.note(`Alertmanager  ${stack.alertmanager.url}`);
  timeline.note(`logs          ${stack.folder}`);
  await abandoned.catch(() => undefined);
}

function tellSwitch(
  timeline: Timeline,
  { kind, from_model, to_model, reason, generation }: SwitchEvent,
): void {
  timeline.event(
    kind === 'failover' ? 'bad' : 'good',
    `${kind} ${from_model} → ${to_model} (generation ${generation}): ${reason}`,
  );
}

function tellAlert(timeline: Timeline, { status, severity, name, annotations }: DeliveredAlert): void {
  timeline.event(
    'alert',
    `webhook: ${severity} ${name} ${status}${status === 'firing' ? `: ${annotations.description ?? ''}` : ''}`,
  );
}

function summarise(timeline: Timeline, report: ReturnType<typeof reportOf>, client: Client): void {
  const { sent, answered, failed, lost, accuracy } = report.client;
  const shown = (share: number | null) => (share === null ? '–' : share.toFixed(3));
  const failover = report.switches.find(({ kind }) => kind === 'failover');
  timeline.event('story', 'what happened');
  timeline.note(`healthy ${report.healthySeconds} s, switches in that time: ${report.falseSwitches}`);
  if (failover?.firstServedAt)
    timeline.note(
      `failover: ${((failover.decidedAt - (failover.firstBadAt ?? failover.decidedAt)) / 1000).toFixed(1)} s after the change began; decision to first answer of the backup ${failover.firstServedAt - failover.decidedAt} ms`,
    );
  for (const alert of report.alerts)
    if (alert.conditionAt !== null)
      timeline.note(
        `alert ${alert.name} (${alert.severity}): delivered ${((alert.deliveredAt - alert.conditionAt) / 1000).toFixed(1)} s after its condition`,
      );
  timeline.note(
    `accuracy: healthy ${shown(accuracy.healthy)}, before the switch ${shown(accuracy.before)}, after it ${shown(accuracy.after)}`,
  );
  timeline.note(
    `requests: ${sent} sent, ${answered} answered, ${failed} failed, ${lost} lost; labels lost ${client.statistics().labelsLost}`,
  );
  if (options.report) timeline.note(`report: ${options.report}`);
}

function describe(story: StoryName): string {
  return {
    drift: 'the mail changes, and a classifier that was right is wrong more and more often',
    outage: 'the process of the primary is killed',
    latency: 'the primary becomes slow',
    prometheus: 'Prometheus is killed, so nobody knows how the models are',
  }[story];
}

function readOptions() {
  const { values } = parseArgs({
    options: {
      fault: { type: 'string' },
      once: { type: 'boolean', default: false },
      approve: { type: 'boolean', default: false },
      report: { type: 'string' },
      rate: { type: 'string', default: '100' },
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(usage);
    process.exit(0);
  }
  const story = (values.fault ?? 'drift') as StoryName;
  const rate = Number(values.rate);
  const problems = [
    !stories.includes(story) && `--fault ${values.fault} is not known; use outage, latency or prometheus`,
    !(rate >= 20 && rate <= 1000) && `--rate ${values.rate} is not between 20 and 1000`,
  ].filter(Boolean);
  if (problems.length > 0) {
    process.stderr.write(`demo: ${problems.join('\ndemo: ')}\n\n${usage}`);
    process.exit(2);
  }
  const { once, approve, report, keep } = values;
  return { story, rate, once, approve, report, keep };
}
