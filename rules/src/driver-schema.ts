import { z } from 'zod';
import { httpUrl, modelName, oneOrMore } from './schema-parts.ts';

/** How a route's gateway is told, as people write it; one entry a kind of gateway. */

const haproxyName = z
  .string()
  .regex(/^[A-Za-z0-9_.:-]+$/)
  .meta({ description: 'name in the configuration of HAProxy', examples: ['spam-nb-1'] });

const template = (description: string, example: string) =>
  z
    .string()
    .min(1)
    .meta({ description: `${description}; {{…}} is filled in`, examples: [example] });
const urlTemplate = (description: string) =>
  template(description, 'http://127.0.0.1:9180/apisix/admin/upstreams/{{route}}').regex(/^https?:\/\/[^{]/);
const pointerTemplate = (description: string, example: string) =>
  template(`JSON pointer to ${description}`, example).regex(/^(\/.*)?$/);

const haproxy = z.strictObject({
  kind: z.literal('haproxy'),
  socket: oneOrMore(
    z
      .string()
      .regex(/^(\/.+|[^\s/]+:\d+)$/)
      .meta({
        description: 'stats socket with level admin: a path, or HOST:PORT',
        examples: ['/run/haproxy/admin.sock'],
      }),
  ),
  backend: haproxyName
    .meta({ description: 'backend of the route, if not named like it', examples: ['mail_filter'] })
    .optional(),
  servers: z
    .record(modelName, oneOrMore(haproxyName))
    .meta({
      description: 'the server or servers of a model, where not named like it',
      examples: [{ 'spam-nb': ['nb-1', 'nb-2'] }],
    })
    .default({}),
});

const routeDocument = z.strictObject({
  kind: z.literal('document'),
  file: z
    .string()
    .min(1)
    .meta({
      description: 'file of flag definitions that the gateway reads',
      examples: ['/etc/flagd/routes.json'],
    })
    .optional(),
  redis: z
    .string()
    .min(1)
    .meta({
      description: 'address of the Redis that the gateway reads',
      examples: ['redis://127.0.0.1:6379'],
    })
    .optional(),
  prefix: z
    .string()
    .meta({ description: 'key and channel in Redis: this and the route', examples: ['relaycore:route:'] })
    .default('relaycore:route:'),
});

const http = z.strictObject({
  kind: z.literal('http'),
  headers: z
    .record(z.string(), template('sent with every request', 'Bearer ${GATEWAY_TOKEN}'))
    .meta({ description: 'headers of every request', examples: [{ 'x-api-key': '${GATEWAY_KEY}' }] })
    .default({}),
  names: z
    .record(modelName, z.string().min(1))
    .meta({
      description: 'what the gateway calls a model, where not the same',
      examples: [{ 'spam-nb': '10.0.0.5:8000' }],
    })
    .default({}),
  scale: z
    .int()
    .min(10)
    .max(1_000_000)
    .meta({ description: 'what the weights of a route add up to at the gateway', examples: [100] })
    .default(10_000),
  read: z.strictObject({
    url: urlTemplate('where the weights are read'),
    weight: pointerTemplate('the weight of a target', '/value/nodes/{{name}}'),
    generation: pointerTemplate('the generation', '/value/labels/generation').optional(),
  }),
  write: z.strictObject({
    method: z.enum(['PUT', 'PATCH', 'POST']).default('PUT'),
    url: urlTemplate('where the weights are written'),
    body: template(
      'what is sent',
      '{ "nodes": {{weights}}, "labels": { "generation": "{{generation}}" } }',
    ).optional(),
  }),
});

const litellm = z.strictObject({
  kind: z.literal('litellm'),
  url: oneOrMore(httpUrl('address of the proxy')),
  token: z
    .string()
    .min(1)
    .meta({ description: 'master key, or the key of a proxy admin', examples: ['${LITELLM_MASTER_KEY}'] })
    .optional(),
  group: z
    .string()
    .min(1)
    .meta({ description: 'model_name of the route, if not named like it', examples: ['gpt-4o'] })
    .optional(),
  deployments: z
    .record(modelName, oneOrMore(z.string().min(1)))
    .meta({
      description: 'model_info.id of the deployment or deployments of a model, where not named like it',
      examples: [{ 'spam-nb': '5f2b8c1e-0000-4000-8000-000000000001' }],
    })
    .default({}),
});

const kubernetesName = (description: string, example: string) =>
  z
    .string()
    .regex(/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/)
    .meta({ description, examples: [example] });

const kubernetes = z.strictObject({
  kind: z.literal('kubernetes'),
  resource: z
    .enum(['HTTPRoute', 'AIGatewayRoute', 'VirtualService'])
    .meta({ description: 'what kind of object holds the route', examples: ['HTTPRoute'] })
    .default('HTTPRoute'),
  namespace: kubernetesName('where the object is', 'models'),
  name: kubernetesName('the object, if not named like the route', 'mail-filter').optional(),
  rule: z
    .union([z.int().min(0), z.string().min(1)])
    .meta({ description: 'the rule in it: its name, or its place counted from 0', examples: [0] })
    .default(0),
  backends: z
    .record(modelName, z.string().min(1))
    .meta({
      description: 'the backend of a model (of a VirtualService subset or host), where not named like it',
      examples: [{ 'spam-nb': 'spam-nb-v1' }],
    })
    .default({}),
  kubeconfig: z
    .string()
    .min(1)
    .meta({
      description: 'file that says where the cluster is; else what kubectl would use, else the own cluster',
      examples: ['/etc/relaycore/kubeconfig'],
    })
    .optional(),
  context: z
    .string()
    .min(1)
    .meta({ description: 'context in the kubeconfig, if not its current one', examples: ['production'] })
    .optional(),
});

export const driver = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('relaycore'),
    url: oneOrMore(httpUrl('address of the gateway')),
    token: z
      .string()
      .min(1)
      .meta({ description: 'bearer token of the gateway', examples: ['${GATEWAY_TOKEN}'] })
      .optional(),
  }),
  haproxy,
  routeDocument,
  http,
  litellm,
  kubernetes,
  z.strictObject({ kind: z.literal('dry-run') }),
]);
