import { connect } from 'node:net';
import { text } from 'node:stream/consumers';

/**
 * Sends commands to HAProxy's runtime API over a connection of its own, in one line, so that nothing else comes between
 * them, and gives what HAProxy says to all of them together: an empty line for each change that went well, words for
 * one that did not.
 *
 * @param socket path of the stats socket, or HOST:PORT
 * @throws Error when nobody answers within the signal's deadline; what became of the commands is unknown then
 */
export async function askHaproxy(
  socket: string,
  commands: readonly string[],
  signal: AbortSignal,
): Promise<string> {
  signal.throwIfAborted();
  const connection = connect(addressOf(socket));
  const giveUp = () => connection.destroy(signal.reason);
  signal.addEventListener('abort', giveUp, { once: true });
  try {
    connection.write(`${commands.join('; ')}\n`);
    const answer = await text(connection);
    if (answer !== '') return answer;
    throw new Error('it closed the connection');
  } catch (cause) {
    throw new Error(`no answer from the stats socket of HAProxy at ${socket}`, { cause });
  } finally {
    signal.removeEventListener('abort', giveUp);
    connection.destroy();
  }
}

function addressOf(socket: string) {
  if (socket.startsWith('/')) return { path: socket };
  const at = socket.lastIndexOf(':');
  return { host: socket.slice(0, at).replace(/^\[(.*)\]$/, '$1'), port: Number(socket.slice(at + 1)) };
}
