import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { startServer, temporaryFolder } from '../../relay/fixture.ts';

const main = fileURLToPath(new URL('../main.ts', import.meta.url));
const secret = 'sk-very-secret';

/** `relayctl probe` on a policy of its own, against a model that says which key it was sent. */
async function probe(model: string, ...options: string[]) {
  const url = await startServer((request, response) =>
    response.end(JSON.stringify({ label: 'spam', key: request.headers['x-api-key'] })),
  );
  const policy = join(temporaryFolder(), 'policy.yml');
  const keyed = (name: string, json: string) =>
    `{ name: ${name}, path: /, headers: { x-api-key: '\${MODEL_KEY}' }, expect: { json: ${json} } }`;
  await writeFile(
    policy,
    `
models:
  good: { endpoint: '${url}', probes: [${keyed('a spam', '{ pointer: /label, equals: spam }')}] }
  bad: { name: b, endpoint: '${url}', probes: [${keyed('a letter', '{ pointer: /key, equals: ham }')}, ${keyed('a spam', '{ pointer: /label, equals: spam }')}] }
  nowhere: {}
`,
  );
  const child = spawn(
    process.execPath,
    ['--conditions=source', main, 'probe', model, '--policy', policy, ...options],
    { env: { ...process.env, MODEL_KEY: secret, NO_COLOR: '1' } },
  );
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ]);
  expect(stdout + stderr).not.toContain(secret);
  return { stdout, stderr, code };
}

test('shows how each golden request went; 0 when all passed', async () => {
  const { stdout, code } = await probe('good');
  expect(code).toBe(0);
  expect(stdout).toMatch(/^a spam +passed +200 +\d+ ms/m);
  expect(stdout).toMatch(/^good: 1 golden requests in \d+ ms$/m);
});

test('says why one failed, sends the others all the same, and ends with 1', async () => {
  const { stdout, stderr, code } = await probe('bad', '--json');
  expect(code).toBe(1);
  expect(JSON.parse(stdout)).toMatchObject({
    model: 'bad',
    passed: false,
    outcomes: [
      { name: 'a letter', outcome: 'unexpected', reason: '/key is "[secret]" instead of "ham"' },
      { name: 'a spam', outcome: 'passed', status: 200 },
    ],
  });
  expect(stderr).toContain('bad fails: a letter: /key is "[secret]" instead of "ham"');
});

test.each([
  ['unheard-of', /there is no model "unheard-of" in .*; use one of: good, bad, nowhere/],
  ['nowhere', /nowhere has no endpoint; add models\.nowhere\.endpoint/],
])('%s is wrong usage', async (model, problem) => {
  const { stderr, code } = await probe(model);
  expect(code).toBe(2);
  expect(stderr).toMatch(problem);
});
