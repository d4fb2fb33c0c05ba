import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Workspaces are resolved by their `source` condition, so no build is needed. */
const shared = {
  root,
  resolve: { conditions: ['source'] },
  ssr: { resolve: { conditions: ['source'] } },
};
const forks = {
  pool: 'forks' as const,
  execArgv: ['--conditions=source'],
  exclude: ['**/node_modules/**', '**/dist/**'],
};

/**
 * Unit tests stand beside their files and run side by side; many of them start real servers. The stories of `test/e2e`
 * take minutes of real traffic and run after them, one at a time, so that nothing starves them.
 */
export default defineConfig({
  ...shared,
  test: {
    projects: [
      {
        ...shared,
        test: {
          ...forks,
          name: 'unit',
          include: ['{instrumentation,rules,controller,grafana,deploy,test}/**/*.test.ts'],
          exclude: [...forks.exclude, 'test/e2e/**'],
          maxWorkers: 2,
          testTimeout: 30_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        ...shared,
        test: {
          ...forks,
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          maxWorkers: 1,
          fileParallelism: false,
          testTimeout: 600_000,
          hookTimeout: 120_000,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
