import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createBoundedQueue } from './queue.ts';

test('it is an array that shifts, and takes no more than it may hold', () => {
  const steps = fc.array(fc.oneof({ weight: 3, arbitrary: fc.nat() }, fc.constantFrom('shift', 'clear')));
  fc.assert(
    fc.property(steps, fc.integer({ min: 1, max: 5 }), (taken, maximum) => {
      const queue = createBoundedQueue<number>(maximum);
      let model: number[] = [];
      for (const step of taken) {
        if (step === 'shift') expect(queue.shift()).toBe(model.shift());
        else if (step === 'clear') {
          queue.clear();
          model = [];
        } else {
          expect(queue.push(step as number)).toBe(model.length < maximum);
          if (model.length < maximum) model.push(step as number);
        }
      }
    }),
  );
});
