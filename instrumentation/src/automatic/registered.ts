import type { Instrumentation } from '../index.ts';
import type { Settings } from '../options.ts';
import { warn } from './warn.ts';

interface Registered {
  readonly instrumentation: Instrumentation;
  readonly settings: Settings;
}

let registered: Registered | undefined;

/** From now on `init` gives this one, until it is shut down: two pages would fight for a port. */
export function shareRegistered(instrumentation: Instrumentation, settings: Settings): void {
  registered = { instrumentation, settings };
  const shutdown = instrumentation.shutdown;
  instrumentation.shutdown = () => {
    registered = undefined;
    return shutdown();
  };
}

/** What the register entry started; undefined where it did not. */
export function registeredInstrumentation(): Instrumentation | undefined {
  return registered?.instrumentation;
}

/** As before, with a warning that names what the application wants otherwise than the register entry has it. */
export function joinRegistered(wanted: Settings): Instrumentation | undefined {
  if (registered === undefined) return undefined;
  const ignored = differences(wanted, registered.settings);
  if (ignored.length > 0)
    warn(
      `init() has no effect on ${ignored.join(', ')}: --import @neuroweaver/instrumentation/register has started ` +
        'already, and there is one metrics page. Set the variables that it reads, or leave it out.',
    );
  return registered.instrumentation;
}

/** What `init` decides for the application alone. */
const decidedHere = ['globalProvider'];

function differences(wanted: Settings, have: Settings): string[] {
  const had = new Map<string, unknown>(Object.entries(have));
  return Object.entries(wanted)
    .filter(([name, value]) => !decidedHere.includes(name) && !isSame(value, had.get(name)))
    .map(([name]) => name);
}

/** Providers are compared as they are: what they hold may refer to itself. */
function isSame(left: unknown, right: unknown): boolean {
  return (
    left === right || (isPlain(left) && isPlain(right) && JSON.stringify(left) === JSON.stringify(right))
  );
}

function isPlain(value: unknown): boolean {
  const prototype = typeof value === 'object' && value !== null ? Object.getPrototypeOf(value) : undefined;
  return prototype === Object.prototype || prototype === Array.prototype;
}
