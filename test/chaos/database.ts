import type { Database, Transaction } from '../../controller/src/record/database.ts';
import type { Random } from '../sim/random.ts';
import type { DatabaseTrouble } from './episodes.ts';
import type { Life } from './life.ts';
import {
  isRead,
  type MemoryTransaction,
  memoryDatabase,
  refuseScript,
  type Tables,
} from './memory-database.ts';

/**
 * A database server that several controllers share. Reads see the last commit; of those who write, one has its turn and
 * the others wait. A connection that ends takes its transaction back, unless the commit was sent already.
 */
export interface FakeDatabase {
  connect(life: Life): Database;
  /** As committed. */
  tables(): Tables;
}

export interface FakeDatabaseParts {
  readonly random: Random;
  readonly troubles: () => readonly { readonly how: DatabaseTrouble; readonly share: number }[];
  readonly onCommit: (before: Tables, after: Tables, life: Life) => void;
  readonly onTrouble: (what: string) => void;
}

/** The controller's deadline of a statement, and how slow a slow one may be. */
const timeoutMs = 5_000;
const slowestMs = 8_000;

/** How one statement fares: what is lost is either the question or the answer. */
interface Fate {
  readonly onWayMs: number;
  readonly fails?: 'before' | 'after';
  readonly why?: string;
}

export function fakeDatabase({ random, troubles, onCommit, onTrouble }: FakeDatabaseParts): FakeDatabase {
  const memory = memoryDatabase();
  let isHeld = false;
  const waiting: (() => void)[] = [];

  function whenFree<T>(work: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const run = () => {
        try {
          resolve(work());
        } catch (error) {
          reject(error);
        }
      };
      if (isHeld) waiting.push(run);
      else run();
    });
  }

  function release(): void {
    isHeld = false;
    while (!isHeld && waiting.length > 0) waiting.shift()!();
  }

  function committing<T>(life: Life, work: () => T): T {
    const before = memory.tables();
    const result = work();
    onCommit(before, memory.tables(), life);
    return result;
  }

  function fate(): Fate {
    const onWayMs = 1 + random() * 4;
    const trouble = troubles().find(({ how, share }) => how === 'is down' || random() < share);
    if (!trouble) return { onWayMs };
    const { how } = trouble;
    if (how === 'is down') return { onWayMs, fails: 'before', why: 'connect ECONNREFUSED' };
    if (how === 'fails before') return { onWayMs, fails: 'before', why: 'the connection was lost' };
    if (how === 'fails after') return { onWayMs, fails: 'after', why: 'the connection was lost' };
    const tookMs = random() * slowestMs;
    if (tookMs <= timeoutMs) return { onWayMs: tookMs };
    return { onWayMs: timeoutMs, fails: random() < 0.5 ? 'before' : 'after', why: 'query timeout' };
  }

  /** One round trip. */
  function ask<T>(
    life: Life,
    what: string,
    effect: () => T | Promise<T>,
    lost: () => void = () => undefined,
  ): Promise<T> {
    const { onWayMs, fails, why } = fate();
    const fail = () => {
      onTrouble(`${what} fails ${fails} it took effect`);
      throw new Error(`the database did not answer: ${why}`);
    };
    return life.ask(async () => {
      if (fails === 'before') {
        lost();
        fail();
      }
      const result = await effect();
      if (fails === 'after') fail();
      return result;
    }, onWayMs);
  }

  /** Takes its turn; gives it back when the controller crashes in between. */
  async function begin(life: Life) {
    let open: MemoryTransaction | undefined;
    let isOver = false;
    const end = () => {
      if (isOver) return;
      isOver = true;
      if (open) release();
    };
    let isSent = false;
    life.onCrash(() => isSent || end());
    await ask(life, 'a begin', () =>
      whenFree(() => {
        if (isOver) return;
        isHeld = true;
        open = memory.begin();
      }),
    ).catch(error => {
      end();
      throw error;
    });
    return {
      query: (sql: string, values?: readonly unknown[]) =>
        ask(life, 'a statement', () => open!.query(sql, values)),
      async commit() {
        const { commit } = open!;
        const effect = () => {
          if (!isOver) committing(life, commit);
          end();
        };
        const answer = ask(life, 'a commit', effect, end);
        // From here on it happens, also when nobody is left to hear of it.
        isSent = life.isAlive();
        await answer;
      },
      end,
    };
  }

  async function inTransaction<T>(life: Life, work: (transaction: Transaction) => Promise<T>): Promise<T> {
    const transaction = await begin(life);
    try {
      const result = await work({
        query: async <Row>(sql: string, values?: readonly unknown[]) =>
          (await transaction.query(sql, values)) as Row[],
        script: refuseScript,
      });
      await transaction.commit();
      return result;
    } catch (error) {
      transaction.end();
      throw error;
    }
  }

  return {
    tables: memory.tables,
    connect: life => ({
      kind: 'postgresql',
      query: async <Row>(sql: string, values?: readonly unknown[]) => {
        const run = () => memory.query(sql, values);
        const rows = isRead(sql)
          ? await ask(life, 'a read', run)
          : await ask(life, 'a write', () => whenFree(() => committing(life, run)));
        return rows as Row[];
      },
      transaction: work => inTransaction(life, work),
      close: async () => undefined,
    }),
  };
}
