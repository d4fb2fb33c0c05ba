/**
 * Takes secrets out of a text that is shown: a model may answer with the key that it was sent, and an error may quote
 * a header. Also as they stand in JSON and in an address.
 */
export function redactor(secrets: readonly string[]): (text: string) => string {
  const forms = secrets.flatMap(secret => [
    secret,
    JSON.stringify(secret).slice(1, -1),
    encodeURIComponent(secret),
  ]);
  const longestFirst = [...new Set(forms)].filter(Boolean).toSorted((a, b) => b.length - a.length);
  return text => longestFirst.reduce((shown, form) => shown.replaceAll(form, '[secret]'), text);
}
