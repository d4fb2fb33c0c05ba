import { createRequire, register as registerOffThread } from 'node:module';
import { sep } from 'node:path';
import { register, supportsSyncHooks } from 'import-in-the-middle/register-hooks.mjs';
import { warn } from './warn.ts';

let isIntercepting = false;

/**
 * Lets hooks see what is imported as an ES module by these names, and nothing else: some packages break when they are
 * intercepted. Once for the process; what is required needs no such thing.
 */
export function interceptImports(names: readonly string[]): void {
  if (isIntercepting || names.length === 0) return;
  isIntercepting = true;
  const include = [...names];
  if (supportsSyncHooks()) register({ include });
  else registerOffThread('import-in-the-middle/hook.mjs', import.meta.url, { data: { include } });
}

/** Warns of packages that were required before anybody could look. Of ES modules Node does not say. */
export function warnOfLoaded(names: readonly string[]): void {
  const loaded = Object.keys(createRequire(import.meta.url).cache);
  for (const name of names) {
    const folder = `${sep}node_modules${sep}${name.replaceAll('/', sep)}${sep}`;
    if (!loaded.some(path => path.includes(folder))) continue;
    warn(
      `${name} was loaded before @neuroweaver/instrumentation, so its calls are not counted. Put ` +
        '--import @neuroweaver/instrumentation/register before every other --import and --require, or wrap its ' +
        'clients with wrap().',
    );
  }
}
