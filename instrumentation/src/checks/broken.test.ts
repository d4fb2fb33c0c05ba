import fc from 'fast-check';
import { expect, test } from 'vitest';
import { prose } from '../../test/answers/prose.ts';
import { soundAnswers } from '../../test/answers/sound.ts';
import type { Answer, Check } from './check.ts';
import { scoreEmpty } from './empty.ts';
import { createLanguageCheck } from './language.ts';
import { scoreRefusal } from './refusal.ts';
import { scoreRepetition } from './repetition.ts';
import { createSchemaCheck } from './schema.ts';
import { answersToLearn, createTooFastCheck } from './too-fast.ts';
import { createTruncatedCheck } from './truncated.ts';

test.each([
  '',
  ' ',
  '\n\n\t',
  '\u200B\u200B',
  '\uFEFF',
  '\uFFFD\uFFFD',
  '\0',
  'undefined',
  '[object Object]\n',
])('an answer of %j is empty', text => expect(scoreEmpty({ text })).toBe(0));

const truncated = createTruncatedCheck({ prose: false });
const prosaic = createTruncatedCheck({ prose: true });
test.each([
  { answer: { text: 'All is well.', finishReason: 'length' }, plain: 0, asProse: 0 },
  { answer: { text: 'All is well.', finishReason: 'MAX_TOKENS' }, plain: 0, asProse: 0 },
  { answer: { text: 'All is well, and', finishReason: 'stop' }, plain: 1, asProse: 0 },
  { answer: { text: 'All is well, and' }, plain: undefined, asProse: 0 },
  { answer: { text: 'All is well.' }, plain: undefined, asProse: 1 },
  { answer: { text: '全部都好，而且' }, plain: undefined, asProse: 0 },
  { answer: { text: 'All is well (**really**)\n' }, plain: undefined, asProse: 1 },
  { answer: { text: 'All is well!\n\nBest regards,\nAnna' }, plain: undefined, asProse: 1 },
  { answer: { text: 'ทุกอย่างเรียบร้อย' }, plain: undefined, asProse: undefined },
])('$answer', ({ answer, plain, asProse }) => {
  expect(truncated(answer)).toBe(plain);
  expect(prosaic(answer)).toBe(asProse);
});

const spam = {
  type: 'object',
  properties: { label: { enum: ['spam', 'ham'] }, score: { type: 'number' } },
  required: ['label'],
  additionalProperties: false,
};
test.each([
  { text: '{"label":"spam","score":0.9}', score: 1 },
  { text: '```json\n{"label":"ham"}\n```', score: 1 },
  { text: '{"label":"eggs"}', score: 0 },
  { text: '{"score":1}', score: 0 },
  { text: '{"label":"spam"', score: 0 },
  { text: 'It is spam.', score: 0 },
  { text: '', score: 0 },
  { text: '```', score: 0 },
  { text: `"${'a'.repeat(200_000)}"`, score: undefined },
])('against the schema, $text is $score', ({ text, score }) => {
  for (const $schema of [undefined, 'http://json-schema.org/draft-07/schema#'])
    expect(createSchemaCheck({ ...spam, ...($schema && { $schema }) })({ text })).toBe(score);
});

test.each([
  "I'm sorry, but I can't help with that.",
  'I cannot assist with this request.',
  'I’m sorry, but I cannot provide instructions for that.',
  "Unfortunately I'm unable to help with that.",
  'As an AI language model, I cannot have opinions.',
  'Es tut mir leid, aber dabei kann ich nicht helfen.',
  'Ich kann Ihnen dabei leider nicht weiterhelfen.',
  'Désolé, je ne peux pas vous aider avec cela.',
  'Lo siento, pero no puedo ayudarte con eso.',
  'Mi dispiace, ma non posso aiutarti con questa richiesta.',
  'Desculpe, mas não posso ajudar com isso.',
  'Het spijt me, maar ik kan je daar niet mee helpen.',
  'Przykro mi, ale nie mogę w tym pomóc.',
  'Извините, но я не могу помочь с этим. Я не могу вам помочь.',
  'Вибачте, але я не можу допомогти.',
  'Üzgünüm, bu konuda yardımcı olamam.',
  '很抱歉，我无法协助您完成这个请求。',
  '抱歉，我不能提供这方面的信息。',
  '申し訳ありませんが、そのご要望にはお応えできません。',
  '죄송하지만 그 요청은 도와드릴 수 없습니다.',
  'عذرا، لا يمكنني مساعدتك في ذلك.',
  'क्षमा करें, मैं इसमें आपकी मदद नहीं कर सकता।',
])('%s is a refusal', text => {
  expect(scoreRefusal({ text })).toBe(0);
});

test('what the filter of the provider withheld is a refusal', () => {
  expect(scoreRefusal({ text: 'And so', finishReason: 'content_filter' })).toBe(0);
  expect(scoreRefusal({ text: 'And so', finishReason: 'stop' })).toBe(1);
});

