/**
 * Commits one generation after the other to the embedded database in the folder named as argument, until somebody ends
 * the process. Prints the generation that it finds, and then each one once it is committed.
 */
import { openDatabase } from '../../controller/src/record/database.ts';
import { commitChange, insertRouteState, loadRouteStates } from '../../controller/src/record/route-states.ts';
import { eventOf, failedOver, routeState } from './records.ts';

const database = await openDatabase({ kind: 'embedded', folder: process.argv[2]! });
await insertRouteState(database, routeState());
let { generation } = (await loadRouteStates(database)).get('mail-filter')!;
for (; ; generation += 1) {
  process.stdout.write(`${generation}\n`);
  const next = failedOver({ generation: generation + 1 });
  if (!(await commitChange(database, next, eventOf(next))))
    throw new Error(`lost generation ${generation + 1}`);
}
