import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { compilePolicy, formatProblems, loadPolicy } from '@relaycore/rules';
import { afterAll, beforeAll, expect, test } from 'vitest';

/*
 * The rules in Prometheus's own hands. promtool comes with Prometheus; without it these tests fail, because rules
 * that nobody checked are rules that do not work.
 */

const generated = fileURLToPath(new URL('../generated', import.meta.url));
const tests = fileURLToPath(new URL('.', import.meta.url));
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rules-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** What promtool printed; rejects with it when promtool finds something wrong, or is not there. */
async function promtool(...parameters: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)('promtool', parameters, { timeout: 100_000 }).catch(error => {
    throw new Error(`promtool ${parameters.join(' ')}: ${error.message}\n${error.stdout ?? ''}`, {
      cause: error,
    });
  });
  return stdout;
}

async function compileRulesIntoFolder(policyText: string): Promise<string[]> {
  const loaded = loadPolicy(policyText);
  if (loaded.kind === 'refused') throw new Error(formatProblems(loaded.problems));
  const files = Object.entries(compilePolicy(loaded.policy)).filter(([name]) => name.endsWith('.rules.yml'));
  for (const [name, text] of files) await writeFile(join(folder, name), text);
  return files.map(([name]) => join(folder, name));
}

const filesIn = async (path: string, ending: string) =>
  (await readdir(path)).filter(name => name.endsWith(ending)).map(name => join(path, name));

test('the generated rules are rules', async () => {
  const files = await filesIn(generated, '.rules.yml');
  expect(files).toHaveLength(2);
  const output = await promtool('check', 'rules', ...files);
  expect(output).not.toContain('FAILED');
});

test.each(['signals', 'corner-cases', 'alerts'])(
  'the generated rules do what %s.test.yml says',
  async name => {
    expect(await promtool('test', 'rules', join(tests, `${name}.test.yml`))).toContain('SUCCESS');
  },
  120_000,
);

const overrides = `
model_performance: { success_rate: { critical_threshold: 0.9 } }
alert_settings: { evaluation_window_minutes: 10 }
models:
  strict: { success_rate: { warning_threshold: 0.995, critical_threshold: 0.99 } }
  patient.one: { latency: { warning_threshold_ms: 5000, critical_threshold_ms: 10240 } }
  old: { name: twice, version: '1', success_rate: { critical_threshold: 0.6 } }
  new: { name: twice, version: '2', success_rate: { critical_threshold: 0.7 } }
`;

/** Ten in a hundred fail; ten take 5 to 10 s, ten longer. */
const badModel = (model: string, version: string) => {
  const labels = `gen_ai_request_model="${model}",ml_model_version="${version}"`;
  return [
    { series: `ml_server_requests_total{${labels},outcome="ok"}`, values: '0+90x60' },
    { series: `ml_server_requests_total{${labels},outcome="error"}`, values: '0+10x60' },
    { series: `gen_ai_server_request_duration_bucket{${labels},le="2"}`, values: '0+80x60' },
    { series: `gen_ai_server_request_duration_bucket{${labels},le="5"}`, values: '0+80x60' },
    { series: `gen_ai_server_request_duration_bucket{${labels},le="10.24"}`, values: '0+90x60' },
    { series: `gen_ai_server_request_duration_bucket{${labels},le="+Inf"}`, values: '0+100x60' },
  ];
};

test('thresholds of a model’s own hold for that model and version, and for no other', async () => {
  const files = await compileRulesIntoFolder(overrides);
  await promtool('check', 'rules', ...files);
  const critical = (model: string, version: string, value: number) => ({
    labels: `{model="${model}",version="${version}"}`,
    value,
  });
  const cases = {
    rule_files: files,
    evaluation_interval: '1m',
    tests: [
      {
        interval: '15s',
        input_series: [
          ...badModel('strict', '1'),
          ...badModel('patient.one', '1'),
          ...badModel('patientXone', '1'),
          ...badModel('twice', '1'),
          ...badModel('twice', '2'),
          ...badModel('twice', '3'),
        ],
        promql_expr_test: [
          {
            expr: 'sum by (model, version) (model:bad:allowed{signal="success",level="critical"})',
            eval_time: '15m',
            exp_samples: [
              critical('strict', '1', 0.01),
              critical('patient.one', '1', 0.1),
              critical('patientXone', '1', 0.1),
              critical('old', '1', 0.4),
              critical('new', '2', 0.3),
              critical('twice', '3', 0.1),
            ],
          },
          {
            expr: 'round(sum by (model, version) (model:bad:ratio10m{signal="latency",level="critical"}), 0.001)',
            eval_time: '15m',
            exp_samples: [
              critical('strict', '1', 0.2),
              critical('patient.one', '1', 0.1),
              critical('patientXone', '1', 0.2),
              critical('old', '1', 0.2),
              critical('new', '2', 0.2),
              critical('twice', '3', 0.2),
            ],
          },
          {
            expr: 'sum by (model, version) (ALERTS{alertname="ModelFailing",severity="critical"})',
            eval_time: '15m',
            exp_samples: [critical('strict', '1', 1)],
          },
        ],
      },
    ],
  };
  const file = join(folder, 'overrides.test.yml');
  await writeFile(file, JSON.stringify(cases));
  expect(await promtool('test', 'rules', file)).toContain('SUCCESS');
});

