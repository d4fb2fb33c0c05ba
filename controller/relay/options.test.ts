import { expect, test } from 'vitest';
import { createRelay, type RelayOptions } from './index.ts';

test('lists every problem at once, where it is and what to do', () => {
  const options = {
    routes: {
      'mail filter': { targets: [] },
      chat: {
        targets: [
          {
            model: 'a',
            version: '1',
            url: 'http://127.0.0.1:1/?key=1',
            capacity: { requestsPerSecond: 0, inFlight: 0.5 },
          },
          { model: 'a', version: '', url: 'ftp://127.0.0.1' },
          { model: 'ä b', version: '1', url: 'nowhere' },
        ],
        allowRetry: 'sometimes',
        attemptTimeoutMs: 0,
        connectTimeoutMs: 2 ** 31,
        whenFull: 'wait',
        retryBudget: { share: -0.1 },
        outliers: { failuresInRow: 0, maxShare: 1.5, capMs: -1 },
        shadow: { targets: ['z'], percent: 120, maxPerSecond: 0 },
      },
    },
    stateFile: '',
    token: '',
    follow: { redis: 'http://:s3cret@127.0.0.1', file: 'routes.json', pollMs: 0 },
    telemetry: undefined,
  } as unknown as RelayOptions;

  expect(() => createRelay(options)).toThrowErrorMatchingInlineSnapshot(`
    [Error: relay: options are not usable:
      stateFile: empty; name a file that survives a restart of the gateway
      token: empty or with spaces; give a secret without, or leave it out to admit loopback callers only
      follow: give one of redis, file and url
      follow.redis: must be an address such as redis://127.0.0.1:6379
      follow.pollMs: 0 must be more than 0 and less than 2147483648
      routes.mail filter: the name stands in a path; use letters, digits and . _ ~ -
      routes.mail filter.targets: none given; name at least one
      routes.chat.targets: "a" stands twice; weights need distinct names
      routes.chat.targets[0].url: "http://127.0.0.1:1/?key=1" must be an http or https address without ? and #
      routes.chat.targets[0].capacity.requestsPerSecond: 0 must be more than 0
      routes.chat.targets[0].capacity.inFlight: 0.5 must be 1 or more
      routes.chat.targets[1].version: empty; metrics tell versions apart by it
      routes.chat.targets[1].url: "ftp://127.0.0.1" must be an http or https address without ? and #
      routes.chat.targets[2].model: "ä b" must be visible ASCII without spaces
      routes.chat.targets[2].url: "nowhere" must be an http or https address without ? and #
      routes.chat.allowRetry: must be idempotent or always
      routes.chat.attemptTimeoutMs: 0 must be more than 0 and less than 2147483648
      routes.chat.connectTimeoutMs: 2147483648 must be more than 0 and less than 2147483648
      routes.chat.whenFull: must be send or refuse
      routes.chat.retryBudget.share: -0.1 must be 0 or more
      routes.chat.outliers.failuresInRow: 0 must be 1 or more
      routes.chat.outliers.capMs: -1 must be more than 0 and less than 2147483648
      routes.chat.outliers.maxShare: 1.5 must be 0 or more, at most 1
      routes.chat.shadow.targets: "z" is no target of this route: a, a, ä b
      routes.chat.shadow.percent: 120 must be 0 or more, at most 100
      routes.chat.shadow.maxPerSecond: 0 must be more than 0]
  `);
});

test('names the folder that cannot be made', () => {
  const targets = [{ model: 'a', version: '1', url: 'http://127.0.0.1:1' }];
  const options = {
    routes: { chat: { targets } },
    stateFile: '/dev/null/routes.json',
  } as unknown as RelayOptions;
  expect(() => createRelay(options)).toThrow('no folder for stateFile /dev/null/routes.json');
});
