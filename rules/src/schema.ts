import { z } from 'zod';
import { driver } from './driver-schema.ts';
import { causeKinds } from './failback.ts';
import { probe, probesOfAll, probing } from './probe-schema.ts';
import { atLeastZero, fraction, httpUrl, modelName, oneOrMore, positive } from './schema-parts.ts';

/**
 * The policy file as people write it (YAML, snake case). Descriptions and examples here are what editors show
 * through the JSON Schema and what a refused policy is told as remedy.
 */

const budget = (example: string) =>
  z
    .string()
    .regex(/^(?=[^/]*[1-9])\d+(\.\d+)?\s*\/\s*((?=[^a-z]*[1-9])\d+(\.\d+)?\s*)?(day|week|month|year)s?$/)
    .meta({ description: 'false alarms allowed for one model, as COUNT/PERIOD', examples: [example] });

/** A signal's name goes into labels, and into columns of this length. */
const signalName = z
  .string()
  .regex(/^[a-z][a-z0-9_]{0,49}$/)
  .meta({ description: 'lower case letters, digits and _, at most 50', examples: ['toxicity'] });
const promql = (description: string, example: string) =>
  z
    .string()
    .min(1)
    .meta({ description, examples: [example] });
const labelName = (description: string, example: string) =>
  z
    .string()
    .regex(/^[A-Za-z_][A-Za-z0-9_]*$/)
    .meta({ description, examples: [example] });

const labelDelay = atLeastZero(
  'how long after an answer its score may still come; what came before it proves nothing about a model that is tried again',
  60,
);

const customThresholds = z.strictObject({
  warning_threshold: fraction(
    'bad share above which, or mean score below which, a warning is raised; the same as critical unless stated',
    0.01,
  ).optional(),
  critical_threshold: fraction(
    'bad share above which, or mean score below which, the model is degraded',
    0.02,
  ).optional(),
});

