import { createRequire } from 'node:module';
import type { Check } from './check.ts';

/** A JSON Schema: draft 2020-12, or draft 7 where its `$schema` says so. */
export type JsonSchema = Readonly<Record<string, unknown>> | boolean;

/**
 * 0 for an answer that is not JSON, or not the JSON that the schema asks for. A fence of Markdown around it is none of
 * its business. Throws an Error that says what is wrong with the schema.
 */
export function createSchemaCheck(schema: JsonSchema): Check {
  const isValid = compile(schema);
  return ({ text }) => {
    // Longer ones would hold up the event loop for as long as they take to parse.
    if (text.length > maximumLength) return undefined;
    try {
      return isValid(JSON.parse(withoutFence(text))) ? 1 : 0;
    } catch (error) {
      if (error instanceof SyntaxError) return 0;
      throw error;
    }
  };
}

const maximumLength = 131_072;

function withoutFence(text: string): string {
  const trimmed = text.trim();
  if (!trimmed.startsWith('```') || !trimmed.endsWith('```')) return trimmed;
  const firstLineEnd = trimmed.indexOf('\n');
  return firstLineEnd === -1 ? trimmed : trimmed.slice(firstLineEnd, -3);
}

/** Loaded only here: servers whose answers are no JSON start without it, which is 60 ms sooner. */
const require = createRequire(import.meta.url);

function compile(schema: JsonSchema): (value: unknown) => boolean {
  const options = { strict: false, validateFormats: false, logger: false } as const;
  if (isDraft7(schema)) {
    const { Ajv } = require('ajv') as typeof import('ajv');
    return new Ajv(options).compile(schema);
  }
  const { Ajv2020 } = require('ajv/dist/2020.js') as typeof import('ajv/dist/2020.js');
  return new Ajv2020(options).compile(schema);
}

function isDraft7(schema: JsonSchema): boolean {
  return typeof schema === 'object' && String(schema.$schema ?? '').includes('draft-07');
}
