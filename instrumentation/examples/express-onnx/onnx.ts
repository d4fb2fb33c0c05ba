/*
 * An ONNX model written by hand: the few messages of onnx.proto3 that a linear classifier takes, in the wire format of
 * protocol buffers. What trains models elsewhere (PyTorch, scikit-learn) exports such files itself.
 */

/** Of a classifier of `weights.length` features: probabilities = softmax(features × weights + biases). */
export interface LinearClassifier {
  /** By feature and class. */
  readonly weights: readonly (readonly number[])[];
  readonly biases: readonly number[];
}

/** The bytes of an ONNX file with the input `features` (rows × features) and the output `probabilities` (rows × classes). */
export function onnxFile({ weights, biases }: LinearClassifier): Uint8Array {
  const [features, classes] = [weights.length, biases.length];
  const graph = [
    field(1, node('Gemm', ['features', 'weights', 'biases'], 'sums')),
    field(1, node('Softmax', ['sums'], 'probabilities')),
    field(2, 'linear classifier'),
    field(5, tensor('weights', [features, classes], weights.flat())),
    field(5, tensor('biases', [classes], biases)),
    field(11, value('features', features)),
    field(12, value('probabilities', classes)),
  ];
  return Buffer.concat([
    field(1, irVersion),
    field(7, Buffer.concat(graph)),
    field(8, field(2, operatorSet)),
  ]);
}

const irVersion = 8;
const operatorSet = 13;
const float32 = 1;

function node(operator: string, inputs: readonly string[], output: string): Buffer {
  return Buffer.concat([...inputs.map(input => field(1, input)), field(2, output), field(4, operator)]);
}

function tensor(name: string, shape: readonly number[], values: readonly number[]): Buffer {
  const data = Buffer.alloc(values.length * 4);
  for (const [index, value] of values.entries()) data.writeFloatLE(value, index * 4);
  return Buffer.concat([
    ...shape.map(size => field(1, size)),
    field(2, float32),
    field(8, name),
    field(9, data),
  ]);
}

/** As many rows as are asked for. */
function value(name: string, columns: number): Buffer {
  const shape = Buffer.concat([field(1, field(2, 'rows')), field(1, field(1, columns))]);
  const type = Buffer.concat([field(1, float32), field(2, shape)]);
  return Buffer.concat([field(1, name), field(2, field(1, type))]);
}

/** A number as a varint, text and messages with their length. */
function field(number: number, value: number | string | Buffer): Buffer {
  if (typeof value === 'number') return Buffer.concat([varint(number << 3), varint(value)]);
  const bytes = Buffer.from(value);
  return Buffer.concat([varint((number << 3) | 2), varint(bytes.length), bytes]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 128) return Buffer.from([...bytes, rest]);
    bytes.push((rest & 127) | 128);
  }
}
