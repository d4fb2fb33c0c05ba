/**
 * A gateway with everything: MODEL_A and MODEL_B name two model servers, REDIS_URL where the controller keeps its routes.
 *
 *   node --conditions=source controller/relay/example.ts
 */

import { once } from 'node:events';
import { init } from '@neuroweaver/instrumentation';
import express from 'express';
import { createRelay, equalJson } from './index.ts';

const {
  MODEL_A = 'http://127.0.0.1:8001',
  MODEL_B = 'http://127.0.0.1:8002',
  REDIS_URL,
  PORT = '8000',
} = process.env;
const ml = init({ serviceName: 'gateway', port: 0 });
const relay = createRelay({
  routes: {
    chat: {
      targets: [
        { model: 'chat-large', version: '1', url: MODEL_A },
        { model: 'chat-small', version: '1', url: MODEL_B, capacity: { inFlight: 50 } },
      ],
      whenFull: 'refuse',
      shadow: { percent: 10, compare: equalJson('/choices/0/finish_reason') },
    },
  },
  stateFile: process.env.STATE_FILE ?? 'routes.json',
  ...(REDIS_URL !== undefined && { follow: { redis: REDIS_URL } }),
  telemetry: ml.gateway(),
});

const app = express();
app.use(relay.routes()); // the controller may push as well
app.use('/chat', relay.forward('chat', { sticky: request => request.headers['x-user']?.toString() }));
await ml.ready;
const server = app.listen(Number(PORT), '127.0.0.1');
await once(server, 'listening');
console.log(JSON.stringify({ listening: server.address(), metrics: ml.endpoint }));

process.once('SIGTERM', async () => {
  server.close();
  await relay.close();
  server.closeIdleConnections();
  await ml.shutdown();
});
