/** Real gateways for the drivers' tests, and a wire to them that fails on demand. */

import { writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { onTestFinished } from 'vitest';
import { createFakeKubernetes, type FakeKubernetes } from '../../../test/support/fake-kubernetes.ts';
import { createFakeLitellm, type FakeLitellm } from '../../../test/support/fake-litellm.ts';
import { type RunningServer, startHaproxy, startRedis } from '../../../test/support/servers.ts';
import { startNetServer, startServer, temporaryFolder } from '../../relay/fixture.ts';

/** Passes bytes to a gateway and back, and can do so badly. */
export interface Wire {
  /** HOST:PORT. */
  readonly address: string;
  /** What was sent to the gateway, one entry a piece. */
  readonly sent: string[];
  /** Requests that look like this reach the gateway, but their answers are lost and the connection with them. */
  loses: RegExp | undefined;
  /** So many bytes of each answer come through, and then the connection ends. */
  cutsAfter: number | undefined;
  /** Nothing comes through any more, and nobody says so. */
  silent: boolean;
}

export async function startWire(gateway: string): Promise<Wire> {
  const { hostname, port } = new URL(gateway);
  const server = createServer(near => {
    const far = connect(Number(port), hostname);
    let lost = false;
    near.on('data', piece => {
      if (wire.silent) return;
      wire.sent.push(piece.toString());
      lost = wire.loses?.test(piece.toString()) ?? false;
      far.write(piece);
    });
    far.on('data', piece => {
      if (lost) near.destroy();
      else if (wire.cutsAfter !== undefined) near.end(piece.subarray(0, wire.cutsAfter));
      else if (!wire.silent) near.write(piece);
    });
    closeTogether(near, far, () => wire.silent);
  });
  const address = new URL(await startNetServer(server)).host;
  const wire: Wire = { address, sent: [], loses: undefined, cutsAfter: undefined, silent: false };
  return wire;
}

function closeTogether(near: Socket, far: Socket, silent: () => boolean): void {
  near.on('error', () => far.destroy()).on('close', () => far.destroy());
  far.on('error', () => near.destroy()).on('end', () => silent() || near.end());
}

/** HAProxy with a backend for each route; servers a, b and c unless said otherwise. */
export async function startHaproxyGateway(
  backends = backend('mail-filter') + backend('chat'),
  again?: { readonly folder: string; readonly port: number },
): Promise<RunningServer & { folder: string }> {
  const folder = again?.folder ?? temporaryFolder();
  const config = `defaults
  mode http
  timeout connect 1s
  timeout client 10s
  timeout server 10s
${backends}`;
  const server = await startHaproxy({ config, folder, ...(again && { port: again.port }) });
  onTestFinished(server.stop);
  return { ...server, folder };
}

/** The first server has all the traffic, as in most configurations that were written before the controller came. */
export const backend = (name: string, servers = ['a', 'b', 'c'], more = '') =>
  `backend ${name}\n${servers.map((server, i) => `  server ${server} 127.0.0.1:${i + 1} weight ${i === 0 ? 100 : 0}\n`).join('')}${more}`;

export async function startRedisServer(port?: number, config = ''): Promise<RunningServer> {
  const server = await startRedis({ config, folder: temporaryFolder(), ...(port !== undefined && { port }) });
  onTestFinished(server.stop);
  return server;
}

export const documentFile = () => join(temporaryFolder(), 'routes.json');

/** Kills without a warning, as an outage does, and waits until it is gone. */
export async function kill(server: RunningServer): Promise<void> {
  process.kill(server.pid, 'SIGKILL');
  await server.stop();
}

export const portOf = (server: { readonly url: string }) => Number(new URL(server.url).port);

/** A gateway whose upstreams are resources with a map of nodes, patched as a whole, as APISIX's. */
export async function startUpstreams(): Promise<string> {
  const upstreams = new Map<string, { nodes: Record<string, number>; labels: Record<string, string> }>();
  for (const route of ['mail-filter', 'chat']) upstreams.set(route, { nodes: { a: 100 }, labels: {} });
  return startServer(async (request, response) => {
    const upstream = upstreams.get(lastStep(request));
    if (!upstream)
      return answer(response, 404, { message: `there are: ${[...upstreams.keys()].join(', ')}` });
    if (request.method === 'PATCH') {
      const { nodes, labels } = JSON.parse(await text(request)) as typeof upstream;
      Object.assign(upstream.nodes, nodes);
      Object.assign(upstream.labels, labels);
    }
    answer(response, 200, { value: upstream });
  });
}

/** A gateway whose targets are resources of their own, as Kong's. `refuses` is answered 403. */
export async function startTargets(): Promise<{ url: string; writes: string[]; refuses?: string }> {
  const targets = new Map<string, { weight: number; tags: string[] }>();
  for (const route of ['mail-filter', 'chat'])
    for (const name of ['a', 'b', 'c'])
      targets.set(`/upstreams/${route}/targets/${name}:80`, { weight: name === 'a' ? 100 : 0, tags: [] });
  const url = await startServer(async (request, response) => {
    const path = decodeURIComponent(request.url!);
    const target = targets.get(path);
    if (!target) return answer(response, 404, { message: `there are: ${[...targets.keys()].join(', ')}` });
    if (request.method === 'PATCH') {
      const body = await text(request);
      if (path === gateway.refuses) return answer(response, 403, { message: 'not now' });
      gateway.writes.push(`${lastStep(request)} ${body}`);
      Object.assign(target, JSON.parse(body));
    }
    answer(response, 200, target);
  });
  const gateway: { url: string; writes: string[]; refuses?: string } = { url, writes: [] };
  return gateway;
}

/** A gateway that is told by query parameters and keeps texts, as Envoy's runtime. */
export async function startRuntime(): Promise<string> {
  const entries: Record<string, { final_value: string }> = {};
  return startServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url!, 'http://gateway');
    if (pathname === '/runtime') return answer(response, 200, { entries });
    for (const [key, value] of searchParams) entries[key] = { final_value: value };
    response.end('OK\n');
  });
}

