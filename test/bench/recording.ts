import { normal, seeded } from '../sim/random.ts';
import { processorMs } from './processor-time.ts';
import { type RecorderContender, type RecorderName, recorders } from './recorders.ts';

/*
 * Prints what one measurement costs one contender, alone in its process, so that the compiler sees one telemetry as it
 * does in a server: `record` and `request` in nanoseconds, `record_bytes` in bytes allocated. These need a young
 * generation that is not collected in between (`--min-semi-space-size`).
 */

/** So many that the processor cannot learn them. */
const drawn = 2 ** 20;
const random = seeded('durations');
const durations = Float64Array.from({ length: drawn }, () => 0.3 * Math.exp(1.2 * normal(random)));

function records(contender: RecorderContender, count: number): void {
  for (let i = 0; i < count; i++) contender.record(durations[i % drawn]!);
}

function requests(contender: RecorderContender, count: number): void {
  for (let i = 0; i < count; i++) contender.request(i % 2);
}

type Work = (contender: RecorderContender, count: number) => void;

/** The collector's own threads are left out, to the good of those who need it. */
function nanosecondsEach(work: Work, contender: RecorderContender, count: number): number {
  work(contender, count);
  const begunMs = processorMs();
  work(contender, count);
  return ((processorMs() - begunMs) * 1e6) / count;
}

function bytesEach(work: Work, contender: RecorderContender, count: number): number {
  work(contender, count);
  globalThis.gc!();
  const before = process.memoryUsage().heapUsed;
  work(contender, count);
  return (process.memoryUsage().heapUsed - before) / count;
}

/** Peers allocate: they get as many as the young generation has room for. */
const counts = (name: RecorderName) =>
  name === 'ours' ? { records: 1e7, requests: 1e6 } : { records: 2e5, requests: 5e4 };

const measures: Readonly<Record<string, (name: RecorderName) => number>> = {
  record: name => nanosecondsEach(records, recorders[name](), counts(name).records),
  record_bytes: name => bytesEach(records, recorders[name](), counts(name).records),
  request: name => nanosecondsEach(requests, recorders[name](), counts(name).requests),
};

const [what, name] = process.argv.slice(2);
console.log(measures[what!]!(name as RecorderName));
