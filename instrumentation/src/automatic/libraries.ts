import type { Library } from './library.ts';
import { onnxruntime } from './onnxruntime.ts';
import { openai } from './openai.ts';
import { transformers } from './transformers.ts';

export const libraryNames = ['openai', 'onnxruntime-node', '@huggingface/transformers'] as const;
export type LibraryName = (typeof libraryNames)[number];

export const libraries: Readonly<Record<LibraryName, Library>> = {
  openai,
  'onnxruntime-node': onnxruntime,
  '@huggingface/transformers': transformers,
};
