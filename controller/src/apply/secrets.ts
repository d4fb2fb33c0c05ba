/** A gateway may repeat in its answer what it was sent; what people read later must not have the secrets in it. */
export function hiding(secrets: readonly string[], text: string): string {
  return secrets
    .filter(secret => secret !== '')
    .reduce((rest, secret) => rest.replaceAll(secret, '***'), text);
}
