import { expect, test } from 'vitest';
import { startRecording } from '../../test/recording.ts';
import type { Instrumentation } from '../index.ts';
import { createModels } from '../models.ts';
import { modelsOfLibraries } from './models-of-libraries.ts';

const recording = startRecording();
const ml = { model: createModels({ ...recording, maximumModels: 500 }) } as Instrumentation;
const call = { operation: 'chat', provider: 'openai' };
const identity = { ...call, version: 'unversioned' };

test('a call without a name is of the model that the application names, else of its library', () => {
  const named = modelsOfLibraries({ name: 'spam', version: '2' }, () => ml);
  expect(named({ ...call, name: undefined })).toBe(ml.model({ ...call, name: 'spam', version: '2' }));
  const unnamed = modelsOfLibraries({}, () => ml);
  expect(unnamed({ ...call, name: undefined })).toBe(ml.model({ ...identity, name: 'openai' }));
});

test('what is counted elsewhere, or while nothing is recorded, is not counted', () => {
  const modelOf = modelsOfLibraries({ countedElsewhere: ['spam'] }, () => ml);
  expect(modelOf({ ...call, name: 'spam' })).toBeUndefined();
  expect(modelsOfLibraries({}, () => undefined)({ ...call, name: 'spam' })).toBeUndefined();
});

test('what comes after a hundred names is the rest', () => {
  const modelOf = modelsOfLibraries({}, () => ml);
  for (let name = 0; name < 100; name++) modelOf({ ...call, name: `m${name}` });
  expect(modelOf({ ...call, name: 'one more' })).toBe(ml.model({ ...identity, name: '_OTHER' }));
  expect(modelOf({ ...call, name: 'm7' })).toBe(ml.model({ ...identity, name: 'm7' }));
});