const customSignal = customThresholds.extend({
  bad: promql('selector of the counters of what was bad', 'moderation_flagged_total').optional(),
  total: promql('selector of the counters of all that was looked at', 'moderation_checked_total').optional(),
  scores: promql(
    'histogram of scores from 0 to 1, without the suffix of its parts',
    'rag_groundedness',
  ).optional(),
  critical_threshold: customThresholds.shape.critical_threshold.unwrap(),
  model_label: labelName('label that names the model', 'model').optional(),
  version_label: labelName('label that names the version of the model', 'version').optional(),
  words: z
    .string()
    .regex(/^(?!.*\{\{).{1,200}$/)
    .meta({ description: 'what an alert says of the model after its name', examples: ['says toxic things'] })
    .optional(),
  label_delay_minutes: labelDelay.optional(),
});

const resource = z.strictObject({
  value: promql('PromQL that gives a number a model, or a number an instance', 'process_memory_usage'),
  warning_threshold: positive('value above which a warning is raised', 0.95),
  critical_threshold: positive(
    'value above which the model is degraded and its traffic may move; none unless stated',
    0.99,
  ).optional(),
  clear_below: positive(
    'value below which it is over; nine tenths of the threshold unless stated',
    0.8,
  ).optional(),
  for_seconds: positive('how long without a break, both ways', 60).default(60),
  model_label: labelName('label that names the model', 'model').optional(),
});

/** What runs out where models are served, if it is measured. */
const shippedResources: Record<string, z.input<typeof resource>> = {
  gpu_memory: {
    value: 'hw_gpu_memory_usage / hw_gpu_memory_limit',
    warning_threshold: 0.95,
    for_seconds: 60,
  },
  event_loop: { value: 'nodejs_eventloop_utilization', warning_threshold: 0.95, for_seconds: 300 },
};

const thresholds = z.strictObject({
  accuracy: z
    .strictObject({
      warning_threshold: fraction('mean score below which a warning is raised', 0.85).optional(),
      critical_threshold: fraction('mean score below which the model is degraded', 0.75).optional(),
      label_delay_minutes: labelDelay.optional(),
    })
    .optional(),
  feedback: z
    .strictObject({
      warning_threshold: fraction('mean rating below which a warning is raised', 0.85).optional(),
      critical_threshold: fraction('mean rating below which the model is degraded', 0.75).optional(),
      label_delay_minutes: labelDelay.optional(),
    })
    .optional(),
  latency: z
    .strictObject({
      warning_threshold_ms: positive('requests slower than this count as slow, warning', 2000).optional(),
      critical_threshold_ms: positive('requests slower than this count as slow, critical', 5000).optional(),
      slow_fraction: fraction('share of slow requests that is still acceptable', 0.05).optional(),
    })
    .optional(),
  success_rate: z
    .strictObject({
      warning_threshold: fraction('success rate below which a warning is raised', 0.95).optional(),
      critical_threshold: fraction('success rate below which the model is degraded', 0.9).optional(),
    })
    .optional(),
});

const modelThresholds = thresholds.extend({
  signals: z
    .record(signalName, customThresholds)
    .meta({
      description: 'thresholds of the signals that the policy adds, for this model alone',
      examples: [{ toxicity: { critical_threshold: 0.05 } }],
    })
    .optional(),
});

const model = modelThresholds.extend({
  name: modelName.optional(),
  version: z
    .string()
    .min(1)
    .max(50)
    .meta({ description: 'version label to match', examples: ['1'] })
    .optional(),
  profile: oneOrMore(
    z
      .string()
      .meta({ description: 'what the model server, or a gateway, calls its metrics', examples: ['vllm'] }),
  ).optional(),
  endpoint: httpUrl('address of the model server, for probes').optional(),
  capacity: z
    .strictObject({
      requests_per_second: positive('what all its instances together can take, from all routes', 50),
    })
    .optional(),
  probes: z.array(probe).optional(),
  probing: probing.optional(),
});

const failbackSteps = z
  .strictObject({
    canary_percent: z
      .number()
      .gt(0)
      .max(50)
      .meta({ description: 'share of traffic for the first look at the primary', examples: [5] }),
    canary_minutes: atLeastZero('least time at the canary share', 30),
    steps: z
      .array(z.number().gt(0).max(100))
      .min(1)
      .meta({ description: 'shares in percent, rising, the last one 100', examples: [[5, 25, 100]] }),
    step_minutes: atLeastZero('least time at each step of the ramp', 5),
    backoff_minutes: atLeastZero('wait after a failover before the primary is tried again', 15),
    backoff_cap_minutes: atLeastZero('the longest that the doubled wait becomes', 240),
  })
  .partial();

const failback = failbackSteps.extend({
  causes: z
    .partialRecord(z.enum(causeKinds), failbackSteps)
    .meta({
      description: 'the same where the route was left for this cause',
      examples: [{ quota: { backoff_minutes: 2, canary_minutes: 5 } }],
    })
    .optional(),
});

const approval = z
  .strictObject({
    expires_minutes: positive('how long a proposed change waits for a person in mode approve', 30),
    rejected_minutes: atLeastZero('how long a rejected change is not proposed again', 60),
  })
  .partial();

const balance = z
  .strictObject({
    by: z
      .array(z.enum(['latency', 'quality']))
      .min(1)
      .meta({
        description: 'what decides about the shares: mean latency, and success with the accuracy score',
        examples: [['latency', 'quality']],
      }),
    targets: z
      .array(modelName)
      .min(2)
      .meta({
        description: 'targets of the route that take part, if not all; with the primary',
        examples: [['spam-nb', 'spam-lr']],
      }),
    minimum_percent: positive('least share of a target, from which it is measured', 5).max(50),
    maximum_percent: positive('largest share of a target while the others can take the rest', 90).max(100),
    step_percent: positive('no share moves by more at once', 10).max(100),
    every_minutes: positive('time between two moves; the evaluation window unless stated', 10),
  })
  .partial()
  .meta({
    description: 'spreads the route over its healthy targets by how they do; without it the primary serves',
    examples: [{ by: ['latency', 'quality'], minimum_percent: 5 }],
  });

const route = z.strictObject({
  targets: z
    .array(modelName)
    .min(1)
    .meta({ description: 'models in order of priority', examples: [['spam-nb', 'spam-lr']] }),
  driver: driver.default({ kind: 'dry-run' }),
  mode: z.enum(['observe', 'advise', 'approve', 'auto']).default('auto'),
  changed_by_hand: z
    .enum(['restore', 'adopt'])
    .meta({
      description: 'when somebody changes the weights at the gateway: set them back, or keep to them',
      examples: ['adopt'],
    })
    .optional(),
  failback: failback.optional(),
  approval: approval.optional(),
  balance: balance.optional(),
});

export const policySchema = z.strictObject({
  $schema: z.string().optional(),
  model_performance: thresholds.prefault({}),
  alert_settings: z
    .strictObject({
      evaluation_window_minutes: z
        .int()
        .min(1)
        .max(1440)
        .meta({ description: 'window of the reported values', examples: [10] })
        .default(10),
      min_requests_for_evaluation: z
        .int()
        .min(1)
        .meta({ description: 'requests needed before a verdict', examples: [50] })
        .default(50),
      alert_cooldown_minutes: atLeastZero('how long an alert stays up after its condition ended', 15).default(
        15,
      ),
    })
    .prefault({}),
  detection: z
    .strictObject({
      tick_seconds: z
        .number()
        .min(0.2)
        .max(300)
        .meta({ description: 'time between two assessments', examples: [5] })
        .default(5),
      ingestion_lag_seconds: atLeastZero('how far in the past Prometheus is asked', 1).default(1),
      stale_seconds: positive('a target scraped longer ago is not believed', 60).default(60),
      max_gap_seconds: positive('a longer gap in a series is not believed', 120).default(120),
      false_alarms: z
        .strictObject({
          warning: budget('1/year').default('1/year'),
          critical: budget('1/1000 years').default('1/1000 years'),
        })
        .prefault({}),
      agreement_seconds: z
        .strictObject({
          mild: positive('least time over which mild degradation must agree', 60).default(60),
          severe: positive('least time over which severe degradation must agree', 15).default(15),
        })
        .prefault({}),
      tempering: z
        .boolean()
        .meta({
          description:
            'whether evidence counts less against a model whose failures come in bursts while healthy',
          examples: [true],
        })
        .default(true),
      hard_down: z
        .strictObject({
          enabled: z.boolean().default(true),
          failures: z
            .int()
            .min(1)
            .meta({ description: 'consecutive failures', examples: [10] })
            .default(10),
          seconds: positive('over at least this long', 10).default(10),
        })
        .prefault({}),
    })
    .prefault({}),
  incidents: z
    .strictObject({
      models_percent: z
        .number()
        .gt(0)
        .max(100)
        .meta({ description: 'share of all models that go critical together', examples: [5] })
        .default(5),
      minimum_models: z
        .int()
        .min(2)
        .meta({ description: 'and at least so many', examples: [5] })
        .default(5),
      within_seconds: positive('within this long of each other', 60).default(60),
      hold_switches: z
        .boolean()
        .meta({ description: 'whether their routes stay where they are', examples: [true] })
        .default(true),
    })
    .prefault({}),
  signals: z
    .record(signalName, customSignal)
    .meta({
      description: 'signals of your own, in PromQL',
      examples: [{ toxicity: { bad: 'flagged_total', total: 'checked_total', critical_threshold: 0.02 } }],
    })
    .default({}),
  resources: z
    .record(signalName, resource)
    .meta({
      description: 'gauges with a plain threshold; these stand in place of the default ones',
      examples: [{ memory: { value: 'process_memory_usage', warning_threshold: 8e9 } }],
    })
    .prefault(shippedResources),
  switching: z
    .strictObject({
      max_simultaneous: z
        .int()
        .min(1)
        .meta({ description: 'so many models may be left by automatic failovers ...', examples: [3] })
        .default(3),
      max_percent: z
        .number()
        .min(0)
        .max(100)
        .meta({ description: '... or this share of all models, where that is more', examples: [5] })
        .default(5),
      within_seconds: positive('... within this time; further failovers wait', 60).default(60),
    })
    .prefault({}),
  approval: approval.prefault({}),
  latency_edges_ms: z
    .array(z.number().positive())
    .meta({
      description:
        'histogram edges that the servers have besides the standard ones (NEUROWEAVER_LATENCY_THRESHOLDS)',
      examples: [[250, 500]],
    })
    .default([]),
  models: z
    .record(modelName, model)
    .meta({ description: 'models by id', examples: [{ 'spam-nb': { version: '1' } }] })
    .default({}),
  routes: z
    .record(modelName, route)
    .meta({
      description: 'routes by name',
      examples: [{ 'mail-filter': { targets: ['spam-nb', 'spam-lr'] } }],
    })
    .default({}),
  probes: probesOfAll.prefault({}),
  notifications: z
    .strictObject({
      webhooks: z
        .array(httpUrl('where alerts are delivered'))
        .meta({
          description: 'where alerts are delivered',
          examples: [['http://127.0.0.1:9000/alerts']],
        })
        .default([]),
      heartbeat: httpUrl(
        'told every minute that the alert path is alive; it pages when that stops',
      ).optional(),
      controller_token_file: z
        .string()
        .meta({
          description: 'file on the Alertmanager host with RELAYCORE_TOKEN',
          examples: ['/etc/alertmanager/relaycore-token'],
        })
        .optional(),
      links: z
        .strictObject({
          controller: httpUrl('public address of the controller').optional(),
          grafana: httpUrl('public address of Grafana').optional(),
          runbooks: httpUrl('where the runbooks are published').optional(),
        })
        .prefault({}),
    })
    .prefault({}),
});

export type PolicyFile = z.output<typeof policySchema>;
export type FailbackFile = z.output<typeof failback>;
export type FailbackStepsFile = z.output<typeof failbackSteps>;
export type ModelFile = z.output<typeof model>;
export type ModelThresholdsFile = z.output<typeof modelThresholds>;
export type ResourceFile = z.output<typeof resource>;
export type CustomSignalFile = z.output<typeof customSignal>;
export type ApprovalFile = z.output<typeof approval>;
export type BalanceFile = z.output<typeof balance>;
export type DriverFile = z.output<typeof driver>;
export type RouteFile = z.output<typeof route>;

/** JSON Schema (draft 2020-12) of the policy file, for editors and for remedies. */
export function policyJsonSchema(): Record<string, unknown> {
  return {
    ...z.toJSONSchema(policySchema, { io: 'input' }),
    title: 'RelayCore policy: thresholds of models, routes and their backups',
  };
}
