import { type Request, Router } from 'express';
import type { z } from 'zod';
import type { Action } from '../record/audit.ts';
import type { Asked, HandParts } from './by-hand.ts';
import { freeze, freezeAll, unfreeze, unfreezeAll } from './freeze.ts';
import { approve, reject } from './proposals.ts';
import {
  approveRequest,
  freezeAllRequest,
  freezeRequest,
  handRequest,
  idempotencyKeyOf,
  parseRequest,
  pinRequest,
  rejectRequest,
  switchRequest,
  unfreezeAllRequest,
} from './requests.ts';
import { switchModel } from './switch-model.ts';
import { unpin } from './unpin.ts';

/** Everything that a person can do to routes. */
export function hands(parts: HandParts): Router {
  const router = Router();
  const post = <T extends z.ZodType>(path: string, action: Action, schema: T, handle: Handle<z.output<T>>) =>
    router.post(path, async (request, response) => {
      response.json(await handle(parts, asked(action, request, schema)));
    });
  post('/switch-model', 'switch', switchRequest, switchModel);
  post('/routes/:route/pin', 'pin', pinRequest, switchModel);
  post('/routes/:route/unpin', 'unpin', handRequest, unpin);
  post('/routes/:route/freeze', 'freeze', freezeRequest, freeze);
  post('/routes/:route/unfreeze', 'unfreeze', handRequest, unfreeze);
  post('/freeze', 'freeze', freezeAllRequest, freezeAll);
  post('/unfreeze', 'unfreeze', unfreezeAllRequest, unfreezeAll);
  post('/proposals/:id/approve', 'approve', approveRequest, approve);
  post('/proposals/:id/reject', 'reject', rejectRequest, reject);
  return router;
}

type Handle<Request> = (parts: HandParts, asked: Asked<Request>) => Promise<unknown>;

/** What the path names is part of the request, also for its idempotency key. */
function asked<T extends z.ZodType>(action: Action, request: Request, schema: T): Asked<z.output<T>> {
  return {
    action,
    key: idempotencyKeyOf(request.get('idempotency-key')),
    request: parseRequest(schema, { ...request.body, ...request.params }),
    source: request.get('user-agent')?.startsWith('relayctl/') ? 'relayctl' : 'api',
  };
}
