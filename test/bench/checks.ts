import { fileURLToPath } from 'node:url';
import type { Benchmark } from './benchmarks.ts';
import { measuredInChild } from './child.ts';
import { type Result, sideBySide } from './side-by-side.ts';

export const checks: Benchmark = {
  about:
    'what an answer costs that is passed over, drawn, or drawn and checked; what remembering a request costs',
  run: async progress => [
    await checking('passed_over', 'ns', progress),
    await checking('drawn', 'ns', progress),
    await checking('answer_500', 'us', progress),
    await checking('answer_4000', 'us', progress),
    await checking('answer_100000', 'us', progress),
    await checking('remember', 'ns', progress),
    await checking('remember_bytes', 'bytes', progress),
  ],
};

const rounds = 3;
const script = fileURLToPath(new URL('checking.ts', import.meta.url));

function checking(what: string, unit: string, progress: (line: string) => void): Promise<Result> {
  return sideBySide({
    name: `checks_${what}`,
    unit,
    rounds,
    ours: () => measuredInChild(script, [what]),
    onRound: round => progress(`${what}: ${round} of ${rounds} rounds`),
  });
}
