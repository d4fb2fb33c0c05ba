import { expect, test } from 'vitest';
import { type PageKind, resolveOptions } from './options.ts';

const defaults = {
  serviceName: 'model-server',
  host: '127.0.0.1',
  port: 9464,
  latencyThresholdsSeconds: [2, 5],
  page: 'own',
  bearerToken: undefined,
  tls: undefined,
  resources: true,
  maximumSeries: 20_000,
  remember: { maximum: 100_000, seconds: 86_400 },
  meterProvider: undefined,
  globalProvider: true,
};

test.each([
  { what: 'nothing', options: {}, environment: {}, settings: {} },
  {
    what: 'OTEL_SERVICE_NAME',
    options: {},
    environment: { OTEL_SERVICE_NAME: 'a' },
    settings: { serviceName: 'a' },
  },
  {
    what: 'an option over the environment',
    options: { serviceName: 'b', port: 0 },
    environment: { OTEL_SERVICE_NAME: 'a', OTEL_EXPORTER_PROMETHEUS_PORT: '1' },
    settings: { serviceName: 'b', port: 0 },
  },
  {
    what: 'the exporter address',
    options: {},
    environment: { OTEL_EXPORTER_PROMETHEUS_HOST: '0.0.0.0', OTEL_EXPORTER_PROMETHEUS_PORT: '9500' },
    settings: { host: '0.0.0.0', port: 9500 },
  },
  {
    what: 'thresholds as a list',
    options: {},
    environment: { NEUROWEAVER_LATENCY_THRESHOLDS: '0.3, 1' },
    settings: { latencyThresholdsSeconds: [0.3, 1] },
  },
])('$what settles the rest by default', ({ options, environment, settings }) => {
  expect(resolveOptions(options, environment)).toEqual({ ...defaults, ...settings });
});

test('everything that is wrong is said at once, with what to do', () => {
  const resolve = () =>
    resolveOptions({}, { OTEL_EXPORTER_PROMETHEUS_PORT: 'http', NEUROWEAVER_LATENCY_THRESHOLDS: '2,,5' });
  expect(resolve).toThrow(/port is NaN: give a whole number .*OTEL_EXPORTER_PROMETHEUS_PORT, now "http"/);
  expect(resolve).toThrow(/latencyThresholdsSeconds is \[2, NaN, 5\]: give positive numbers/);
});

const pem = (text: string) => Buffer.from(text);

test.each([
  { options: { page: 'html' as PageKind }, problem: /page is "html": give own, exporter-prometheus, none/ },
  { options: { bearerToken: '' }, problem: /bearerToken is empty: give a secret/ },
  { options: { remember: { maximum: 0.5 } }, problem: /remember.maximum is 0.5: give a whole number from 1/ },
  { options: { remember: { seconds: 0 } }, problem: /remember.seconds is 0: give a positive number/ },
  { options: { maximumSeries: 0 }, problem: /maximumSeries is 0: give a positive number/ },
  {
    options: { tls: { key: '/nowhere/key.pem', cert: pem('') } },
    problem: /tls cannot be used \(.*key is \/nowhere\/key\.pem, which cannot be read/,
  },
  { options: { tls: { key: pem('no'), cert: pem('no') } }, problem: /tls cannot be used .*: give a key and/ },
])('$options is refused with what to do', ({ options, problem }) => {
  expect(() => resolveOptions(options, {})).toThrow(problem);
});
