import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/**
 * One project for everything: unit tests beside their files, promtool and real-server tests under `test/`.
 * Workspaces are resolved by their `source` condition, so no build is needed.
 */
export default defineConfig({
  root: fileURLToPath(new URL('..', import.meta.url)),
  resolve: { conditions: ['source'] },
  ssr: { resolve: { conditions: ['source'] } },
  test: {
    include: ['{instrumentation,rules,controller,grafana,deploy,test}/**/*.test.ts'],
    exclude: ['**/node_modules/**', '**/dist/**'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    execArgv: ['--conditions=source'],
  },
});
