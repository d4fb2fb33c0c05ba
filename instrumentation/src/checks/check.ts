/** An answer of a model, with what is known of it. */
export interface Answer {
  readonly text: string;
  /** Why the model stopped, as its server says: `stop`, `length`, `tool_calls`, `end_turn`, `MAX_TOKENS`, … */
  readonly finishReason?: string;
  /** Tokens that the model wrote. */
  readonly tokens?: number;
  /** How long the model worked on it. Leave it out where the answer came from a cache. */
  readonly seconds?: number;
  /** The language that this one has to be in, where it differs from that of `model.checks`: `de`, `pt-BR`. */
  readonly language?: string;
}

/** Judges an answer in [0, 1], 1 is good; undefined where it cannot tell. Its time is at most linear in the text. */
export type Check = (answer: Answer) => number | undefined;

/** The names that the scores of the checks carry as `evaluation.name`. */
export const checkNames = [
  'empty',
  'truncated',
  'schema',
  'refusal',
  'repetition',
  'language',
  'too_fast',
] as const;
export type CheckName = (typeof checkNames)[number];
