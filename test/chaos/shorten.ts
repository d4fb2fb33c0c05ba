import type { Script } from './episodes.ts';
import { type Played, type PlayOptions, play } from './world.ts';

/** Plays are milliseconds, so that even a long list is soon tried through. */
const mostPlays = 150;

/**
 * The shortest list of episodes that still breaks the same invariant: large pieces are left out first, then smaller
 * ones, for as long as something can be left out.
 */
export async function shortest(script: Script, options: PlayOptions = {}): Promise<Played> {
  const wanted = (await play(script, options)).violation?.invariant;
  let { episodes } = script;
  let plays = 0;
  for (let size = Math.ceil(episodes.length / 2); size >= 1; ) {
    let isShorter = false;
    for (let from = 0; from < episodes.length && plays < mostPlays; plays++) {
      const rest = episodes.toSpliced(from, size);
      const { violation } = await play({ ...script, episodes: rest }, options);
      if (violation?.invariant === wanted) {
        episodes = rest;
        isShorter = true;
      } else from += size;
    }
    if (size > 1) size = Math.ceil(size / 2);
    else if (!isShorter || plays >= mostPlays) break;
  }
  return play({ ...script, episodes }, { ...options, withAccount: true });
}
