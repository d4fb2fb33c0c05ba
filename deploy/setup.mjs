// Runs a project command on a machine that may have nothing but Node, npm and git:
//
//   node deploy/setup.mjs [--needs prometheus,alertmanager,…] -- SCRIPT.ts | TOOL [arguments]
//
// 1. `npm ci` when node_modules is missing or older than the lock file;
// 2. Debian packages for the servers named by --needs (installed as root or after asking, otherwise named);
// 3. the command itself, under the Node that package.json pins.
//
// Plain JavaScript without dependencies: it runs before anything is installed, on any Node since 18.

import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const bin = join(root, 'node_modules', '.bin');

/**
 * Servers the commands use: the Debian package, the program that proves it is there (by what it can do, where Debian
 * splits it), and how others get it.
 */
const servers = {
  prometheus: { package: 'prometheus', program: 'prometheus', brew: 'prometheus' },
  alertmanager: {
    package: 'prometheus-alertmanager',
    program: ['prometheus-alertmanager', 'alertmanager'],
    brew: 'alertmanager',
  },
  postgresql: { package: 'postgresql', program: 'initdb', in: '/usr/lib/postgresql', brew: 'postgresql@17' },
  redis: { package: 'redis-server', program: 'redis-server', brew: 'redis' },
  haproxy: { package: 'haproxy', program: 'haproxy', brew: 'haproxy' },
  chromium: { package: 'chromium', program: 'chromium', brew: 'chromium' },
  python: { package: 'python3-venv', program: 'python3', proof: ['-c', 'import ensurepip'], brew: 'python' },
  wrk: { package: 'wrk', program: 'wrk', brew: 'wrk' },
};

const { needs, command } = parse(process.argv.slice(2));
installNodePackages();
await installServers(needs);
run(command);

function parse(argv) {
  const split = argv.indexOf('--');
  const options = argv.slice(0, split === -1 ? argv.length : split);
  const at = options.indexOf('--needs');
  const needs = at === -1 ? [] : options[at + 1].split(',');
  for (const name of needs)
    if (!servers[name]) fail(`setup: unknown server "${name}"; known: ${Object.keys(servers).join(', ')}`);
  if (split === -1 || argv.length === split + 1)
    fail('setup: no command; usage: node deploy/setup.mjs [--needs a,b] -- SCRIPT.ts [arguments]');
  return { needs, command: argv.slice(split + 1) };
}

function installNodePackages() {
  const lock = readFileSync(join(root, 'package-lock.json'));
  const stamp = join(root, 'node_modules', '.installed');
  const digest = createHash('sha256').update(lock).digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === digest) return;
  say('installing the npm packages of package-lock.json (npm ci, about a minute)');
  const { status } = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
    shell: process.platform === 'win32',
  });
  if (status !== 0) fail('setup: npm ci failed; its own message stands above');
  writeFileSync(stamp, digest);
}

async function installServers(names) {
  const missing = names.map(name => servers[name]).filter(server => !found(server));
  if (missing.length === 0) return;
  const packages = missing.map(server => server.package);
  const manual = hint(missing);
  if (!onPath('apt-get'))
    fail(`setup: not found: ${packages.join(', ')}. Install them and run this again:\n  ${manual}`);
  const root = process.getuid?.() === 0;
  if (!root && !(await agreed(`Install the Debian packages ${packages.join(', ')} with sudo? [y/N] `)))
    fail(`setup: not found: ${packages.join(', ')}. Install them and run this again:\n  ${manual}`);
  say(`installing Debian packages: ${packages.join(', ')}`);
  aptInstall(packages, root ? [] : ['sudo']);
  const still = missing.filter(server => !found(server));
  if (still.length > 0)
    fail(`setup: apt-get ended well, but these are still not found: ${still.map(s => s.package).join(', ')}`);
}

/** Installs without starting the packages' own services: this project starts its servers itself, on free ports. */
function aptInstall(packages, sudo) {
  const policy = '/usr/sbin/policy-rc.d';
  const silence = sudo.length === 0 && !existsSync(policy);
  if (silence) writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    const [program, ...first] = [...sudo, 'apt-get'];
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    const apt = arguments_ =>
      spawnSync(program, [...first, '-qq', ...arguments_], { env, stdio: ['inherit', 'ignore', 'inherit'] })
        .status;
    apt(['update']);
    if (apt(['install', '--yes', '--no-install-recommends', ...packages]) !== 0)
      fail(`setup: apt-get could not install ${packages.join(', ')}; its own message stands above`);
  } finally {
    if (silence) rmSync(policy, { force: true });
  }
}

async function agreed(question) {
  if (!process.stdin.isTTY) return false;
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const answer = await terminal.question(question);
  terminal.close();
  return /^y(es)?$/i.test(answer.trim());
}

function hint(missing) {
  if (process.platform === 'darwin') return `brew install ${missing.map(server => server.brew).join(' ')}`;
  return `sudo apt-get install --no-install-recommends ${missing.map(server => server.package).join(' ')}`;
}

function found(server) {
  if (server.in && existsSync(server.in))
    for (const version of readdirSync(server.in))
      if (existsSync(join(server.in, version, 'bin', server.program))) return true;
  if (server.proof && spawnSync(server.program, server.proof, { stdio: 'ignore' }).status !== 0) return false;
  return [server.program].flat().some(onPath);
}

function onPath(program) {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'];
  return folders.some(folder => folder !== '' && existsSync(join(folder, program)));
}

/** A `.ts` file runs under the pinned Node; any other word is a tool of node_modules, run by the same Node. */
function run([what, ...arguments_]) {
  const script = what.endsWith('.ts') ? join(root, what) : join(bin, what);
  const node = join(bin, 'node');
  mkdirSync(join(root, '.cache'), { recursive: true });
  const child = spawn(node, ['--conditions=source', script, ...arguments_], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` },
  });
  // The child shares the terminal and gets Ctrl-C itself; this process only waits for it to end well.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
    process.on(signal, () => signal !== 'SIGINT' && child.kill(signal));
  child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 1)));
}

function say(line) {
  process.stderr.write(`setup: ${line}\n`);
}

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}
