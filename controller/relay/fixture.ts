/** Real servers and a recording telemetry for the relay's own tests. */

import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import http, { type IncomingMessage, type RequestListener } from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type {
  Gateway,
  GatewayAgreement,
  GatewayAttempt,
  GatewayEvent,
  GatewayTarget,
  ObservedRoute,
} from '@neuroweaver/instrumentation';
import express from 'express';
import { onTestFinished } from 'vitest';
import { createRelay, type ForwardOptions, type Relay, type RelayEvent, type RelayOptions } from './index.ts';

export interface Telemetry extends Gateway {
  readonly declared: GatewayTarget[];
  readonly attempts: GatewayAttempt[];
  readonly noted: GatewayEvent[];
  readonly agreements: GatewayAgreement[];
  readRoutes(): readonly ObservedRoute[];
}

export interface TestGateway {
  readonly url: string;
  readonly relay: Relay;
  readonly telemetry: Telemetry;
  readonly events: RelayEvent[];
}

type Given = Partial<RelayOptions> & Pick<RelayOptions, 'routes'>;

/** A gateway on a free port that forwards `/{route}` of every route. */
export async function startGateway(given: Given, forward: ForwardOptions = {}): Promise<TestGateway> {
  const telemetry = recordTelemetry();
  const events: RelayEvent[] = [];
  const stateFile = given.stateFile ?? join(temporaryFolder(), 'routes.json');
  const relay = createRelay({ stateFile, telemetry, log: event => events.push(event), ...given });
  const app = express();
  app.use(relay.routes());
  for (const route of Object.keys(given.routes)) app.use(`/${route}`, relay.forward(route, forward));
  const url = await startServer(app);
  onTestFinished(() => relay.close({ deadlineMs: 100 }));
  return { url, relay, telemetry, events };
}

/** Listens on a free port until the test ends. */
export async function startServer(listener: RequestListener): Promise<string> {
  return startNetServer(http.createServer(listener));
}

export async function startNetServer(server: http.Server | net.Server): Promise<string> {
  const sockets = new Set<net.Socket>();
  server.on('connection', (socket: net.Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket)).on('error', () => {});
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    if (server.listening) await new Promise(resolve => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A model that answers every request with its name and what it was sent. */
export function startModel(name: string): Promise<string> {
  return startServer(async (request, response) => {
    const body = await text(request).catch(() => 'the caller left');
    response.setHeader('content-type', 'application/json');
    response.end(
      JSON.stringify({ name, method: request.method, url: request.url, headers: request.headers, body }),
    );
  });
}

/**
 * An address at which nobody listens, for as long as the test runs: it is the near end of an open connection. A port
 * that was merely closed would soon be given to another server.
 */
export async function refusingAddress(): Promise<string> {
  const holder = new URL(await startNetServer(net.createServer()));
  const socket = net.connect(Number(holder.port), holder.hostname);
  await once(socket, 'connect');
  onTestFinished(() => void socket.on('error', () => {}).destroy());
  return `http://127.0.0.1:${socket.localPort}`;
}

/** Accepts connections, waits for the first bytes of a request, then resets them. Counts how often. */
export async function startResetting(): Promise<{ url: string; resets(): number }> {
  let resets = 0;
  const server = net.createServer(socket => {
    socket.once('data', () => {
      resets += 1;
      socket.resetAndDestroy();
    });
  });
  return { url: await startNetServer(server), resets: () => resets };
}

export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'relay-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Targets `a`, `b`, … of version 1 at the given addresses. */
export function targetsAt(...urls: string[]) {
  return urls.map((url, index) => ({ model: 'abcdef'.charAt(index), version: '1', url }));
}

/** The parts of the contract's answers that tests look into. */
export interface RouteReply {
  readonly success: boolean;
  readonly data: {
    weights: Record<string, number>;
    generation: number;
    changed: boolean;
    updated_at: string;
  };
  readonly error: { code: string; message: string; problems: { path: string; message: string }[] };
}

export async function putRoute(gatewayUrl: string, route: string, body: object, headers: object = {}) {
  const response = await ask(`${gatewayUrl}/api/v1/routes/${route}`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  return { status: response.status, headers: response.headers, body: (await response.json()) as RouteReply };
}

/**
 * `fetch` with a connection of its own. A kept one could belong to a server of an earlier test that had the same port.
 */
export function ask(
  url: string,
  init: RequestInit & { headers?: Record<string, string> } = {},
): Promise<Response> {
  return fetch(url, { ...init, headers: { ...init.headers, connection: 'close' } });
}

/** An answer under way, for tests that leave or wait in the middle. */
export async function openRequest(url: string, options: http.RequestOptions = {}, body?: string | Buffer) {
  const request = http.request(url, { agent: false, ...options });
  request.end(body);
  const [answer] = (await once(request, 'response')) as [IncomingMessage];
  return { request, answer };
}

/** Waits until the condition holds, checking again whenever the event loop comes round. */
export async function until(condition: () => boolean, timeoutMs = 5_000): Promise<void> {
  const deadlineMs = performance.now() + timeoutMs;
  while (!condition()) {
    if (performance.now() > deadlineMs) throw new Error(`not within ${timeoutMs} ms: ${condition}`);
    await new Promise(resolve => setTimeout(resolve, 2));
  }
}

/** Mulberry32: small, seeded, good enough to deal out requests. */
export function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function recordTelemetry(): Telemetry {
  const declared: GatewayTarget[] = [];
  const attempts: GatewayAttempt[] = [];
  const noted: GatewayEvent[] = [];
  const agreements: GatewayAgreement[] = [];
  let read: () => readonly ObservedRoute[] = () => [];
  return {
    declared,
    attempts,
    noted,
    agreements,
    readRoutes: () => read(),
    declare: target => void declared.push(target),
    attempt: attempt => void attempts.push(attempt),
    event: event => void noted.push(event),
    agreement: agreement => void agreements.push(agreement),
    observeRoutes(readRoutes) {
      read = readRoutes;
      return () => {
        read = () => [];
      };
    },
  };
}
