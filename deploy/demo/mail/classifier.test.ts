import { expect, it } from 'vitest';
import { type Classifier, decode, encode, featuresOf, predict, train } from './classifier.ts';

const honest = [
  'the meeting is on monday',
  'patch for the kernel list',
  'lunch on monday',
  'notes of the meeting',
];
const spam = ['free money now', 'money for your list', 'win free lunch', 'act now and win'];

it('learns to tell two kinds of mail apart', () => {
  const classifier = learn();
  for (const text of honest) expect(predict(classifier, text)).toBeLessThan(0.5);
  for (const text of spam) expect(predict(classifier, text)).toBeGreaterThan(0.5);
  expect(predict(classifier, 'win money, act now')).toBeGreaterThan(0.5);
});

it('learns the same from the same', () => {
  expect(encode(learn())).toEqual(encode(learn()));
});

it('leans towards what weighs more', () => {
  const contested = 'money meeting';
  expect(predict(learn({ spamWeight: 5 }), contested)).toBeGreaterThan(
    predict(learn({ spamWeight: 1 }), contested),
  );
});

it('has an opinion about an empty mail', () => {
  expect(predict(learn(), '')).toBeGreaterThan(0);
});

it('is the same after being written and read', () => {
  const classifier = learn();
  expect(decode(encode(classifier))).toEqual(classifier);
});

it('refuses what was written only in part', () => {
  const whole = encode(learn());
  expect(() => decode(whole.subarray(0, whole.length - 4))).toThrow(/bytes of weights/);
  expect(() => decode(whole.subarray(0, 5))).toThrow(/first line/);
  expect(() => decode(Buffer.alloc(0))).toThrow(/first line/);
});

function learn({ spamWeight = 1 } = {}): Classifier {
  const examples = [
    ...honest.map(text => ({ features: featuresOf(text), spam: false, weight: 1 })),
    ...spam.map(text => ({ features: featuresOf(text), spam: true, weight: spamWeight })),
  ];
  return train(examples, { epochs: 20, seed: 7 });
}
