import { timingSafeEqual } from 'node:crypto';
import express, { type ErrorRequestHandler, type Express, type RequestHandler } from 'express';
import type { Logger } from 'pino';
import { noticesOf, webhookPayload } from '../alert/receiver.ts';
import { messageOf, Refusal } from '../errors.ts';
import { keepAlerts, listAlerts } from '../record/alerts.ts';
import { listAudit, verifyAudit } from '../record/audit.ts';
import { listProposals } from '../record/proposals.ts';
import { listSwitchEvents } from '../record/switch-events.ts';
import type { Telemetry } from '../telemetry.ts';
import type { HandParts } from './by-hand.ts';
import { explain } from './explain.ts';
import { hands } from './hands.ts';
import {
  alertsRequest,
  auditRequest,
  explainRequest,
  historyRequest,
  parseRequest,
  proposalsRequest,
} from './requests.ts';
import { alertView, auditView, modelView, proposalView, routeView, switchEventView } from './views.ts';

export interface ApiParts extends HandParts {
  readonly telemetry: Telemetry;
  readonly log: Logger;
  /** Demanded as bearer token when given. */
  readonly token?: string;
}

/** Both performance APIs, the alert receiver, health and metrics. */
export function createApi(parts: ApiParts): Express {
  const app = express();
  app.disable('x-powered-by');
  app.use(express.json({ limit: '1mb' }));
  app.get('/healthz', (_request, response) => void response.json({ status: 'ok' }));
  app.get('/readyz', readiness(parts));
  app.get('/metrics', (request, response) => parts.telemetry.handle(request, response));
  app.use('/api', authorization(parts.token));
  app.use('/api/v1/performance', performance(parts));
  app.post('/api/v1/alerts/alertmanager', receiveAlerts(parts));
  app.use((request, _response) => {
    throw new Refusal(
      404,
      'not_found',
      `there is nothing at ${request.method} ${request.path}`,
      'see the README for the endpoints',
    );
  });
  app.use(problemDetails(parts.log));
  return app;
}

function performance(parts: ApiParts): express.Router {
  const { policy, loop, database, prober, clock } = parts;
  const router = express.Router();
  router.get('/model-status', (_request, response) => {
    const { at, problem, assessments, routes, incident } = loop.status();
    response.json({
      evaluated_at: at === 0 ? null : new Date(at).toISOString(),
      problem: problem ?? null,
      incident: incident
        ? { since: new Date(incident.since).toISOString(), models: [...incident.models] }
        : null,
      routes: Object.keys(policy.routes).map(name => routeView(policy, name, routes.get(name), clock.now())),
      models: [...assessments.values()].map(assessment =>
        modelView(assessment, prober.results().get(assessment.model)),
      ),
    });
  });
  router.get('/switch-history', async (request, response) => {
    const filter = parseRequest(historyRequest, request.query);
    const events = await listSwitchEvents(database, defined(filter));
    response.json({ events: events.map(switchEventView), next_before: nextPage(events, filter.limit) });
  });
  router.get('/alerts', async (request, response) => {
    const filter = parseRequest(alertsRequest, request.query);
    const alerts = await listAlerts(database, defined(filter));
    response.json({ alerts: alerts.map(alertView), next_before: nextPage(alerts, filter.limit) });
  });
  router.use(hands(parts));
  router.use(reviews(parts));
  return router;
}

/** What was decided, what waits for a person, and what people did. */
function reviews(parts: ApiParts): express.Router {
  const { database } = parts;
  const router = express.Router();
  router.get('/routes/:route/explain', async (request, response) => {
    const asked = parseRequest(explainRequest, { ...request.query, ...request.params });
    response.json(await explain(parts, asked));
  });
  router.get('/proposals', async (request, response) => {
    const filter = parseRequest(proposalsRequest, request.query);
    const proposals = await listProposals(database, defined(filter));
    response.json({ proposals: proposals.map(proposalView), next_before: nextPage(proposals, filter.limit) });
  });
  router.get('/audit', async (request, response) => {
    const filter = parseRequest(auditRequest, request.query);
    const entries = await listAudit(database, defined(filter));
    response.json({ entries: entries.map(auditView), next_before: nextPage(entries, filter.limit) });
  });
  router.get('/audit/verify', async (_request, response) => {
    const { entries, head, broken } = await verifyAudit(database);
    response.json({ intact: broken === undefined, entries, head: head ?? null, broken: broken ?? null });
  });
  return router;
}

function receiveAlerts({ database, clock, log }: ApiParts): RequestHandler {
  return async (request, response) => {
    const notices = noticesOf(parseRequest(webhookPayload, request.body));
    await keepAlerts(database, notices, clock.now());
    if (notices.length > 0)
      log.info(
        { alerts: notices.map(({ name, model, route }) => ({ name, model, route })) },
        'alerts received',
      );
    response.json({ kept: notices.length });
  };
}

/** Ready when models were assessed within the last few ticks and the database answers. */
function readiness({ policy, loop, database, clock }: ApiParts): RequestHandler {
  return async (_request, response) => {
    const { at, problem } = loop.status();
    const databaseProblem = await database.query('SELECT 1').then(
      () => undefined,
      error => `the database does not answer: ${messageOf(error)}`,
    );
    const late = clock.now() - at > policy.detection.ingestionLagMs + 5 * policy.detection.tickMs + 5000;
    const problems = [
      problem,
      databaseProblem,
      !problem && late ? 'the last assessment is too long ago' : undefined,
    ].filter(Boolean);
    response.status(problems.length === 0 ? 200 : 503).json({ ready: problems.length === 0, problems });
  };
}

function authorization(token: string | undefined): RequestHandler {
  return (request, _response, next) => {
    if (token === undefined || sameSecret(request.get('authorization') ?? '', `Bearer ${token}`))
      return next();
    throw new Refusal(
      401,
      'unauthorized',
      'a valid bearer token is needed',
      'send the header "Authorization: Bearer …" with the controller’s token',
    );
  };
}

function sameSecret(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
}

/** RFC 9457: every error says what was wrong and what to do. */
function problemDetails(log: Logger): ErrorRequestHandler {
  return (error, request, response, _next) => {
    const refusal = error instanceof Refusal ? error : refusalOf(error);
    if (refusal.status >= 500) log.error({ path: request.path, error: messageOf(error) }, 'request failed');
    if (refusal.status === 401) response.set('www-authenticate', 'Bearer');
    response
      .status(refusal.status)
      .type('application/problem+json')
      .json({
        type: `urn:relaycore:problem:${refusal.code}`,
        title: refusal.code.replaceAll('_', ' '),
        status: refusal.status,
        detail: refusal.message,
        remedy: refusal.remedy,
        instance: request.path,
        ...refusal.details,
      });
  };
}

/** Errors that Express and its parsers throw carry a status; anything else is a fault of ours. */
function refusalOf(error: unknown): Refusal {
  const status = (error as { status?: unknown })?.status;
  if (status === 413)
    return new Refusal(
      413,
      'too_large',
      'the body is too large',
      'send at most 1 MB; split it if it is a list',
    );
  if (typeof status === 'number' && status >= 400 && status < 500)
    return new Refusal(
      status,
      'bad_request',
      messageOf(error),
      'send a JSON body with content-type application/json',
    );
  return new Refusal(
    500,
    'internal_error',
    'the controller could not do this',
    'see its log; if it stays, report it with the log',
  );
}

const nextPage = (rows: readonly { readonly id: number }[], limit: number) =>
  rows.length < limit ? null : rows.at(-1)!.id;

/** Without the keys that are undefined, as `exactOptionalPropertyTypes` wants them. */
function defined<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}
