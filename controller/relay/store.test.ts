import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { targetsAt, temporaryFolder } from './fixture.ts';
import { parseOptions, type RelayOptions } from './options.ts';
import { openStore } from './store.ts';

const change = (generation: number) => ({
  weights: { a: 0, b: 10_000 },
  generation,
  reason: 'a test',
  updatedBy: null,
});

test.each([0, 1, 2, 3, 5, 8])(
  'what is adopted %i turns into a push of something older stays',
  async turns => {
    const stateFile = join(temporaryFolder(), 'routes.json');
    const targets = targetsAt('http://127.0.0.1:1', 'http://127.0.0.1:2');
    const telemetry = {} as RelayOptions['telemetry']; // nothing is counted here
    const { routes } = parseOptions({ routes: { mail: { targets } }, stateFile, telemetry });
    const store = openStore(routes, stateFile, () => {});
    const pushed = store.change('mail', change(5), undefined);
    for (let index = 0; index < turns; index += 1) await turn();
    expect(store.adopt('mail', change(6)).kind).toBe('changed');
    await pushed;
    expect(store.state('mail').generation).toBe(6);
    await store.settled();
    expect(JSON.parse(readFileSync(stateFile, 'utf8')).routes.mail.generation).toBe(6);
  },
);
