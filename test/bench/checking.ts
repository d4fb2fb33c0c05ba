import { setImmediate as turn } from 'node:timers/promises';
import { type Answer, type Checks, init } from '@neuroweaver/instrumentation';
import { bytesInUse } from './child.ts';
import { processorMs } from './processor-time.ts';

/*
 * Prints what the checks cost a model server, alone in its process: in nanoseconds what `observe` takes on the request
 * path, in microseconds what one answer takes beside it with all checks, in bytes what a remembered request takes.
 */

const ml = init({ page: 'none', resources: false });
const model = ml.model({ name: 'chat-1', version: '1', operation: 'chat', provider: 'example' });

/** Every check; the answers are no JSON, so the schema costs what it takes to see that. */
function allChecks(sample: number): Checks {
  return model.checks({
    sample,
    maximumPerSecond: 1e9,
    empty: true,
    truncated: 'prose',
    schema: { type: 'object' },
    refusal: true,
    repetition: true,
    language: 'en',
    tooFast: true,
  });
}

/** Prose of so many characters in which no sentence comes twice. */
function answerOf(length: number, seed = 0): Answer {
  const subjects = [
    'The parcel',
    'A letter of the customer',
    'This order',
    'What you asked for',
    'My colleague',
  ];
  const verbs = [
    'was sent to',
    'is on the way from',
    'has been waiting for',
    'will be with',
    'came back from',
  ];
  let text = '';
  for (let index = seed; text.length < length; index++)
    text += `${subjects[index % 5]} ${verbs[(index * 7) % 4]} house ${index} of the ${index * 3}th street. `;
  return { text: text.slice(0, length), finishReason: 'stop', tokens: length / 4, seconds: length / 200 };
}

function nanosecondsEach(work: (count: number) => void, count: number): number {
  work(count);
  const begunMs = processorMs();
  work(count);
  return ((processorMs() - begunMs) * 1e6) / count;
}

function passingOver(): number {
  const checks = allChecks(1e-12);
  const answer = answerOf(500);
  return nanosecondsEach(count => {
    for (let index = 0; index < count; index++) checks.observe(answer);
  }, 1e7);
}

const batch = 1_000;

/** What `observe` takes of those that are drawn; that they are checked in between is left out. */
async function drawing(): Promise<number> {
  const checks = model.checks({ sample: 1, maximumPerSecond: 1e9, empty: true });
  const answer = answerOf(500);
  const work = async (batches: number) => {
    let tookMs = 0;
    for (let done = 0; done < batches; done++) {
      const begunMs = processorMs();
      for (let index = 0; index < batch; index++) checks.observe(answer);
      tookMs += processorMs() - begunMs;
      await untilChecked(batch);
    }
    return tookMs;
  };
  await work(50);
  return ((await work(50)) * 1e6) / (50 * batch);
}

async function microsecondsChecked(length: number): Promise<number> {
  const checks = allChecks(1);
  const answers = Array.from({ length: 30 }, (_, seed) => answerOf(length, seed));
  const work = async (rounds: number) => {
    for (let round = 0; round < rounds; round++) {
      for (const answer of answers) checks.observe(answer);
      await untilChecked(answers.length);
    }
  };
  await work(10);
  const begunMs = processorMs();
  await work(10);
  return ((processorMs() - begunMs) * 1_000) / (10 * answers.length);
}

/** Each turn of the event loop checks one answer at least. */
async function untilChecked(answers: number): Promise<void> {
  for (let turns = 0; turns <= answers; turns++) await turn();
}

const remembered = 100_000;
const requestIds = Array.from({ length: 4 * remembered }, () => crypto.randomUUID());

/** The first round fills the memory, so that the second has to forget as much as it remembers. */
function remembering(): number {
  let next = 0;
  return nanosecondsEach(count => {
    for (let index = 0; index < count; index++) model.remember(requestIds[next++]!);
  }, 2 * remembered);
}

/** The ids themselves are the server's own. */
function bytesRemembered(): number {
  const before = bytesInUse();
  for (let index = 0; index < remembered; index++) model.remember(requestIds[index]!);
  return (bytesInUse() - before) / remembered;
}

const measures: Readonly<Record<string, () => number | Promise<number>>> = {
  passed_over: passingOver,
  drawn: drawing,
  answer_500: () => microsecondsChecked(500),
  answer_4000: () => microsecondsChecked(4_000),
  answer_100000: () => microsecondsChecked(100_000),
  remember: remembering,
  remember_bytes: bytesRemembered,
};

console.log(await measures[process.argv[2]!]!());
