/*
 * Puts samples of the past into a real Prometheus through its remote write receiver, with their own timestamps. Unlike
 * blocks made of OpenMetrics text it takes staleness markers, which are what a failed scrape leaves behind.
 * Remote Write 1.0: https://prometheus.io/docs/specs/prw/remote_write_spec/
 */

export interface WrittenSeries {
  readonly labels: Readonly<Record<string, string>>;
  /** In order of time. */
  readonly samples: readonly WrittenSample[];
}

export interface WrittenSample {
  /** Epoch milliseconds. */
  readonly at: number;
  readonly value: number | typeof stale;
}

/** The series ended with the scrape before. */
export const stale = Symbol('staleness marker');

const timeoutMs = 30_000;

/** @throws Error with the answer of Prometheus when it refuses; it may have kept a part then */
export async function remoteWrite(url: string, series: readonly WrittenSeries[]): Promise<void> {
  const response = await fetch(`${url}/api/v1/write`, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-protobuf',
      'content-encoding': 'snappy',
      'x-prometheus-remote-write-version': '0.1.0',
    },
    body: new Uint8Array(uncompressed(message(series.map(one => field(1, timeSeries(one)))))),
    signal: AbortSignal.timeout(timeoutMs),
  });
  if (!response.ok)
    throw new Error(
      `Prometheus at ${url} refused ${series.length} series with ${response.status}: ${await response.text()}`,
    );
}

/** Labels are wanted in order of their names. */
function timeSeries({ labels, samples }: WrittenSeries): Buffer {
  const names = Object.keys(labels).sort();
  return message([
    ...names.map(name => field(1, message([text(1, name), text(2, labels[name]!)]))),
    ...samples.map(one => field(2, sample(one))),
  ]);
}

function sample({ at, value }: WrittenSample): Buffer {
  const bytes = Buffer.alloc(9);
  bytes[0] = tag(1, 1);
  if (value === stale) bytes.writeBigUInt64LE(staleBits, 1);
  else bytes.writeDoubleLE(value, 1);
  return message([bytes, Buffer.from([tag(2, 0), ...varint(at)])]);
}

/** The one NaN that means the end of a series; a NaN of JavaScript need not keep its bits. */
const staleBits = 0x7ff0000000000002n;

/* Protocol buffers: https://protobuf.dev/programming-guides/encoding/ */

const message = (fields: readonly Buffer[]) => Buffer.concat(fields);

const text = (number: number, value: string) => field(number, Buffer.from(value));

const field = (number: number, content: Buffer) =>
  Buffer.concat([Buffer.from([tag(number, 2), ...varint(content.length)]), content]);

const tag = (number: number, wireType: number) => (number << 3) | wireType;

function varint(value: number): number[] {
  const bytes: number[] = [];
  let left = value;
  for (; left >= 0x80; left = Math.floor(left / 0x80)) bytes.push((left % 0x80) | 0x80);
  return [...bytes, left];
}

/** The snappy block format, with everything in one literal: https://github.com/google/snappy/blob/main/format_description.txt */
function uncompressed(content: Buffer): Buffer {
  const literal = Buffer.alloc(5);
  literal[0] = 63 << 2;
  literal.writeUInt32LE(content.length - 1, 1);
  return Buffer.concat([Buffer.from(varint(content.length)), literal, content]);
}
