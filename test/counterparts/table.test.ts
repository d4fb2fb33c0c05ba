import { expect, test } from 'vitest';
import { resultsIn, suiteTable, tableOf } from './table.ts';

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

test('every kind stands beside every case, with those that it is not asked', () => {
  const drivers = report(['dry-run', 'it follows', 'passed', 1], ['haproxy', 'it follows', 'failed', 2]);
  const counterparts = report(
    ['litellm, the real one', 'it follows', 'passed', 3],
    ['litellm, the real one', 'an answer is lost', 'passed', 3],
    ['litellm', 'a wrong key', 'passed', 4],
  );
  expect(suiteTable(drivers, counterparts).split('\n')).toEqual([
    'A  dry-run',
    'B  haproxy',
    'C  litellm, the real one',
    '',
    'case               A  B  C',
    'it follows         +  !  +',
    'an answer is lost  -  -  +',
  ]);
});
