import { z } from 'zod';
import { atLeastZero, fraction, oneOrMore, positive } from './schema-parts.ts';

/** Golden requests: what is sent to a model directly, and what is expected of its answer. */

const pointer = z
  .string()
  .regex(/^(\/([^/~]|~[01])*)*$/)
  .meta({ description: 'RFC 6901 JSON pointer into the answer; "" is all of it', examples: ['/spam'] });
const expression = z
  .string()
  .min(1)
  .max(1000)
  .meta({
    description: 'regular expression (RE2) that is found in the text, at most 1000 characters',
    examples: ['(?i)\\bparis\\b'],
  });

const status = z
  .int()
  .min(100)
  .max(599)
  .meta({ description: 'status that is expected, or a list of them', examples: [200] });

/** Of equals, matches and a range exactly one. */
const atPointer = z.strictObject({
  pointer,
  equals: z.json().optional(),
  matches: expression.optional(),
  at_least: z
    .number()
    .meta({ description: 'least number that is right', examples: [0.5] })
    .optional(),
  at_most: z
    .number()
    .meta({ description: 'largest number that is right', examples: [1] })
    .optional(),
});

const expectation = z.strictObject({
  status: oneOrMore(status).default(200),
  json: oneOrMore(atPointer).optional(),
  matches: expression.optional(),
  max_latency_ms: positive('how long the whole answer may take, connection included', 800).optional(),
  label: z
    .strictObject({ pointer, equals: z.json() })
    .meta({
      description: 'the label that is right; counts in the score of the model',
      examples: [{ pointer: '/label', equals: 'spam' }],
    })
    .optional(),
  score: z
    .strictObject({
      pointer,
      at_least: fraction('what this answer alone has to reach', 0.8).optional(),
    })
    .meta({
      description: 'a number from 0 to 1 in the answer; counts in the score of the model',
      examples: [{ pointer: '/confidence' }],
    })
    .optional(),
});

const headerName = z
  .string()
  .regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/)
  .meta({ description: 'name of an HTTP header', examples: ['x-api-key'] });

export const probe = z.strictObject({
  name: z
    .string()
    .min(1)
    .max(100)
    .meta({ description: 'what the probe checks', examples: ['a known spam'] }),
  method: z.enum(['GET', 'POST', 'PUT']).default('GET'),
  path: z
    .string()
    .startsWith('/')
    .meta({ description: 'path below the endpoint', examples: ['/classify'] }),
  headers: z
    .record(headerName, z.string())
    .meta({
      description: 'headers of the request, secrets by reference',
      examples: [{ authorization: 'Bearer ${MODEL_KEY}' }],
    })
    .default({}),
  body: z
    .json()
    .meta({ description: 'a text is sent as it is, all else as JSON', examples: [{ text: 'buy now' }] })
    .optional(),
  expect: expectation.prefault({}),
});

/** How one model is probed, where not as all are. */
export const probing = z.strictObject({
  every_seconds: positive('time between two looks at this model', 300).optional(),
  timeout_seconds: positive('deadline of one request to this model', 20).optional(),
  max_per_minute: z
    .int()
    .min(1)
    .meta({ description: 'so many requests a minute at most, whoever asks for them', examples: [6] })
    .optional(),
  score_at_least: fraction('mean score of labels and scores that has to be reached', 0.9).optional(),
});

export const probesOfAll = z.strictObject({
  interval_seconds: positive('time between two probes of one target', 10).default(10),
  timeout_seconds: positive('deadline of one probe', 5).default(5),
  fresh_seconds: atLeastZero('a target looked at longer ago is looked at again before a switch', 5).default(
    5,
  ),
});

export type ProbeFile = z.output<typeof probe>;
export type ProbingFile = z.output<typeof probing>;
export type ProbesOfAllFile = z.output<typeof probesOfAll>;
export type JsonExpectationFile = z.output<typeof atPointer>;
