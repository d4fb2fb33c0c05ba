import { expect, test } from 'vitest';
import { stringify } from 'yaml';
import { loadPolicy } from './policy.ts';

/** One good route for each kind; each row of the tables changes one thing. */
const good = {
  haproxy: { kind: 'haproxy', socket: '/run/haproxy/admin.sock', servers: { nb: ['nb-1', 'nb-2'] } },
  document: { kind: 'document', file: '/etc/flagd/routes.json' },
  http: {
    kind: 'http',
    headers: { 'x-api-key': 'k' },
    names: { nb: '10.0.0.5:80' },
    read: {
      url: 'http://h/upstreams/{{route}}',
      weight: '/nodes/{{name}}',
      generation: '/labels/generation',
    },
    write: {
      method: 'PATCH',
      url: 'http://h/upstreams/{{route}}',
      body: '{ "nodes": {{weights}}, "labels": { "generation": "{{generation}}", "why": "{{ reason }}" } }',
    },
  },
  litellm: {
    kind: 'litellm',
    url: 'http://litellm:4000',
    token: 'sk-1',
    deployments: { nb: ['nb-1', 'nb-2'] },
  },
  kubernetes: { kind: 'kubernetes', namespace: 'models', backends: { nb: 'spam-nb' } },
};

const load = (driver: object, route = 'mail', more: object = {}) =>
  loadPolicy(
    stringify({
      models: { nb: {}, lr: {} },
      routes: { [route]: { targets: ['nb', 'lr'], driver }, ...more },
    }),
  );
const problemsOf = (...given: Parameters<typeof load>) => {
  const loaded = load(...given);
  return loaded.kind === 'ok' ? [] : loaded.problems;
};
const haproxy = (more: object) => ({ ...good.haproxy, ...more });
const litellm = (more: object) => ({ ...good.litellm, ...more });
const kubernetes = (more: object) => ({ ...good.kubernetes, ...more });
const http = (more: { read?: object; write?: object } & Record<string, unknown>) => ({
  ...good.http,
  ...more,
  read: { ...good.http.read, ...more.read },
  write: { ...good.http.write, ...more.write },
});

test.each([
  ['HAProxy', good.haproxy],
  ['HAProxy over TCP, twice', haproxy({ socket: ['127.0.0.1:9999', '[::1]:9999'] })],
  ['a file', good.document],
  ['Redis', { kind: 'document', redis: 'rediss://user:pass@redis:6380/1' }],
  ['Redis with a password', { kind: 'document', redis: 'redis://:p%40ss%25@redis:6379' }],
  ['HTTP', good.http],
  [
    'HTTP, a request a target',
    http({
      read: { url: 'http://h/{{name}}', weight: '/weight' },
      write: { url: 'http://h/{{name}}', body: '{"weight":{{weight}}}' },
    }),
  ],
  ['LiteLLM', good.litellm],
  ['LiteLLM, twice', litellm({ url: ['http://one:4000', 'http://two:4000'], group: 'gpt-4o' })],
  ['Kubernetes', good.kubernetes],
  [
    'a rule by name in another context',
    kubernetes({ resource: 'VirtualService', name: 'mail.v1', rule: 'all', context: 'production' }),
  ],
  [
    'HTTP, a weight for each',
    http({ write: { url: 'http://h/?a={{weight.nb}}&b={{weight.lr}}', body: 'x' } }),
  ],
])('accepts %s', (_, driver) => {
  expect(problemsOf(driver)).toEqual([]);
});

test('what is left out has its default', () => {
  const loaded = load({ kind: 'document', redis: 'redis://h' });
  expect(loaded).toMatchObject({ policy: { routes: { mail: { driver: { prefix: 'relaycore:route:' } } } } });
});