/** Ids that are names of others: nothing may be renamed twice. */
const swapped = `
models:
  a: { name: b }
  b: { name: a }
  sole: { name: only.one, version: '1', success_rate: { critical_threshold: 0.5 } }
`;

test('recorded series carry the policy’s ids, whatever the metrics call the models', async () => {
  const files = await compileRulesIntoFolder(swapped);
  await promtool('check', 'rules', ...files);
  const requests = (labels: string, perScrape: number) => [
    { series: `ml_server_requests_total{${labels},outcome="ok"}`, values: `0+${perScrape}x60` },
    { series: `ml_server_requests_total{${labels},outcome="error"}`, values: '0+10x60' },
  ];
  const sample = (model: string, version: string, value: number) => ({
    labels: `{model="${model}"${version && `,version="${version}"`}}`,
    value,
  });
  const models: readonly (readonly [string, string, number])[] = [
    ['b', '1', 90],
    ['a', '1', 190],
    ['sole', '1', 30],
    ['sole', '', 40],
    ['only.one', '2', 10],
    ['onlyXone', '1', 10],
  ];
  const cases = {
    rule_files: files,
    evaluation_interval: '1m',
    tests: [
      {
        interval: '15s',
        input_series: [
          ...requests('gen_ai_request_model="a",ml_model_version="1"', 90),
          ...requests('gen_ai_request_model="b",ml_model_version="1"', 190),
          ...requests('gen_ai_request_model="only.one",ml_model_version="1"', 30),
          ...requests('gen_ai_request_model="only.one"', 40),
          ...requests('gen_ai_request_model="only.one",ml_model_version="2"', 10),
          ...requests('gen_ai_request_model="onlyXone",ml_model_version="1"', 10),
        ],
        promql_expr_test: [
          {
            expr: 'round(sum by (model, version) (model:requests:increase10m{signal="success"}) / 40)',
            eval_time: '15m',
            exp_samples: models.map(([model, version, perScrape]) => sample(model, version, perScrape + 10)),
          },
          {
            expr: 'round(sum by (model, version) (model:bad:increase10m{signal="success",level="critical"}) / 40)',
            eval_time: '15m',
            exp_samples: models.map(([model, version]) => sample(model, version, 10)),
          },
          {
            expr: 'sum by (model, version) (model:bad:allowed{signal="success",level="critical"} > 0.2)',
            eval_time: '15m',
            exp_samples: [sample('sole', '1', 0.5), sample('sole', '', 0.5)],
          },
        ],
      },
    ],
  };
  const file = join(folder, 'ids.test.yml');
  await writeFile(file, JSON.stringify(cases));
  expect(await promtool('test', 'rules', file)).toContain('SUCCESS');
});

const customSignals = `
signals:
  toxicity: { bad: 'flagged_total or label_replace(hidden_total, "model", "$1", "app", "(.+)")', total: checked_total, critical_threshold: 0.02, words: says toxic things }
  groundedness: { scores: 'rag_groundedness{source="judge"}', warning_threshold: 0.8, critical_threshold: 0.7 }
models:
  satire: { signals: { toxicity: { critical_threshold: 0.2 } } }
`;

/** Of a hundred events each 15 s five are bad; scores have a mean of 0.75. */
const customSeries = [
  { series: 'checked_total{model="chat",instance="a"}', values: '0+60x80' },
  { series: 'checked_total{model="chat",instance="b"}', values: '0+40x80' },
  { series: 'flagged_total{model="chat",instance="a"}', values: '0+5x80' },
  { series: 'checked_total{model="satire",instance="a"}', values: '0+100x80' },
  { series: 'hidden_total{app="satire",instance="a"}', values: '0+5x80' },
  {
    series: 'checked_total{gen_ai_request_model="clean",model="x",ml_model_version="2",instance="a"}',
    values: '0+50x80',
  },
  {
    series: 'checked_total{gen_ai_request_model="clean",model="y",ml_model_version="2",instance="a"}',
    values: '0+50x80',
  },
  { series: 'checked_total{instance="nobody"}', values: '0+100x80' },
  { series: 'rag_groundedness_count{model="chat",source="judge"}', values: '0+100x80' },
  { series: 'rag_groundedness_sum{model="chat",source="judge"}', values: '0+75x80' },
  { series: 'rag_groundedness_count{model="chat",source="other"}', values: '0+100x80' },
];

