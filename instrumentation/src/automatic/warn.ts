/** Tells whoever runs the server, on its standard error, once for each text. */
export function warn(text: string): void {
  if (told.has(text)) return;
  told.add(text);
  process.emitWarning(text, 'NeuroweaverWarning');
}

const told = new Set<string>();
