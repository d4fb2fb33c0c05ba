import type { Answer } from './check.ts';

/*
 * What model servers call the reasons to stop: OpenAI's API and those that imitate it (vLLM, TGI, SGLang), Anthropic,
 * Google, Mistral, Cohere. Compared in small letters.
 */

const cutOff: ReadonlySet<string> = new Set([
  'length',
  'max_tokens',
  'max_output_tokens',
  'model_length',
  'model_context_window_exceeded',
]);
const whole: ReadonlySet<string> = new Set([
  'stop',
  'end_turn',
  'stop_sequence',
  'eos',
  'eos_token',
  'complete',
]);
const withheld: ReadonlySet<string> = new Set([
  'content_filter',
  'refusal',
  'safety',
  'recitation',
  'blocklist',
  'prohibited_content',
  'spii',
  'error_toxic',
]);
const tool: ReadonlySet<string> = new Set(['tool_calls', 'tool_call', 'tool_use', 'function_call']);

export type Finish = 'whole' | 'cut_off' | 'withheld' | 'tool' | 'unknown';

export function finishOf({ finishReason }: Answer): Finish {
  const reason = finishReason?.toLowerCase();
  if (reason === undefined) return 'unknown';
  if (cutOff.has(reason)) return 'cut_off';
  if (withheld.has(reason)) return 'withheld';
  if (tool.has(reason)) return 'tool';
  return whole.has(reason) ? 'whole' : 'unknown';
}
