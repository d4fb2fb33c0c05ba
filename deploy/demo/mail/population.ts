import type { Group, Mail } from './corpus.ts';

/** The mail that arrives at one time of the story. */
export type PopulationName = 'early' | 'shifted';

/** What arrives: parts with their shares, which sum to 1; within a part every mail is equally likely. */
export type Population = readonly Part[];

interface Part {
  readonly share: number;
  readonly mail: readonly Mail[];
}

/**
 * `early` is the mail that `spam-v1` was made for. `shifted` is the drift: newsletters that look like spam, and some
 * of the later spam.
 */
export function populations(heldBack: readonly Mail[]): Record<PopulationName, Population> {
  const of = (...groups: Group[]) => heldBack.filter(mail => groups.includes(mail.group));
  return {
    early: [{ share: 1, mail: of('easy-ham-1', 'spam-1') }],
    shifted: [
      { share: 0.7, mail: of('hard-ham-1') },
      { share: 0.3, mail: of('spam-2') },
    ],
  };
}

/** One mail of the population; `random` answers numbers in [0, 1). */
export function draw(population: Population, random: () => number): Mail {
  const point = random();
  let reached = 0;
  const part = population.find(({ share }) => {
    reached += share;
    return point < reached;
  });
  const mail = part?.mail[Math.floor(random() * part.mail.length)];
  if (mail === undefined) throw new Error('population: there is no mail to draw from');
  return mail;
}

/** The expected value over the population of something known for each mail. */
export function expectation(population: Population, of: (mail: Mail) => number): number {
  const mean = (mail: readonly Mail[]) => mail.reduce((sum, one) => sum + of(one), 0) / mail.length;
  return population.reduce((sum, { share, mail }) => sum + share * mean(mail), 0);
}
