import { createNoopMeter, type Meter } from '@opentelemetry/api';
import { type Endpoint, openEndpoint } from './endpoint.ts';
import { createGateway, type Gateway } from './gateway.ts';
import { createInstruments } from './instruments.ts';
import { createModel, type Model, type ModelIdentity } from './model.ts';
import { type InitOptions, resolveOptions, type Settings } from './options.ts';
import { isDisabled, scopeName, startProvider } from './provider.ts';
import { createRejections } from './rejections.ts';
import { createTicketPool } from './tickets.ts';

export type {
  Gateway,
  GatewayAgreement,
  GatewayAttempt,
  GatewayEvent,
  GatewayTarget,
  ObservedRoute,
} from './gateway.ts';
export type { AttemptOutcome, ErrorType, GatewayEventName, RequestOutcome, ScoreSource } from './metrics.ts';
export type { Model, ModelIdentity } from './model.ts';
export type { InitOptions } from './options.ts';
export type { Ticket } from './tickets.ts';

export interface Instrumentation {
  /** The recorder of one model; the same identity gives the same recorder. Throws a TypeError on an empty name. */
  model(identity: ModelIdentity): Model;
  /** The recorder of a gateway. */
  gateway(): Gateway;
  /**
   * Resolves once the metrics page is served, at once if there is none of ours; rejects, saying what to do, if it
   * cannot be. Waiting for it is optional: a server without its metrics page goes on serving.
   */
  readonly ready: Promise<void>;
  /** The page's address; undefined if there is none of ours, and with port 0 until `ready`. */
  readonly endpoint: string | undefined;
  /** Closes the metrics page. Recording afterwards is allowed and goes nowhere. */
  shutdown(): Promise<void>;
}

/**
 * Starts measuring: opens the metrics page, or uses the application's own provider. Throws a TypeError that lists
 * what is wrong with the options; from then on nothing recorded throws into the server or keeps its process alive.
 */
export function init(options: InitOptions = {}): Instrumentation {
  const settings = resolveOptions(options, process.env);
  const { meter, endpoint, shutdown } = openMeter(settings);
  const instruments = createInstruments(meter, settings.latencyThresholdsSeconds);
  const rejections = createRejections(instruments.rejected);
  const tickets = createTicketPool();
  const models = new Map<string, Model>();
  const gateway = createGateway({ meter, instruments, rejections });
  instruments.processStartTime.addCallback(result => result.observe(processStartSeconds));

  return {
    model(identity) {
      const key = keyOf(identity);
      const known = models.get(key);
      if (known !== undefined) return known;
      const owner = models.size;
      const now = { nowMs: () => performance.now(), random: Math.random };
      const model = createModel(identity, { instruments, rejections, tickets, owner, ...now });
      models.set(key, model);
      return model;
    },
    gateway: () => gateway,
    ready: endpoint?.ready ?? Promise.resolve(),
    get endpoint() {
      return endpoint?.url();
    },
    shutdown,
  };
}

interface OpenMeter {
  readonly meter: Meter;
  readonly endpoint: Endpoint | undefined;
  readonly shutdown: () => Promise<void>;
}

function openMeter({ meterProvider, serviceName, host, port }: Settings): OpenMeter {
  if (meterProvider !== undefined) return withoutEndpoint(meterProvider.getMeter(scopeName));
  if (isDisabled(process.env)) return withoutEndpoint(createNoopMeter());
  const provider = startProvider(serviceName);
  const endpoint = openEndpoint({ host, port, renderPage: provider.renderPage });
  let closed: Promise<void> | undefined;
  const close = async () => {
    await endpoint.close();
    await provider.shutdown();
  };
  const shutdown = () => {
    closed ??= close();
    return closed;
  };
  return { meter: provider.meter, endpoint, shutdown };
}

/** The application's provider is the application's to shut down. */
function withoutEndpoint(meter: Meter): OpenMeter {
  return { meter, endpoint: undefined, shutdown: async () => {} };
}

/** Taken once, so that a corrected system clock does not look like a new process. */
const processStartSeconds = performance.timeOrigin / 1000;

function keyOf(identity: ModelIdentity): string {
  const parts = [identity.name, identity.version, identity.operation, identity.provider];
  if (parts.every(part => typeof part === 'string' && part !== '')) return JSON.stringify(parts);
  throw new TypeError(
    `model(${JSON.stringify(identity)}): give name, version, operation and provider, each a text that is not empty`,
  );
}
