import { seededRandom } from './random.ts';
import { wordsAndLinks } from './words.ts';

/** Logistic regression over hashed, binary features; a mail's score is bias + sum of weights / √(features). */
export interface Classifier {
  readonly bias: number;
  /** One weight per hash bucket. */
  readonly weights: Float32Array;
}

export interface Example {
  readonly features: Uint32Array;
  readonly spam: boolean;
  /** How many ordinary examples this one counts as. */
  readonly weight: number;
}

export interface TrainingOptions {
  /** Passes over the examples. */
  readonly epochs: number;
  readonly seed: number;
}

/** Learns by AdaGrad (Duchi, Hazan and Singer 2011) with an L2 penalty. Equal arguments give equal weights. */
export function train(examples: readonly Example[], { epochs, seed }: TrainingOptions): Classifier {
  const weights = new Float32Array(bucketCount);
  const squaredGradients = new Float32Array(bucketCount).fill(1e-6);
  const random = seededRandom(seed);
  const order = [...examples];
  let bias = 0;
  for (let epoch = 0; epoch < epochs; epoch += 1) {
    shuffle(order, random);
    for (const example of order) bias += learn(example, bias, weights, squaredGradients);
  }
  return { bias, weights };
}

/** The probability, 0 to 1, that a raw mail is spam. */
export function predict({ bias, weights }: Classifier, text: string): number {
  return sigmoid(score(featuresOf(text), bias, weights));
}

/** The distinct hash buckets of a raw mail's words and links. */
export function featuresOf(text: string): Uint32Array {
  const buckets = new Set<number>();
  for (const feature of wordsAndLinks(text)) buckets.add(bucketOf(feature));
  return Uint32Array.from(buckets);
}

/** One line of JSON, then the weights as little-endian 32-bit floats. */
export function encode({ bias, weights }: Classifier): Buffer {
  const line = Buffer.from(`${JSON.stringify({ bias })}\n`);
  const body = Buffer.alloc(weights.length * 4);
  for (const [at, weight] of weights.entries()) body.writeFloatLE(weight, at * 4);
  return Buffer.concat([line, body]);
}

/** The inverse of `encode`; throws on bytes that are not one whole encoded classifier. */
export function decode(bytes: Buffer): Classifier {
  const bias = decodeBias(bytes);
  const body = bytes.subarray(bytes.indexOf('\n') + 1);
  if (body.length !== bucketCount * 4) {
    throw new Error(
      `classifier: expected ${bucketCount * 4} bytes of weights, found ${body.length}; train again`,
    );
  }
  const weights = new Float32Array(bucketCount);
  for (let at = 0; at < bucketCount; at += 1) weights[at] = body.readFloatLE(at * 4);
  return { bias, weights };
}

const bucketCount = 2 ** 18;
const learningRate = 0.3;
const biasLearningRate = 0.03;
const penalty = 1e-4;

/** Moves the weights against this example's error; answers the bias's own step. */
function learn(
  example: Example,
  bias: number,
  weights: Float32Array,
  squaredGradients: Float32Array,
): number {
  const { features, spam, weight } = example;
  const error = (sigmoid(score(features, bias, weights)) - (spam ? 1 : 0)) * weight;
  const scale = 1 / Math.sqrt(features.length || 1);
  for (const bucket of features) {
    const gradient = error * scale + penalty * weights[bucket]!;
    squaredGradients[bucket]! += gradient * gradient;
    weights[bucket]! -= (learningRate * gradient) / Math.sqrt(squaredGradients[bucket]!);
  }
  return -biasLearningRate * error;
}

function score(features: Uint32Array, bias: number, weights: Float32Array): number {
  let sum = 0;
  for (const bucket of features) sum += weights[bucket]!;
  return bias + sum / Math.sqrt(features.length || 1);
}

function sigmoid(value: number): number {
  return 1 / (1 + Math.exp(-value));
}

/** FNV-1a, with a final mix so that the low bits are good. */
function bucketOf(feature: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < feature.length; at += 1) hash = Math.imul(hash ^ feature.charCodeAt(at), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return ((hash ^ (hash >>> 12)) >>> 0) % bucketCount;
}

function shuffle<T>(list: T[], random: () => number): void {
  for (let last = list.length - 1; last > 0; last -= 1) {
    const other = Math.floor(random() * (last + 1));
    [list[last], list[other]] = [list[other]!, list[last]!];
  }
}

function decodeBias(bytes: Buffer): number {
  const line = bytes.subarray(0, Math.max(0, bytes.indexOf('\n'))).toString();
  try {
    const { bias } = JSON.parse(line) as { bias: number };
    if (!Number.isFinite(bias)) throw new Error(`no usable bias in ${line}`);
    return bias;
  } catch (cause) {
    throw new Error('classifier: the first line is no description of a classifier; train again', { cause });
  }
}
