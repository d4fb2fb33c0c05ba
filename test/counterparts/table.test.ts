import { expect, test } from 'vitest';
import { resultsIn, tableOf } from './table.ts';

const report = (...cases: [suite: string, title: string, status: string, duration: number][]) =>
  JSON.stringify({
    testResults: [
      {
        assertionResults: cases.map(([suite, title, status, duration]) => ({
          ...{ ancestorTitles: [suite], title, status, duration },
        })),
      },
    ],
  });

test('the product stands beside its fake', () => {
  const results = resultsIn(
    report(
      ['litellm, its fake', 'it follows', 'passed', 1.6],
      ['litellm, the real one', 'it follows', 'failed', 20],
      ['litellm, the real one', 'two of them', 'passed', 3],
      ['litellm', 'a wrong key', 'passed', 4],
    ),
  );
  expect(results[0]).toEqual({
    driver: 'litellm',
    case: 'it follows',
    fake: { passed: true, ms: 2 },
    real: { passed: false, ms: 20 },
  });
  expect(tableOf(results).split('\n')).toEqual([
    'driver   case                              its fake  the real one',
    'litellm  it follows                     passed 2 ms  FAILED 20 ms',
    'litellm  two of them                              -   passed 3 ms',
    'litellm  the same answers: a wrong key  passed 4 ms   passed 4 ms',
  ]);
});