test('signals that the policy adds are recorded and alerted like the built-in ones', async () => {
  const files = await compileRulesIntoFolder(customSignals);
  await promtool('check', 'rules', ...files);
  const sample = (labels: string, value: number) => ({ labels: `{${labels}}`, value });
  const cases = {
    rule_files: files,
    evaluation_interval: '1m',
    tests: [
      {
        interval: '15s',
        input_series: customSeries,
        promql_expr_test: [
          {
            expr: 'round(sum by (model, version, signal) (model:requests:increase10m))',
            eval_time: '15m',
            exp_samples: [
              sample('model="chat",signal="toxicity"', 4000),
              sample('model="satire",signal="toxicity"', 4000),
              sample('model="clean",version="2",signal="toxicity"', 4000),
              sample('model="chat",signal="groundedness"', 4000),
            ],
          },
          {
            expr: 'round(sum by (model, version, signal) (model:bad:ratio10m{level="critical"}), 0.001)',
            eval_time: '15m',
            exp_samples: [
              sample('model="chat",signal="toxicity"', 0.05),
              sample('model="satire",signal="toxicity"', 0.05),
              sample('model="clean",version="2",signal="toxicity"', 0),
              sample('model="chat",signal="groundedness"', 0.25),
            ],
          },
          {
            expr: 'sum by (model, signal) (model:bad:allowed{level="critical"})',
            eval_time: '15m',
            exp_samples: [
              sample('model="chat",signal="toxicity"', 0.02),
              sample('model="satire",signal="toxicity"', 0.2),
              sample('model="clean",signal="toxicity"', 0.02),
              sample('model="chat",signal="groundedness"', 0.3),
            ],
          },
          {
            expr: 'sum by (alertname, alert_type, model, signal, severity) (ALERTS{alertname=~"Model.*"})',
            eval_time: '15m',
            exp_samples: [
              'signal="toxicity",severity="critical"',
              'signal="toxicity",severity="warning"',
              'signal="groundedness",severity="warning"',
            ].map(labels =>
              sample(
                `alertname="ModelSignalDegraded",alert_type="signal_degradation",model="chat",${labels}`,
                1,
              ),
            ),
          },
        ],
      },
    ],
  };
  const file = join(folder, 'custom.test.yml');
  await writeFile(file, JSON.stringify(cases));
  expect(await promtool('test', 'rules', file)).toContain('SUCCESS');
});

const resources = `
alert_settings: { alert_cooldown_minutes: 0 }
resources:
  gpu_memory: { value: gpu_used / gpu_limit, warning_threshold: 0.95, critical_threshold: 0.99, for_seconds: 60 }
`;

const resourceAlerts = {
  expr: 'sum by (alertname, alert_type, detector, model, instance, route, severity) (ALERTS{alertname="ModelResourceExhausted",alertstate="firing"})',
  of: (labels: string, value = 1) => ({
    labels: `{alertname="ModelResourceExhausted",alert_type="resource_exhaustion",${labels}}`,
    value,
  }),
};

test('a resource is alerted by the controller’s verdict, and without the controller by the plain comparison', async () => {
  const files = await compileRulesIntoFolder(resources);
  await promtool('check', 'rules', ...files);
  const { expr, of } = resourceAlerts;
  const verdict = (level: string, value: string) => ({
    series: `relaycore_model_verdict{model="chat",version="1",signal="gpu_memory",level="${level}"}`,
    values: value,
  });
  const cases = {
    rule_files: files,
    evaluation_interval: '15s',
    tests: [
      {
        interval: '15s',
        input_series: [
          { series: 'relaycore_last_evaluation_timestamp_seconds', values: '0+15x40 stale' },
          verdict('warning', '0x20 1x60'),
          verdict('critical', '0x80'),
          {
            series: 'relaycore_resource_value{model="chat",version="1",signal="gpu_memory",level="warning"}',
            values: '0.97x80',
          },
          { series: 'relaycore_route_weight{route="talk",model="chat"}', values: '10000x80' },
          { series: 'gpu_used{instance="a:1",device="0"}', values: '96x80' },
          { series: 'gpu_limit{instance="a:1",device="0"}', values: '100x80' },
          {
            series: 'gpu_used{instance="b:1",gen_ai_request_model="mail",device="0"}',
            values: '50x47 100x20',
          },
          { series: 'gpu_limit{instance="b:1",gen_ai_request_model="mail",device="0"}', values: '100x80' },
        ],
        promql_expr_test: [
          { expr, eval_time: '4m', exp_samples: [] },
          {
            expr,
            eval_time: '8m',
            exp_samples: [of('detector="controller",model="chat",route="talk",severity="warning"')],
          },
          {
            expr: expr.replace('ALERTS{', 'ALERTS{detector="rules",'),
            eval_time: '12m30s', // the controller has been silent since 10m; the second GPU fills up at 12m
            exp_samples: [of('detector="rules",instance="a:1",severity="warning"')],
          },
          {
            expr: expr.replace('ALERTS{', 'ALERTS{detector="rules",'),
            eval_time: '13m30s',
            exp_samples: [
              of('detector="rules",instance="a:1",severity="warning"'),
              of('detector="rules",instance="b:1",model="mail",severity="warning"'),
              of('detector="rules",instance="b:1",model="mail",severity="critical"'),
            ],
          },
        ],
      },
    ],
  };
  const file = join(folder, 'resources.test.yml');
  await writeFile(file, JSON.stringify(cases));
  expect(await promtool('test', 'rules', file)).toContain('SUCCESS');
});
