import { join } from 'node:path';
import type { DriverConfig } from '@relaycore/rules';
import { startGateway, targetsAt, temporaryFolder } from '../../relay/fixture.ts';
import { type Kind, keepsItsPromises } from './driver-promises.ts';
import {
  backend,
  documentFile,
  kubeconfigFor,
  litellmToken,
  startFakeKubernetes,
  startFakeLitellm,
  startHaproxyGateway,
  startRedisServer,
  startRuntime,
  startTargets,
  startUpstreams,
  startWire,
} from './fixture.ts';

/* Every driver against its gateways. A new one joins by one entry in the table. */

const kinds: readonly Kind[] = [
  { name: 'dry-run', start: async () => ({ config: { kind: 'dry-run' } }), outlived: false, strict: false },
  {
    name: 'relaycore',
    async start() {
      const wire = await startWire(await relayGateway());
      return { config: { kind: 'relaycore', url: `http://${wire.address}` }, wire };
    },
    change: /^PUT /,
    outlived: true,
    strict: true,
  },
  {
    name: 'relaycore with two gateways',
    start: async () => ({ config: { kind: 'relaycore', url: [await relayGateway(), await relayGateway()] } }),
    outlived: true,
    strict: true,
  },
  {
    name: 'relaycore with a token',
    start: async () => ({
      config: { kind: 'relaycore', url: `${await relayGateway('s3cret')}/`, token: 's3cret' },
    }),
    outlived: true,
    strict: true,
  },
  {
    name: 'haproxy',
    async start() {
      const wire = await startWire((await startHaproxyGateway()).url);
      return { config: { kind: 'haproxy', socket: wire.address, servers: {} }, wire };
    },
    change: /set weight/,
    outlived: true,
    strict: true,
  },
  {
    name: 'haproxy twice',
    async start() {
      const both = await Promise.all([startHaproxyGateway(), startHaproxyGateway()]);
      const socket = both.map(({ url }) => new URL(url).host);
      return { config: { kind: 'haproxy', socket, servers: {} } };
    },
    outlived: true,
    strict: true,
  },
  {
    name: 'haproxy by path, with two servers for a target',
    async start() {
      const socket = join(temporaryFolder(), 'admin.sock');
      const servers = ['a-1', 'a-2', 'b', 'c'];
      const backends = backend('mail-filter', servers) + backend('chat', servers);
      await startHaproxyGateway(`${backends}global\n  stats socket ${socket} level admin\n`);
      return { config: { kind: 'haproxy', socket, servers: { a: ['a-1', 'a-2'] } } };
    },
    outlived: true,
    strict: true,
  },
  {
    name: 'document in a file',
    start: async () => ({ config: { kind: 'document', file: documentFile(), prefix: '' } }),
    outlived: true,
    strict: false,
  },
  {
    name: 'document in Redis',
    async start() {
      const wire = await startWire((await startRedisServer()).url);
      return { config: { kind: 'document', redis: `redis://${wire.address}`, prefix: 'route:' }, wire };
    },
    change: /EVAL/,
    outlived: true,
    strict: false,
  },
  {
    name: 'http, one request for the route',
    async start() {
      const wire = await startWire(await startUpstreams());
      return { config: upstreamsConfig(wire.address, '/value/labels/generation'), wire };
    },
    change: /^PATCH /,
    outlived: true,
    strict: true,
  },
  {
    name: 'http, one request a target',
    async start() {
      const wire = await startWire((await startTargets()).url);
      const url = `http://${wire.address}/upstreams/{{route}}/targets/{{name}}`;
      const config: DriverConfig = {
        kind: 'http',
        headers: {},
        names: { a: 'a:80', b: 'b:80', c: 'c:80' },
        scale: 10_000,
        read: { url, weight: '/weight', generation: '/tags/0' },
        write: { method: 'PATCH', url, body: '{ "weight": {{weight}}, "tags": ["{{generation}}"] }' },
      };
      return { config, wire };
    },
    change: /^PATCH /,
    outlived: true,
    strict: true,
  },
  {
    name: 'http, by query',
    async start() {
      const wire = await startWire(await startRuntime());
      const query = `routing.{{route}}.a={{weight.a}}&routing.{{route}}.b={{weight.b}}&routing.{{route}}.c={{weight.c}}&relaycore.{{route}}={{generation}}`;
      const config: DriverConfig = {
        kind: 'http',
        headers: {},
        names: {},
        scale: 10_000,
        read: {
          url: `http://${wire.address}/runtime?format=json`,
          weight: '/entries/routing.{{route}}.{{name}}/final_value',
          generation: '/entries/relaycore.{{route}}/final_value',
        },
        write: { method: 'POST', url: `http://${wire.address}/runtime_modify?${query}` },
      };
      return { config, wire };
    },
    change: /^POST /,
    outlived: true,
    strict: false,
  },
  {
    name: 'http, without a place for the generation',
    start: async () => ({ config: upstreamsConfig(new URL(await startUpstreams()).host) }),
    outlived: false,
    strict: true,
  },
  {
    name: 'litellm',
    async start() {
      const wire = await startWire((await startFakeLitellm()).url);
      const config = { kind: 'litellm', url: `http://${wire.address}`, token: litellmToken } as const;
      return { config: { ...config, deployments: {} }, chat: { ...config, deployments: inChat }, wire };
    },
    change: /^PATCH /,
    outlived: true,
    strict: true,
  },
  ...(['HTTPRoute', 'AIGatewayRoute', 'VirtualService'] as const).map(
    (resource): Kind => ({
      name: `kubernetes, ${resource}`,
      async start() {
        await import('@kubernetes/client-node'); // which takes a second, once
        const wire = await startWire((await startFakeKubernetes()).url);
        const kubeconfig = await kubeconfigFor(`http://${wire.address}`);
        const config = { kind: 'kubernetes', resource, namespace: 'models', rule: 0, kubeconfig } as const;
        return { config: { ...config, backends: {} }, wire };
      },
      change: /^PATCH /,
      outlived: true,
      strict: true,
    }),
  ),
];

const inChat = { a: 'chat-a', b: 'chat-b', c: 'chat-c' };

function upstreamsConfig(address: string, generation?: string): DriverConfig {
  const url = `http://${address}/apisix/admin/upstreams/{{route}}`;
  return {
    kind: 'http',
    headers: { 'x-api-key': 's3cret' },
    names: {},
    scale: 10_000,
    read: { url, weight: '/value/nodes/{{name}}', ...(generation !== undefined && { generation }) },
    write: {
      method: 'PATCH',
      url,
      body: '{ "nodes": {{weights}}, "labels": { "generation": "{{generation}}", "reason": "{{reason}}" } }',
    },
  };
}

async function relayGateway(token?: string): Promise<string> {
  const targets = targetsAt('http://127.0.0.1:1', 'http://127.0.0.1:2', 'http://127.0.0.1:3');
  return (await startGateway({ routes: { 'mail-filter': { targets }, chat: { targets } }, token })).url;
}

for (const kind of kinds) keepsItsPromises(kind);