test.each([
  { text: 'the '.repeat(400) },
  { text: '!'.repeat(300) },
  { text: `${prose.en!.join(' ')} ${'and then we went to the sea, '.repeat(40)}and th` },
  { text: '我们会马上处理。'.repeat(60) },
  { text: `[${'{"label":"spam"},'.repeat(60)}` },
  { text: Array.from({ length: 40 }, (_, i) => `${i + 1}. ${prose.en![0]} ${prose.en![1]}`).join('\n') },
])('a loop scores what it says once: $text', ({ text }) => {
  expect(scoreRepetition({ text })).toBeLessThan(0.4);
});

test('rows that are alike are no loop in JSON that is whole', () => {
  const rows = JSON.stringify(Array.from({ length: 60 }, () => ({ label: 'spam' })));
  expect(scoreRepetition({ text: rows })).toBe(1);
});

/** The checks take these for each other, as their own words say. */
const relatives = [
  ['es', 'pt'],
  ['ru', 'uk'],
];
const languages = Object.keys(prose);
test.each(languages)('an answer in another language than %s is found', expected => {
  const check = createLanguageCheck(expected);
  for (const actual of languages) {
    const isRelative = relatives.some(pair => pair.includes(expected) && pair.includes(actual));
    const score = check({ text: prose[actual]!.join(' ') });
    if (actual === expected) expect(score, actual).toBe(1);
    else if (!isRelative) expect(score, actual).toBe(0);
  }
});

test.each(['Paris', 'const a = [1, 2].map(x => x * 2);', '{"text": "Das ist der Text."}', '42', '✓'])(
  'the language of %s cannot be told',
  text => expect(createLanguageCheck('fr')({ text })).toBeUndefined(),
);

test('an answer far faster than as many tokens take is found once there is something to compare', () => {
  const check = createTooFastCheck();
  const usual = (index: number) => ({ text: '', tokens: 300, seconds: 3 * (1 + 0.5 * Math.sin(index)) });
  for (let index = 0; index < answersToLearn; index++) expect(check(usual(index))).toBeUndefined();
  expect(check(usual(0))).toBe(1);
  expect(check({ text: '', tokens: 2, seconds: 0.01 })).toBeUndefined();
  for (let index = 0; index < 1_000; index++) expect(check({ text: '', tokens: 300, seconds: 0.01 })).toBe(0);
  expect(check(usual(1))).toBe(1);
  expect(check({ text: '', tokens: Number.NaN, seconds: 1 })).toBeUndefined();
  expect(check({ text: '', tokens: 300, seconds: 0 })).toBeUndefined();
});

test('a model that became faster for good is normal again after a while', () => {
  const check = createTooFastCheck();
  for (let index = 0; index < 1_000; index++) check({ text: '', tokens: 64, seconds: 2 + Math.sin(index) });
  const faster = { text: '', tokens: 64, seconds: 0.1 };
  expect(check(faster)).toBe(0);
  let answers = 0;
  while (check(faster) === 0) answers += 1;
  expect(answers).toBeGreaterThan(1_000);
  expect(answers).toBeLessThan(20_000);
});

const ofText: Readonly<Record<string, Check>> = {
  empty: scoreEmpty,
  truncated: prosaic,
  schema: createSchemaCheck(spam),
  refusal: scoreRefusal,
  repetition: scoreRepetition,
  language: createLanguageCheck('en'),
};
const anyText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 2_000 }),
  fc.string({ unit: 'grapheme', maxLength: 2_000 }),
  // Halves of surrogate pairs, as cutting a text leaves them.
  fc.array(fc.integer({ min: 0, max: 0xffff })).map(units => String.fromCharCode(...units)),
  fc.json(),
);

test.each(Object.entries(ofText))('%s gives any text a score from 0 to 1, or none', (_, check) => {
  const isScoreOrNone = (answer: Answer) => {
    const score = check(answer);
    return score === undefined || (score >= 0 && score <= 1);
  };
  fc.assert(
    fc.property(anyText, fc.integer({ min: 1, max: 20 }), (text, rounds) =>
      isScoreOrNone({ text: text.repeat(rounds) }),
    ),
    { numRuns: 300 },
  );
});

/** Texts that would hold a check up if its time were not linear: long runs of what its patterns look for. */
const hostile = [
  ' ',
  'a',
  '`',
  '"',
  '[',
  '```',
  '| ',
  'a b ',
  '\n',
  '.\n',
  'https://',
  'I can',
  '的',
  '\u200B',
];

const sizes = [2 ** 17, 2 ** 20];

test.each(Object.entries(ofText))('%s is done with a megabyte of anything in no time', (_, check) => {
  check({ text: soundAnswers()[0]!.text });
  for (const unit of hostile)
    for (const size of sizes) {
      const begun = process.threadCpuUsage();
      check({ text: unit.repeat(size / unit.length) });
      const { user, system } = process.threadCpuUsage(begun);
      expect((user + system) / 1_000, JSON.stringify(unit)).toBeLessThan(mostMs);
    }
});

/** Of processor time; those whose time is not linear need seconds. */
const mostMs = 100;
