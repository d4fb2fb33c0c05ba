import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { cached, entryFolder } from './cache.ts';
import { type Classifier, decode, encode, featuresOf, predict, train } from './classifier.ts';
import { corpusDigest, type Group, groups, loadCorpus, type Mail, split } from './corpus.ts';
import { expectation, type Population, type PopulationName, populations } from './population.ts';

/** How often a model was right about held-back mail, 0 to 1. */
export interface Accuracy {
  readonly groups: Readonly<Record<Group, number>>;
  readonly populations: Readonly<Record<PopulationName, number>>;
}

export interface TrainedModels {
  readonly accuracy: Readonly<Record<ModelName, Accuracy>>;
  /** Held-back mail only: no model has learnt from it. */
  readonly mail: Readonly<Record<PopulationName, Population>>;
  /** False when everything came from the cache. */
  readonly trainedNow: boolean;
}

/**
 * Both models, trained (about 4 s) or taken from the cache, and the held-back mail to ask them about.
 * `onProgress` hears what is being done, in words.
 */
export async function ensureModels(
  cacheFolder: string,
  onProgress: (step: string) => void = () => {},
): Promise<TrainedModels> {
  const { content, madeNow } = await cached({
    ...entryIn(cacheFolder),
    make: folder => makeModels(folder, onProgress),
    read: readEntry,
  });
  return { accuracy: content.accuracy, mail: populations(content.mail), trainedNow: madeNow };
}

/** One trained model from the cache that `ensureModels` filled. */
export async function loadModel(cacheFolder: string, name: string): Promise<Classifier> {
  if (!isModelName(name)) {
    throw new Error(`mail: unknown model "${name}"; known are ${modelNames.join(', ')}`);
  }
  const file = join(entryFolder(entryIn(cacheFolder)), `${name}.model`);
  try {
    return decode(await readFile(file));
  } catch (cause) {
    throw new Error(
      `mail: cannot load ${name} from ${file}; train with: node --conditions=source deploy/demo/mail/train.ts --cache ${cacheFolder}`,
      { cause },
    );
  }
}

/**
 * What each model learns from, and how many ordinary mails one of a group counts as: `spam-v1` is balanced between
 * its two classes, `spam-v2` leans towards the few hard hams.
 */
const groupWeights: Record<'spam-v1' | 'spam-v2', Partial<Record<Group, number>>> = {
  'spam-v1': { 'easy-ham-1': 1, 'spam-1': 5 },
  'spam-v2': { 'easy-ham-1': 1, 'easy-ham-2': 1, 'hard-ham-1': 5, 'spam-1': 1, 'spam-2': 1 },
};

export type ModelName = keyof typeof groupWeights;

export const modelNames: readonly ModelName[] = Object.keys(groupWeights).filter(isModelName);

async function makeModels(folder: string, onProgress: (step: string) => void): Promise<void> {
  onProgress('reading 6,046 e-mails');
  const { training, heldBack } = split(loadCorpus());
  const accuracy: Partial<Record<ModelName, Accuracy>> = {};
  for (const name of modelNames) {
    await nextTurn();
    onProgress(`training ${name}`);
    const classifier = trainModel(groupWeights[name], training);
    accuracy[name] = accuracyOn(heldBack, classifier);
    await writeFile(join(folder, `${name}.model`), encode(classifier));
  }
  const asked = heldBack.filter(mail => mail.group !== 'easy-ham-2');
  await writeFile(join(folder, 'mail.json'), JSON.stringify(asked));
  await writeFile(join(folder, 'accuracy.json'), JSON.stringify(accuracy, null, 2));
}

function trainModel(weights: Partial<Record<Group, number>>, mail: readonly Mail[]): Classifier {
  const examples = mail.flatMap(({ group, spam, text }) => {
    const weight = weights[group];
    return weight === undefined ? [] : [{ features: featuresOf(text), spam, weight }];
  });
  return train(examples, { epochs: 5, seed: 1 });
}

function accuracyOn(heldBack: readonly Mail[], classifier: Classifier): Accuracy {
  const right = new Map(heldBack.map(mail => [mail.id, isRight(classifier, mail) ? 1 : 0]));
  const over = (population: Population) => expectation(population, mail => right.get(mail.id)!);
  const { early, shifted } = populations(heldBack);
  const byGroup = groups.map(group => [
    group,
    over([{ share: 1, mail: heldBack.filter(mail => mail.group === group) }]),
  ]);
  return {
    groups: Object.fromEntries(byGroup) as Record<Group, number>,
    populations: { early: over(early), shifted: over(shifted) },
  };
}

function isRight(classifier: Classifier, { text, spam }: Mail): boolean {
  return predict(classifier, text) > 0.5 === spam;
}

/** Reads all of an entry, so that a damaged model is noticed before a model server needs it. */
async function readEntry(folder: string): Promise<{ mail: Mail[]; accuracy: Record<ModelName, Accuracy> }> {
  for (const name of modelNames) decode(await readFile(join(folder, `${name}.model`)));
  const json = async (file: string) => JSON.parse(await readFile(join(folder, file), 'utf8')) as unknown;
  return {
    mail: (await json('mail.json')) as Mail[],
    accuracy: (await json('accuracy.json')) as Record<ModelName, Accuracy>,
  };
}

function entryIn(cacheFolder: string) {
  return { cacheFolder, name: 'mail', key: madeFrom() };
}

/** A digest of the corpus and of the code in this folder: the models and the held-back mail follow from these. */
function madeFrom(): string {
  const digest = createHash('sha256').update(corpusDigest());
  const sources = readdirSync(import.meta.dirname).filter(file => /(?<!\.test)\.ts$/.test(file));
  for (const file of sources.sort()) digest.update(readFileSync(join(import.meta.dirname, file)));
  return digest.digest('hex').slice(0, 16);
}

function isModelName(name: string): name is ModelName {
  return Object.hasOwn(groupWeights, name);
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { cache: { type: 'string', default: '.cache/demo' } } });
  const { accuracy, trainedNow } = await ensureModels(values.cache, step => console.error(step));
  console.log(JSON.stringify({ trainedNow, accuracy }, null, 2));
}