test.each<[object, string, string, RegExp]>([
  [
    haproxy({ socket: 'admin.sock' }),
    'socket',
    'is not written in the expected form',
    /a path, or HOST:PORT/,
  ],
  [haproxy({ servers: { nv: 'x' } }), 'servers.nv', 'is no target of the route', /did you mean "nb"/],
  [haproxy({ servers: { lr: 'nb-1', nb: 'nb-1' } }), 'servers.lr', 'stands for nb already', /of its own/],
  [haproxy({ servers: { nb: 'lr' } }), 'servers.lr', 'stands for nb already', /of its own/],
  [
    haproxy({ servers: { nb: 'a; b' } }),
    'servers.nb',
    'is not written in the expected form',
    /name in the configuration/,
  ],
  [haproxy({ backend: 'a b' }), 'backend', 'is not written in the expected form', /if not named like it/],
  [{ kind: 'document' }, '', 'says no place for the document', /either file.* or redis/],
  [{ ...good.document, redis: 'redis://h' }, '', 'says two places', /either file.* or redis/],
  [{ kind: 'document', redis: 'http://h' }, 'redis', 'is not an address of Redis', /HOST:PORT/],
  [{ kind: 'document', redis: 'redis://:p@ss/w@h:1' }, 'redis', 'is not an address', /percent-encoded/],
  [{ kind: 'document', redis: 'redis://:p%ss@h:1' }, 'redis', 'is not an address', /percent-encoded/],
  [http({ names: { l: 'x' } }), 'names.l', 'is no target of the route', /did you mean "lr"/],
  [http({ names: { nb: 'lr' } }), 'names.lr', 'stands for nb already', /of its own/],
  [
    http({ write: { body: '{"w":{{weihts}}}' } }),
    'write.body',
    '{{weihts}} stands for nothing',
    /"\{\{weights\}\}"/,
  ],
  [
    http({ write: { url: 'http://h/{{rout}}' } }),
    'write.url',
    '{{rout}} stands for nothing',
    /"\{\{route\}\}"/,
  ],
  [
    http({ read: { url: 'http://h/{{reason}}' } }),
    'read.url',
    '{{reason}} stands for nothing here',
    /\{\{route\}\}/,
  ],
  [
    http({ read: { weight: '/{{nme}}/{{name}}' } }),
    'read.weight',
    '{{nme}} stands for nothing',
    /"\{\{name\}\}"/,
  ],
  [http({ read: { generation: '/{{x}}' } }), 'read.generation', '{{x}} stands for nothing', /use one of/],
  [
    http({ headers: { a: '{{weights}}' } }),
    'headers.a',
    '{{weights}} stands for nothing here',
    /\{\{route\}\}/,
  ],
  [http({ read: { url: 'http://h/{{name' } }), 'read.url', 'opens {{ and does not close it', /close it/],
  [
    http({ read: { weight: '/nodes/first' } }),
    'read.weight',
    'reads the same weight for every',
    /\{\{name\}\}/,
  ],
  [http({ read: { weight: 'nodes' } }), 'read.weight', 'is not written in the expected form', /JSON pointer/],
  [
    http({ read: { url: 'ftp://h' } }),
    'read.url',
    'is not written in the expected form',
    /where the weights/,
  ],
  [http({ read: { url: 'http://u:p@h/{{name}}' } }), 'read.url', 'has a user or password', /headers/],
  [
    http({ write: { body: '{"main":"{{target}}"}' } }),
    'write',
    'says nothing of the weights',
    /\{\{weights\}\}/,
  ],
  [http({ write: { body: '[{{weight.nb}}]' } }), 'write', 'leaves out {{weight.lr}}', /\{\{weights\}\}/],
  [http({ write: { body: '{"w":{{weights}}' } }), 'write.body', 'is no JSON once it is filled in', /quotes/],
  [http({ write: { body: '{"w":{{weights}},"r":{{reason}}' } }), 'write.body', 'is no JSON', /quotes/],
  [http({ write: { body: '{"w":{{weights}},"r":{{reason}}}' } }), 'write.body', 'is no JSON', /quotes/],
  [http({ write: { body: '{"w":"{{weights}}"}' } }), 'write.body', 'is no JSON', /where a value stands/],
  [litellm({ url: 'litellm:4000' }), 'url', 'is not an http or https address', /address of/],
  [litellm({ deployments: { nv: 'x' } }), 'deployments.nv', 'is no target', /did you mean "nb"/],
  [litellm({ deployments: { nb: 'x', lr: 'x' } }), 'deployments.lr', 'stands for nb already', /of its own/],
  [kubernetes({ namespace: 'Models' }), 'namespace', 'is not written in the expected form', /models/],
  [kubernetes({ resource: 'TCPRoute' }), 'resource', 'is none of "HTTPRoute"', /HTTPRoute/],
  [kubernetes({ rule: -1 }), 'rule', 'is too small', /counted from 0/],
  [kubernetes({ backends: { nb: 'lr' } }), 'backends.lr', 'stands for nb already', /of its own/],
  [http({ scale: 5 }), 'scale', 'is too small', /add up to/],
])('refuses one thing changed: %#', (driver, path, message, remedy) => {
  const found = problemsOf(driver);
  expect(found.map(problem => problem.path)).toEqual([
    ['routes.mail.driver', path].filter(Boolean).join('.'),
  ]);
  expect(found[0]!.message).toContain(message);
  expect(found[0]!.remedy).toMatch(remedy);
});

test('a route whose name no backend can have needs the name of one', () => {
  const [problem, ...others] = problemsOf(good.haproxy, 'mail/filter');
  expect(others).toEqual([]);
  expect(problem).toMatchObject({ message: expect.stringContaining('"mail/filter"'), remedy: /backend/ });
  expect(problemsOf({ ...good.haproxy, backend: 'mail' }, 'mail/filter')).toEqual([]);
});

test('a route whose name no object of Kubernetes can have needs the name of one', () => {
  expect(problemsOf(good.kubernetes, 'Mail')).toMatchObject([
    { message: 'no HTTPRoute can be called "Mail"', remedy: 'add routes.Mail.driver.name with its name' },
  ]);
  expect(problemsOf(kubernetes({ name: 'mail' }), 'Mail')).toEqual([]);
});

test.each([
  [
    haproxy({}),
    haproxy({ backend: 'mail', socket: ['/run/haproxy/admin.sock', '/other.sock'] }),
    haproxy({ backend: 'mail', socket: '/third.sock' }),
    'the backend mail at /run/haproxy/admin.sock',
  ],
  [
    litellm({}),
    litellm({ group: 'mail', url: ['http://other:4000', 'http://litellm:4000'] }),
    litellm({ group: 'chat' }),
    'the model group mail at http://litellm:4000',
  ],
  [
    kubernetes({}),
    kubernetes({ name: 'mail' }),
    kubernetes({ name: 'mail', rule: 1 }),
    'the rule 0 of HTTPRoute models/mail',
  ],
])('two routes cannot share %#', (driver, same, another, place) => {
  const other = (of: object) => ({ chat: { targets: ['nb', 'lr'], driver: of } });
  expect(problemsOf(driver, 'mail', other(same))).toEqual([
    {
      path: 'routes.chat.driver',
      message: `${place} belongs to the route "mail" already`,
      remedy: expect.stringMatching(/give each route a (backend|model group|rule) of its own/),
    },
  ]);
  expect(problemsOf(driver, 'mail', other(another))).toEqual([]);
});