export const litellmToken = 'sk-s3cret';

/** A LiteLLM with the model groups `mail-filter` (deployments a, b, c) and `chat` (chat-a, chat-b, chat-c). */
export async function startFakeLitellm(): Promise<FakeLitellm & { readonly url: string }> {
  const fake = createFakeLitellm(litellmToken);
  const url = await startServer(fake.listener);
  await addDeployments(url, litellmToken, () => 'http://127.0.0.1:1');
  return Object.assign(fake, { url });
}

/** The first of each group has all the traffic. */
export async function addDeployments(
  url: string,
  token: string,
  upstreamOf: (name: string) => string,
): Promise<void> {
  for (const [group, prefix] of [
    ['mail-filter', ''],
    ['chat', 'chat-'],
  ] as const)
    for (const name of ['a', 'b', 'c'])
      await addDeployment(url, token, {
        model_name: group,
        litellm_params: {
          model: `openai/${name}`,
          api_base: upstreamOf(name),
          api_key: 'none',
          weight: name === 'a' ? 1 : 0,
        },
        model_info: { id: prefix + name },
      });
}

export async function addDeployment(url: string, token: string, deployment: object): Promise<void> {
  const response = await fetch(`${url}/model/new`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(deployment),
  });
  if (!response.ok)
    throw new Error(`POST ${url}/model/new answered ${response.status}: ${await response.text()}`);
  await response.body?.cancel();
}

const kubernetesToken = 's3cret';

/** An API server with the objects `mail-filter` and `chat` of each kind, in each one rule with the backends a, b, c. */
export async function startFakeKubernetes(): Promise<FakeKubernetes & { readonly url: string }> {
  const fake = createFakeKubernetes(kubernetesToken);
  const weightOf = (name: string) => (name === 'a' ? 100 : 0);
  const names = ['a', 'b', 'c'];
  const backendRefs = names.map(name => ({ name, port: 8000, weight: weightOf(name) }));
  const route = names.map(host => ({ destination: { host }, weight: weightOf(host) }));
  for (const name of ['mail-filter', 'chat']) {
    fake.create(pathOf('HTTPRoute', name), { rules: [{ name: 'all', backendRefs }] });
    fake.create(pathOf('AIGatewayRoute', name), { rules: [{ name: 'all', backendRefs }] });
    fake.create(pathOf('VirtualService', name), { http: [{ name: 'all', route }] });
  }
  return Object.assign(fake, { url: await startServer(fake.listener) });
}

const prefixes = {
  HTTPRoute: '/apis/gateway.networking.k8s.io/v1/namespaces/models/httproutes',
  AIGatewayRoute: '/apis/aigateway.envoyproxy.io/v1beta1/namespaces/models/aigatewayroutes',
  VirtualService: '/apis/networking.istio.io/v1/namespaces/models/virtualservices',
};

export const pathOf = (resource: keyof typeof prefixes, name: string) => `${prefixes[resource]}/${name}`;

/** A kubeconfig whose current context is the API server at this address; its other one is nowhere. */
export async function kubeconfigFor(url: string, token = kubernetesToken): Promise<string> {
  const path = join(temporaryFolder(), 'kubeconfig');
  const cluster = (name: string, server: string) => ({
    name,
    cluster: { server, 'insecure-skip-tls-verify': true }, // or the library refuses to speak HTTP
  });
  const context = (name: string) => ({ name, context: { cluster: name, user: 'controller' } });
  await writeFile(
    path,
    JSON.stringify({
      clusters: [cluster('here', url), cluster('nowhere', 'http://127.0.0.1:1')],
      contexts: [context('here'), context('nowhere')],
      users: [{ name: 'controller', user: { token } }],
      'current-context': 'here',
    }),
  );
  return path;
}

const lastStep = (request: IncomingMessage) => decodeURIComponent(request.url!.split('/').at(-1)!);

function answer(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
