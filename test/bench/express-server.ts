import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { type ExpressContender, expressContenders } from './express-contenders.ts';

/*
 * An Express server with the telemetry of the named contender, in a process of its own. Prints one line of JSON when it
 * listens. Its handler does next to nothing, so that the telemetry is what is measured.
 */

const middleware = expressContenders[process.argv[2] as ExpressContender]();
// Only now, and by `require`: so the automatic instrumentation can patch them, and all contenders are loaded alike.
const require = createRequire(import.meta.url);
const express = require('express') as typeof import('express');
const { createServer } = require('node:http') as typeof import('node:http');

const app = express();
app.get('/v1/chat', ...(middleware ? [middleware] : []), (_, response) => {
  response.json({ answer: 'Once upon a time' });
});
app.get('/processor-us', (_, response) => {
  const { user, system } = process.cpuUsage();
  response.json(user + system);
});
const server = createServer(app).listen(0, '127.0.0.1', () => {
  console.log(JSON.stringify({ listening: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }));
});
process.stdin.resume().once('end', () => process.exit(0));
