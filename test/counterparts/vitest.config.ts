import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/** Real products, which take minutes and gigabytes: `npm run test:counterparts`, never `npm test`. */
export default defineConfig({
  root: fileURLToPath(new URL('../..', import.meta.url)),
  resolve: { conditions: ['source'] },
  ssr: { resolve: { conditions: ['source'] } },
  test: {
    name: 'counterparts',
    include: ['test/counterparts/**/*.counterpart.ts'],
    pool: 'forks',
    execArgv: ['--conditions=source'],
    maxWorkers: 1,
    fileParallelism: false,
    testTimeout: 240_000,
    hookTimeout: 1_800_000, // the installation is in it,
  },
});
