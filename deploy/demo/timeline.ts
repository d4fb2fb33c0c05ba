import type { Summary } from './client-statistics.ts';
import type { ControllerStatus, ModelStatus, RouteStatus } from './watch.ts';

/** The story as it is told in the terminal: a line every few seconds, and one for each event. */
export interface Timeline {
  event(mark: keyof typeof marks, text: string): void;
  state(status: ControllerStatus | undefined, lately: Summary): void;
  note(text: string): void;
}

const marks = { story: '●', bad: '▼', good: '▲', alert: '!', fault: '✗', back: '✓' } as const;
const colours = { story: 36, bad: 31, good: 32, alert: 33, fault: 31, back: 32 } as const;
const barWidth = 16;

export function createTimeline(output: NodeJS.WriteStream): Timeline {
  const begun = Date.now();
  const colour = (code: number, text: string) => (output.isTTY ? `\u001b[${code}m${text}\u001b[0m` : text);
  const clock = () => {
    const seconds = Math.round((Date.now() - begun) / 1000);
    return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`.padStart(5);
  };
  const print = (line: string) => void output.write(`${line}\n`);
  return {
    event: (mark, text) => print(`${clock()}  ${colour(colours[mark], `${marks[mark]} ${text}`)}`),
    state: (status, lately) => print(`${clock()}  ${stateLine(status, lately)}`),
    note: text => print(colour(2, `       ${text}`)),
  };
}

function stateLine(status: ControllerStatus | undefined, lately: Summary): string {
  if (!status) return 'the controller is starting';
  const route = status.routes[0];
  const primary = status.models.find(({ model_id }) => model_id === 'spam-v1');
  return [
    route ? sharesOf(route) : '',
    `accuracy ${percent(lately.accuracy)}`,
    `p99 ${lately.latencyP99Seconds === undefined ? '  –' : String(Math.round(lately.latencyP99Seconds * 1000)).padStart(3)} ms`,
    status.problem ? `unknown: ${shorten(status.problem, 60)}` : evidenceOf(primary),
  ].join('  ');
}

function sharesOf({ weights, phase }: RouteStatus): string {
  const shares = Object.entries(weights).map(
    ([model, weight]) => `${model} ${String(weight / 100).padStart(3)}%`,
  );
  return `${shares.join(' ')}  ${phase.padEnd(11)}`;
}

/** The signal of the primary that is nearest to its critical verdict. */
function evidenceOf(model: ModelStatus | undefined): string {
  if (!model) return '';
  const ranked = model.signals
    .map(({ signal, critical, verdict }) => ({
      signal,
      verdict,
      evidence: critical.evidence_nats,
      threshold: critical.evidence_threshold_nats,
    }))
    .sort((a, b) => b.evidence / b.threshold - a.evidence / a.threshold);
  const top = ranked[0];
  if (!top) return '';
  const filled = Math.min(barWidth, Math.round((top.evidence / top.threshold) * barWidth));
  const bar = '█'.repeat(filled) + '░'.repeat(barWidth - filled);
  return `spam-v1 ${bar} ${top.evidence.toFixed(1).padStart(4)}/${top.threshold.toFixed(1)} nats${filled > 0 ? ` ${top.signal}` : ''}`;
}

const percent = (share: number | undefined) =>
  share === undefined ? '   – ' : `${(100 * share).toFixed(1).padStart(5)}%`;
const shorten = (text: string, length: number) =>
  text.length > length ? `${text.slice(0, length - 1)}…` : text;
