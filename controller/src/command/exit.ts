import { type Command, CommanderError } from 'commander';
import { messageOf } from '../errors.ts';

/** How a command ends, for scripts. */
export const exits = { done: 0, refused: 1, wrongUsage: 2, unreachable: 3 } as const;

/** An end that is no fault of the program: a message with the way out, and the exit code for it. */
export class Ended extends Error {
  readonly exit: (typeof exits)[keyof typeof exits];

  constructor(exit: Ended['exit'], message: string) {
    super(message);
    this.name = 'Ended';
    this.exit = exit;
  }
}

export const wrongUsage = (message: string) => new Ended(exits.wrongUsage, message);

/** Runs the command that the arguments name, and says how it ended. */
export async function run(program: Command, argv: readonly string[]): Promise<number> {
  try {
    await program.parseAsync(argv);
    return exits.done;
  } catch (error) {
    // Commander has said what is wrong; it also ends so after --help.
    if (error instanceof CommanderError) return error.exitCode === 0 ? exits.done : exits.wrongUsage;
    console.error(`relayctl: ${messageOf(error)}`);
    return error instanceof Ended ? error.exit : exits.refused;
  }
}
