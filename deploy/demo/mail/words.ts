/** What a mail says, without its markup, its transport encoding and its headers but the subject. */
export function messageText(raw: string): string {
  const message = readMessage(raw);
  return `${message.subject}\n${withoutMarkup(message.body)}`;
}

/**
 * The distinct words of subject and body in lower case, pairs of neighbours, the hosts that the mail links to and the
 * tags it is built of. Digits become 0, so that prices and dates are alike.
 */
export function wordsAndLinks(raw: string): Set<string> {
  const message = readMessage(raw);
  const list = wordList(message);
  const found = new Set(list);
  for (let at = 1; at < list.length; at += 1) found.add(`${list[at - 1]} ${list[at]}`);
  for (const [, host] of message.body.matchAll(/https?:\/\/([\w.-]+)/gi)) {
    const name = host!.toLowerCase();
    found.add(`host:${name}`);
    found.add(`site:${name.split('.').slice(-2).join('.')}`);
  }
  for (const [, tag] of message.body.matchAll(/<(\/?[a-z]+\d?)[\s>]/gi))
    found.add(`tag:${tag!.toLowerCase()}`);
  return found;
}

/** More than any honest text; bounds the time that one mail with a huge body takes. */
const longestBody = 100_000;

interface Message {
  readonly subject: string;
  /** The text parts, decoded, with their markup. */
  readonly body: string;
}

interface Part {
  readonly headers: string;
  readonly body: string;
}

function readMessage(raw: string): Message {
  const { headers, body } = splitHeaders(raw);
  return { subject: header(headers, 'subject'), body: readableBody(headers, body.slice(0, longestBody)) };
}

function wordList({ subject, body }: Message): string[] {
  return [...tokens(subject).map(word => `subject:${word}`), ...tokens(withoutMarkup(body))];
}

function tokens(text: string): string[] {
  const found = text.toLowerCase().match(/[a-z][a-z'-]{1,24}|[$£€]?\d[\d.,]*%?|!{2,}/g) ?? [];
  return found.map(word => word.replace(/\d/g, '0'));
}

function splitHeaders(raw: string): Part {
  const end = /\r?\n\r?\n/.exec(raw);
  if (end === null) return { headers: '', body: raw };
  return { headers: raw.slice(0, end.index), body: raw.slice(end.index + end[0].length) };
}

function header(headers: string, name: string): string {
  const found = new RegExp(`^${name}:(.*(?:\\r?\\n[ \\t].*)*)`, 'im').exec(headers);
  return found?.[1]?.trim() ?? '';
}

/** The text parts, decoded; attachments and what follows the last part are left out. A multipart body without its boundary is read as it stands. */
function readableBody(headers: string, body: string): string {
  const boundary = /boundary="?([^";\s]+)/i.exec(header(headers, 'content-type'))?.[1];
  if (boundary === undefined || !body.includes(`--${boundary}`)) return decoded(headers, body);
  return body
    .split(`--${boundary}`)
    .slice(1)
    .filter(part => !part.startsWith('--'))
    .map(part => splitHeaders(part.replace(/^\r?\n/, '')))
    .filter(part => /^(text|multipart|$)/i.test(header(part.headers, 'content-type')))
    .map(part => readableBody(part.headers, part.body))
    .join('\n');
}

function decoded(headers: string, body: string): string {
  const encoding = header(headers, 'content-transfer-encoding').toLowerCase();
  if (encoding === 'base64') return Buffer.from(body, 'base64').toString('latin1');
  if (encoding === 'quoted-printable') return decodeQuotedPrintable(body);
  return body;
}

function decodeQuotedPrintable(body: string): string {
  return body
    .replace(/=\r?\n/g, '')
    .replace(/=([0-9a-f]{2})/gi, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)));
}

function withoutMarkup(text: string): string {
  return text
    .replace(/<(script|style)\b[\s\S]*?<\/\1>/gi, ' ')
    .replace(/<!--[\s\S]*?-->/g, ' ')
    .replace(/<[/!]?[a-z][^>]*>/gi, ' ')
    .replace(/&(nbsp|amp|lt|gt|quot|#\d+);/gi, ' ');
}
