import { expect, test } from 'vitest';
import { type SoundAnswer, soundAnswers } from '../../test/answers/sound.ts';
import { scoreEmpty } from './empty.ts';
import { createLanguageCheck } from './language.ts';
import { scoreRefusal } from './refusal.ts';
import { scoreRepetition } from './repetition.ts';
import { createTruncatedCheck } from './truncated.ts';

const answers = soundAnswers();
const checks = {
  empty: scoreEmpty,
  refusal: scoreRefusal,
  repetition: scoreRepetition,
  truncated: createTruncatedCheck({ prose: false }),
  language: createLanguageCheck('en'),
};

test('there are more than a thousand of many kinds', () => {
  expect(answers.length).toBeGreaterThan(1_000);
  expect(new Set(answers.map(answer => answer.kind)).size).toBe(8);
  expect(new Set(answers.map(answer => answer.language)).size).toBeGreaterThan(15);
});

test.each(Object.entries(checks))('%s finds nothing wrong with sound answers', (_, check) => {
  expect(answers.filter(answer => (check(answer) ?? 1) < 1).map(describe)).toEqual([]);
});

test('one little word of another language, said often, does not make the text that language', () => {
  // The s of the placeholders is a word of Czech.
  const text =
    'Bu dosya kaydedilsin mi: %s? %s içinde %d. satırda yinelenen ek: %s. %s satırında tanımlanmamış ek: %s. ' +
    '%s okunuyor: %s. %s yazılıyor: %s. %s bulunamadı: %s. %s kapatıldı: %s.';
  expect(createLanguageCheck('tr')({ text })).toBe(1);
});

test('sound prose ends as prose, in every language', () => {
  const check = createTruncatedCheck({ prose: true });
  const sentences = answers.filter(answer => answer.isProse);
  expect(sentences.filter(answer => (check(answer) ?? 1) < 1).map(describe)).toEqual([]);
});

test('the language of sound prose can be told, where it is long enough', () => {
  const check = createLanguageCheck('en');
  const long = answers.filter(answer => answer.isProse && answer.text.length > 200);
  expect(long.filter(answer => check(answer) !== 1).map(describe)).toEqual([]);
});

function describe({ kind, language, text }: SoundAnswer): string {
  return `${kind} ${language}: ${text}`;
}
