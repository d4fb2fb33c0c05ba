import { describe, expect, it } from 'vitest';
import { messageText, wordsAndLinks } from './words.ts';

describe('what is read of a mail', () => {
  const cases: { name: string; mail: string; says: string }[] = [
    { name: 'subject and body', mail: 'From: a\nSubject: Hi\nTo: b\n\nSee you.', says: 'Hi See you.' },
    { name: 'a subject over two lines', mail: 'Subject: Hi\n there\n\nBody', says: 'Hi there Body' },
    { name: 'no headers', mail: 'Just text', says: 'Just text' },
    { name: 'line ends of the network', mail: 'Subject: Hi\r\n\r\nBody\r\n', says: 'Hi Body' },
    {
      name: 'markup',
      mail: 'Subject: Hi\n\n<b>Buy</b><style>b{}</style><!-- x -->&nbsp;now',
      says: 'Hi Buy now',
    },
    {
      name: 'quoted-printable',
      mail: 'Subject: Hi\nContent-Transfer-Encoding: quoted-printable\n\nlong=\n line=21',
      says: 'Hi long line!',
    },
    { name: 'base64', mail: 'Content-Transfer-Encoding: base64\n\naGVsbG8=', says: 'hello' },
    {
      name: 'text parts only',
      mail: [
        'Subject: Hi\nContent-Type: multipart/mixed; boundary="x"\n',
        '--x\nContent-Type: text/plain\n\nText',
        '--x\nContent-Type: image/png\nContent-Transfer-Encoding: base64\n\naGVsbG8=\n--x--',
      ].join('\n'),
      says: 'Hi Text',
    },
  ];
  it.each(cases)('$name', ({ mail, says }) => {
    expect(messageText(mail).replace(/\s+/g, ' ').trim()).toBe(says);
  });
});

it('finds words, pairs, links and tags', () => {
  const mail = 'Subject: Win\n\n<A href="http://www.Example.com/x?y">Only $99.50</A>';
  expect([...wordsAndLinks(mail)].sort()).toEqual(
    [
      'subject:win',
      'only',
      '$00.00',
      'subject:win only',
      'only $00.00',
      'host:www.example.com',
      'site:example.com',
      'tag:a',
      'tag:/a',
    ].sort(),
  );
});
