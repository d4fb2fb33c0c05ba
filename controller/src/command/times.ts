import { wrongUsage } from './exit.ts';

const unitMs = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** `90m` in milliseconds; undefined when it is no span of time. */
function spanMs(text: string): number | undefined {
  const span = /^(\d+(?:\.\d+)?)([smhd])$/.exec(text);
  return span ? Number(span[1]) * unitMs[span[2] as keyof typeof unitMs] : undefined;
}

/** A time that was: ISO 8601, epoch milliseconds, or a time ago such as `2h`. */
export function instant(option: string, text: string, now: number): number {
  if (text === 'now') return now;
  const ago = spanMs(text);
  if (ago !== undefined) return now - ago;
  const at = /^\d+$/.test(text) ? Number(text) : Date.parse(text);
  if (Number.isFinite(at)) return at;
  throw wrongUsage(
    `${option} ${text} is not a time; give 2026-11-01T12:00:00Z, epoch milliseconds, or a time ago such as 2h`,
  );
}

/** When something ends: after a span of time, or at a time to come. */
export function ending({ for: span, until }: { for?: string; until?: string }, now: number): string {
  if ((span === undefined) === (until === undefined))
    throw wrongUsage('say how long: either --for 2h or --until 2026-11-01T18:00');
  const ms = span === undefined ? undefined : spanMs(span);
  if (span !== undefined && ms === undefined)
    throw wrongUsage(`--for ${span} is not a span of time; give one such as 30m, 2h or 1d`);
  const at = ms === undefined ? Date.parse(until!) : now + ms;
  if (Number.isFinite(at)) return new Date(at).toISOString();
  throw wrongUsage(`--until ${until} is not a time; give one such as 2026-11-01T18:00 or 2026-11-01T18:00Z`);
}

/** `2026-11-01 18:00:05`, by the clock of whoever reads it. */
export function local(time: string | number): string {
  const date = new Date(time);
  const two = (value: number) => String(value).padStart(2, '0');
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join('-');
  return `${day} ${[date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':')}`;
}

/** The same for every time inside a text. */
export const withLocalTimes = (text: string) =>
  text.replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, written => local(written));

/** `54 min`: in the largest unit of which there are two. */
export function span(ms: number): string {
  const rounded = Math.max(0, Math.round(ms / 1000) * 1000);
  const [unit, size] = units.find(([, size]) => rounded >= 2 * size) ?? ['s', 1000];
  return `${Math.floor(rounded / size)} ${unit}`;
}

const units = [
  ['d', unitMs.d],
  ['h', unitMs.h],
  ['min', unitMs.m],
] as const;

export const ago = (time: string, now: number) => `${span(now - Date.parse(time))} ago`;
export const until = (time: string, now: number) => `${local(time)} (in ${span(Date.parse(time) - now)})`;
