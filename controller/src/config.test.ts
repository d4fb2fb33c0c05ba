import { describe, expect, test } from 'vitest';
import { configOf } from './config.ts';

const policy = 'policy.yml';
const token = 'a-secret-of-some-length';

describe('without anything but a policy', () => {
  test('it is served on loopback, with the embedded database and the Prometheus of this machine', () => {
    expect(configOf({ policy }, {})).toEqual({
      policyFile: policy,
      prometheusUrl: 'http://127.0.0.1:9090',
      host: '127.0.0.1',
      port: 8080,
      database: { kind: 'embedded', folder: '.relaycore' },
    });
  });
});

describe('what is given', () => {
  const environment = {
    PROMETHEUS_URL: 'https://prometheus.example/base',
    PORT: '9001',
    HOST: '::1',
    RELAYCORE_TOKEN: token,
    RELAYCORE_DATA: '/var/lib/relaycore',
  };

  test('in the environment is taken', () => {
    expect(configOf({ policy }, environment)).toEqual({
      policyFile: policy,
      prometheusUrl: 'https://prometheus.example/base',
      host: '::1',
      port: 9001,
      token,
      database: { kind: 'embedded', folder: '/var/lib/relaycore' },
    });
  });

  test('as option comes before the environment', () => {
    const options = { policy, prometheus: 'http://p:9090', port: '0', host: '127.0.0.2', data: 'here' };
    expect(configOf(options, environment)).toMatchObject({
      prometheusUrl: 'http://p:9090',
      host: '127.0.0.2',
      port: 0,
      database: { kind: 'embedded', folder: 'here' },
    });
  });

  test.each(['postgres://db/relaycore', 'postgresql://user:secret@db:5432/relaycore'])(
    'as DATABASE_URL %s replaces the embedded database',
    url => {
      const { database } = configOf({ policy, data: 'here' }, { DATABASE_URL: url });
      expect(database).toEqual({ kind: 'postgresql', url, timeoutMs: expect.any(Number) });
    },
  );

  test('with a token may be served anywhere', () => {
    expect(configOf({ policy, host: '0.0.0.0' }, { RELAYCORE_TOKEN: token }).host).toBe('0.0.0.0');
  });

  test.each(['localhost', '127.0.0.1', '127.1.2.3', '::1'])('%s needs no token', host => {
    expect(configOf({ policy, host }, {}).host).toBe(host);
  });
});

describe('what is refused, with the way out', () => {
  test.each([
    ['prometheus:9090', /--prometheus prometheus:9090 is not an http address; give one such as/],
    ['', /--prometheus {2}is not an http address/],
    ['file:///etc/passwd', /is not an http address/],
  ])('Prometheus at "%s"', (prometheus, message) => {
    expect(() => configOf({ policy, prometheus }, {})).toThrow(message);
  });

  test.each(['65536', '-1', '80.5', 'http', '', ' 80', '0x50', '1e3'])(
    'port "%s", from either side',
    port => {
      const message = `--port ${port} is not a port; give a number from 0 to 65535`;
      expect(() => configOf({ policy, port }, {})).toThrow(message);
      expect(() => configOf({ policy }, { PORT: port })).toThrow(message);
    },
  );

  test.each(['', 'short', 'x'.repeat(15)])('the token "%s"', short => {
    expect(() => configOf({ policy }, { RELAYCORE_TOKEN: short })).toThrow(/give at least 16 characters/);
  });

  test.each(['0.0.0.0', '::', '10.0.0.1', 'example.org', '127.example.org', ''])(
    'host "%s" without a token',
    host => {
      expect(() => configOf({ policy, host }, {})).toThrow(
        /without RELAYCORE_TOKEN .* loopback only; set it/,
      );
    },
  );

  test.each(['mysql://db', 'db:5432', ''])('DATABASE_URL "%s", without repeating it', url => {
    expect(() => configOf({ policy }, { DATABASE_URL: url })).toThrow(/DATABASE_URL does not begin with/);
  });

  test('several mistakes: all of them at once', () => {
    const options = { policy, prometheus: 'x', port: 'y', host: '0.0.0.0' };
    const error = refusalOf(() => configOf(options, { DATABASE_URL: 'mysql://root:hunter2@db' }));
    expect(error.split('\n')).toEqual([
      expect.stringContaining('--prometheus x'),
      expect.stringContaining('--port y'),
      expect.stringContaining('without RELAYCORE_TOKEN'),
      expect.stringContaining('DATABASE_URL'),
    ]);
    expect(error).not.toContain('hunter2');
  });
});

function refusalOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error('it was not refused');
}
