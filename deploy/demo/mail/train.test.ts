import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { predict } from './classifier.ts';
import { ensureModels, loadModel, modelNames, type TrainedModels } from './train.ts';

const cacheFolder = join(import.meta.dirname, '../../../.cache/demo');
let models: TrainedModels;
beforeAll(async () => {
  models = await ensureModels(cacheFolder);
});

it('makes two models that are both good at early mail', () => {
  for (const name of modelNames) expect(models.accuracy[name].populations.early).toBeGreaterThan(0.95);
});

it('makes a first model that the drift hurts, and a second that it does not', () => {
  expect(models.accuracy['spam-v1'].populations.shifted).toBeGreaterThan(0.7);
  expect(models.accuracy['spam-v1'].populations.shifted).toBeLessThan(0.8);
  expect(models.accuracy['spam-v2'].populations.shifted).toBeGreaterThan(0.93);
});

it('takes everything from the cache the second time', async () => {
  const steps: string[] = [];
  const again = await ensureModels(cacheFolder, step => steps.push(step));
  expect(steps).toEqual([]);
  expect(again.trainedNow).toBe(false);
  expect(again.mail).toEqual(models.mail);
});

it('serves from the cache the very models whose accuracy it states', async () => {
  const classifier = await loadModel(cacheFolder, 'spam-v1');
  const hardHam = models.mail.shifted[0]!.mail;
  const right = hardHam.filter(({ text, spam }) => predict(classifier, text) > 0.5 === spam).length;
  expect(right / hardHam.length).toBe(models.accuracy['spam-v1'].groups['hard-ham-1']);
});

it('refuses an unknown model, and says how to train one that is missing', async () => {
  await expect(loadModel(cacheFolder, 'spam-v3')).rejects.toThrow('known are spam-v1, spam-v2');
  await expect(loadModel('/nowhere', 'spam-v1')).rejects.toThrow('train.ts --cache /nowhere');
});
