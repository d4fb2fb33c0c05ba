import { assess } from './assess.ts';
import { checks } from './checks.ts';
import { express } from './express.ts';
import { instrumentation } from './instrumentation.ts';
import { read } from './read.ts';
import type { Result } from './side-by-side.ts';
import { switching } from './switching.ts';

export interface Benchmark {
  readonly about: string;
  /** `progress` takes one line a call. */
  run(progress: (line: string) => void): Promise<readonly Result[]>;
}

export const benchmarks: Readonly<Record<string, Benchmark>> = {
  assess,
  read,
  switching,
  instrumentation,
  express,
  checks,
};
