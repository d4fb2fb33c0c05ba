import type { HandParts } from '../../controller/src/api/by-hand.ts';
import { freeze, freezeAll, unfreeze, unfreezeAll } from '../../controller/src/api/freeze.ts';
import { approve, reject } from '../../controller/src/api/proposals.ts';
import { switchModel } from '../../controller/src/api/switch-model.ts';
import { unpin } from '../../controller/src/api/unpin.ts';
import type { Episode, PersonEpisode } from './episodes.ts';

/** Does what the API does once it has understood the request. */
export function act(parts: HandParts, episode: PersonEpisode & Episode): Promise<unknown> {
  const { does, route, target, force, key } = episode;
  const signed = { reason: `it is ${does}`, actor: 'ada' };
  const expires_at = new Date(episode.until + 1000).toISOString();
  const asked = <Request>(action: Parameters<typeof switchModel>[1]['action'], request: Request) => ({
    action,
    request,
    key,
    source: 'api',
  });
  switch (does) {
    case 'switch':
      return switchModel(parts, asked('switch', { route, target, force, ...signed }));
    case 'pin':
      return switchModel(parts, asked('pin', { route, target, force, expires_at, ...signed }));
    case 'unpin':
      return unpin(parts, asked('unpin', { route, ...signed }));
    case 'freeze':
      return freeze(parts, asked('freeze', { route, expires_at, ...signed }));
    case 'unfreeze':
      return unfreeze(parts, asked('unfreeze', { route, ...signed }));
    case 'freeze all':
      return freezeAll(parts, asked('freeze', { expires_at, ...signed }));
    case 'unfreeze all':
      return unfreezeAll(parts, asked('unfreeze', signed));
    case 'approve':
    case 'reject':
      return answerProposal(parts, episode);
  }
}

/** The first one that is open, as a person would find it in the list. */
async function answerProposal(parts: HandParts, { does, key }: PersonEpisode): Promise<unknown> {
  const open = [...parts.loop.status().routes.values()].find(({ proposal }) => proposal)?.proposal;
  if (!open) return undefined;
  const request = { id: open.id, actor: 'ada', reason: `it is ${does}` };
  const asked = { key, request, source: 'api' };
  return does === 'approve'
    ? approve(parts, { ...asked, action: 'approve' })
    : reject(parts, { ...asked, action: 'reject' });
}
