import { refersToEnvironment } from './environment.ts';
import type { JsonExpectationFile, ProbeFile, ProbesOfAllFile } from './probe-schema.ts';
import { resolveProbing } from './probes.ts';
import type { Problem } from './problems.ts';
import { expressionError } from './regular-expressions.ts';
import type { ModelFile } from './schema.ts';

/** What the schema cannot see of a model's golden requests. */
export function checkProbes(path: string, model: ModelFile, all: ProbesOfAllFile): Problem[] {
  const { probes = [] } = model;
  return [
    ...checkEndpoint(path, model),
    ...checkRate(path, model, all),
    ...checkScores(path, model),
    ...probes.flatMap((probe, index) => [
      ...checkName(`${path}.probes.${index}`, probe, probes.slice(0, index)),
      ...checkRequest(`${path}.probes.${index}`, probe),
      ...checkExpectation(
        `${path}.probes.${index}.expect`,
        probe,
        resolveProbing(all, model.probing).timeoutMs,
      ),
    ]),
  ];
}

/** A user in an address would stand in every error about it. */
function checkEndpoint(path: string, { endpoint, probes, probing }: ModelFile): Problem[] {
  if (endpoint === undefined)
    return (probes?.length ?? 0) === 0 && !probing
      ? []
      : [
          {
            path: probes?.length ? `${path}.probes` : `${path}.probing`,
            message: 'there is no endpoint to send the probes to',
            remedy: `add ${path}.endpoint, for example http://127.0.0.1:8000`,
          },
        ];
  if (!/^https?:\/\/[^/?#]*@/i.test(endpoint)) return [];
  const remedy =
    'put them into headers of the probes, for example { authorization: "Basic ${MODEL_CREDENTIALS}" }';
  return [{ path: `${path}.endpoint`, message: 'has a user or password in it', remedy }];
}

/** A limit below the schedule would leave every other look undone. */
function checkRate(path: string, { probes = [], probing }: ModelFile, all: ProbesOfAllFile): Problem[] {
  const { everyMs, maxPerMinute } = resolveProbing(all, probing);
  const perMinute = (probes.length * 60_000) / everyMs;
  if (maxPerMinute === undefined || perMinute <= maxPerMinute) return [];
  const leastSeconds = Math.ceil((probes.length * 60) / maxPerMinute);
  return [
    {
      path: `${path}.probing.max_per_minute`,
      message: `${probes.length} requests every ${everyMs / 1000} s are ${Number(perMinute.toFixed(1))} a minute, and only ${maxPerMinute} are allowed`,
      remedy: `give ${path}.probing.every_seconds of at least ${leastSeconds}, or allow more`,
    },
  ];
}

function checkScores(path: string, { probes = [], probing }: ModelFile): Problem[] {
  const isScored = probes.some(({ expect }) => expect.label || expect.score);
  if (probing?.score_at_least !== undefined)
    return isScored
      ? []
      : [
          {
            path: `${path}.probing.score_at_least`,
            message: 'no golden request has a label or a score',
            remedy: 'give some of them expect.label or expect.score, or leave score_at_least out',
          },
        ];
  return probes.flatMap(({ expect: { score } }, index) =>
    score && score.at_least === undefined
      ? [
          {
            path: `${path}.probes.${index}.expect.score`,
            message: 'says nothing of what the score has to reach',
            remedy: `add at_least to it, or ${path}.probing.score_at_least for the mean of all, for example 0.8`,
          },
        ]
      : [],
  );
}

function checkName(path: string, { name }: ProbeFile, before: readonly ProbeFile[]): Problem[] {
  if (!before.some(other => other.name === name)) return [];
  return [{ path: `${path}.name`, message: `"${name}" stands twice`, remedy: 'give each a name of its own' }];
}

const ownHeaders = ['connection', 'content-length', 'expect', 'host', 'transfer-encoding', 'upgrade'];

function checkRequest(path: string, { method, body, headers }: ProbeFile): Problem[] {
  const problems: Problem[] = [];
  if (method === 'GET' && body !== undefined)
    problems.push({ path: `${path}.body`, message: 'a GET has no body', remedy: 'add method: POST' });
  const checked = Object.entries(headers).flatMap(([name, value]) =>
    checkHeader(`${path}.headers.${name}`, name, value),
  );
  return [...problems, ...checked];
}

/** The value may be a secret, so it is not said. */
function checkHeader(path: string, name: string, value: string): Problem[] {
  if (ownHeaders.includes(name.toLowerCase()))
    return [{ path, message: 'is sent by the controller itself', remedy: 'leave it out' }];
  if (/^[\t\x20-\x7e\x80-\xff]*$/.test(value)) return [];
  return [
    {
      path,
      message: 'has a sign in it that no header can have',
      remedy: 'look for a line end at the end of the variable, or signs outside of Latin-1',
    },
  ];
}

function checkExpectation(path: string, { expect }: ProbeFile, timeoutMs: number): Problem[] {
  const { json = [], label, score, matches, max_latency_ms: maxLatencyMs } = expect;
  const problems = Array.isArray(json)
    ? json.flatMap((each, index) => checkAtPointer(`${path}.json.${index}`, each))
    : checkAtPointer(`${path}.json`, json);
  if (label && score)
    problems.push({
      path,
      message: 'has a label and a score',
      remedy: 'give one of them; the score of one golden request is one number',
    });
  if (maxLatencyMs !== undefined && maxLatencyMs >= timeoutMs)
    problems.push({
      path: `${path}.max_latency_ms`,
      message: `the request is given up after ${timeoutMs} ms, before it could take ${maxLatencyMs} ms`,
      remedy: 'give a smaller one, or a longer probing.timeout_seconds',
    });
  return [...problems, ...checkExpression(`${path}.matches`, matches)];
}

function checkAtPointer(path: string, written: JsonExpectationFile): Problem[] {
  const { equals, matches, at_least: atLeast, at_most: atMost } = written;
  const isRange = atLeast !== undefined || atMost !== undefined;
  const given = [equals !== undefined, matches !== undefined, isRange].filter(Boolean).length;
  if (given !== 1)
    return [
      {
        path,
        message: given === 0 ? 'says nothing of what is expected there' : 'expects more than one thing there',
        remedy:
          'give one of equals, matches, or a range by at_least and at_most; a list may say more of one place',
      },
    ];
  if (atLeast !== undefined && atMost !== undefined && atLeast > atMost)
    return [
      {
        path,
        message: `no number is at least ${atLeast} and at most ${atMost}`,
        remedy: 'give at_least the lower number',
      },
    ];
  return checkExpression(`${path}.matches`, matches);
}

function checkExpression(path: string, expression: string | undefined): Problem[] {
  const error = expression === undefined ? undefined : expressionError(expression);
  if (error === undefined) return [];
  const remedy =
    'write it in the syntax of RE2, which has no lookaround and no backreferences, so that no answer can make it slow';
  return [{ path, message: `is no regular expression: ${error}`, remedy }];
}

/** Of what is written, before anything stands in for a variable: a secret in the file is known to all who read it. */
export function checkSecrets(written: unknown): Problem[] {
  return entriesOf(entryOf(written, 'models')).flatMap(([id, model]) =>
    entriesOf(entryOf(model, 'probes')).flatMap(([index, probe]) =>
      entriesOf(entryOf(probe, 'headers'))
        .filter(([name, value]) => isCredential(name) && !refersToEnvironment(String(value)))
        .map(([name]) => ({
          path: `models.${id}.probes.${index}.headers.${name}`,
          message: 'stands in clear in the policy',
          remedy: 'write ${NAME} in place of the secret, and set that environment variable',
        })),
    ),
  );
}

const isCredential = (header: string) =>
  /authorization|cookie|token|secret|password|credential|(api|access|auth|master|service|subscription)[-_]?key/i.test(
    header,
  );

const entriesOf = (written: unknown) =>
  written !== null && typeof written === 'object' ? Object.entries(written) : [];

const entryOf = (written: unknown, key: string): unknown =>
  entriesOf(written).find(([name]) => name === key)?.[1];
