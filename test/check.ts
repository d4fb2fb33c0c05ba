import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/*
 * What guards the tree besides the tests: types, lint and format, dead code, generated files, and the configuration
 * that Prometheus and Alertmanager are given. Runs everything, then says what failed.
 */

const root = fileURLToPath(new URL('..', import.meta.url));

const checks: readonly { readonly name: string; readonly command: readonly string[] }[] = [
  { name: 'types', command: ['tsc', '-p', '.'] },
  { name: 'what is published', command: ['tsc', '-b', 'instrumentation', 'rules', 'controller'] },
  {
    name: 'lint and format',
    command: ['biome', 'check', '--config-path=test/lint.json', '--error-on-warnings', '.'],
  },
  { name: 'dead code', command: ['knip', '--no-progress'] },
  { name: 'generated files', command: ['node', '--conditions=source', 'test/generate.ts', '--check'] },
  {
    name: 'Prometheus configuration',
    command: ['promtool', 'check', 'config', 'deploy/prometheus/prometheus.yml'],
  },
  {
    name: 'Alertmanager configuration',
    command: ['amtool', 'check-config', 'rules/generated/alertmanager.yml'],
  },
  {
    name: 'the shipped policy',
    command: [
      'node',
      '--conditions=source',
      'controller/src/main.ts',
      'check',
      'rules/performance_thresholds.yml',
    ],
  },
];

const failed = checks.filter(({ name, command: [program, ...arguments_] }) => {
  const begun = performance.now();
  const { status, stdout, stderr, error } = spawnSync(program!, arguments_, { cwd: root, encoding: 'utf8' });
  const seconds = ((performance.now() - begun) / 1000).toFixed(1);
  console.log(`${status === 0 ? 'ok    ' : 'FAILED'} ${name} (${seconds} s)`);
  if (status !== 0) console.log([stdout, stderr, error?.message].filter(Boolean).join('\n'));
  return status !== 0;
});

if (failed.length > 0) {
  console.error(`check: ${failed.map(({ name }) => name).join(', ')} failed`);
  process.exitCode = 1;
}
