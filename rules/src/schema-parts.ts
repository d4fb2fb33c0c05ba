import { z } from 'zod';

/** What the schema is put together from. The example is what a refused policy is told as remedy. */

export const fraction = (description: string, example: number) =>
  z
    .number()
    .min(0)
    .max(1)
    .meta({ description, examples: [example] });
export const positive = (description: string, example: number) =>
  z
    .number()
    .positive()
    .meta({ description, examples: [example] });
export const atLeastZero = (description: string, example: number) =>
  z
    .number()
    .min(0)
    .meta({ description, examples: [example] });
export const httpUrl = (description: string) =>
  z.url({ protocol: /^https?$/ }).meta({ description, examples: ['http://127.0.0.1:8080'] });

export const oneOrMore = <T extends z.ZodType>(one: T) => z.union([one, z.array(one).min(1)]);

export const modelName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._:/-]{0,254}$/)
  .meta({ description: 'letters, digits and . _ : / -, at most 255', examples: ['spam-nb'] });
