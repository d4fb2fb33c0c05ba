import { fileURLToPath } from 'node:url';
import { afterEach, expect, test, vi } from 'vitest';
import { samplesOf, sampleValue } from '../../test/page.ts';
import { type Recording, startRecording } from '../../test/recording.ts';
import { measureGpus } from './gpu.ts';
import { askNvidiaSmi, parseReadings } from './nvidia-smi.ts';

const program = fileURLToPath(new URL('../../test/gpu/nvidia-smi', import.meta.url));
const zeroed = 'GPU-00000000-0000-0000-0000-000000000000';
const h100 = { hw_id: zeroed, hw_name: 'NVIDIA H100 80GB HBM3' };
const mebibyte = 2 ** 20;

afterEach(() => {
  vi.unstubAllEnvs();
});

test.each([
  { file: 'busy.csv', utilization: 1, memoryUsedBytes: 1_011 * mebibyte },
  { file: 'idle.csv', utilization: 0, memoryUsedBytes: 0 },
])('$file, as a real H100 gave it', async ({ file, ...figures }) => {
  vi.stubEnv('GPU_ANSWER', file);
  expect(await askNvidiaSmi(program, 5_000)).toEqual([
    { id: zeroed, name: 'NVIDIA H100 80GB HBM3', memoryTotalBytes: 81_559 * mebibyte, ...figures },
  ]);
});

test('what a GPU does not tell is unknown, and other lines are passed over', () => {
  const readings = parseReadings(
    'GPU-1, Tesla K80, [N/A], [Not Supported], 11441\n\nNo devices were found\n',
  );
  const unknown = { utilization: undefined, memoryUsedBytes: undefined };
  expect(readings).toEqual([
    { id: 'GPU-1', name: 'Tesla K80', ...unknown, memoryTotalBytes: 11_441 * mebibyte },
  ]);
});

test.each([
  { answer: 'bogus.txt', error: /ended with 2: Field "bogus" is not a valid field/ },
  { answer: 'nosuchgpu.txt', error: /ended with 6: No devices were found/ },
])('$answer is an error', async ({ answer, error }) => {
  vi.stubEnv('GPU_ANSWER', answer);
  await expect(askNvidiaSmi(program, 5_000)).rejects.toThrow(error);
});

test('a hanging nvidia-smi is killed at its deadline', async () => {
  vi.stubEnv('GPU_ANSWER', 'hang');
  await expect(askNvidiaSmi(program, 50)).rejects.toThrow(/no answer within 50 ms/);
});

test('a GPU is on the page while nvidia-smi tells of it, and gone when it fails', async () => {
  const recording = startRecording();
  const stop = measureGpus(recording.recorder, { program, periodMs: 10 });
  await vi.waitFor(() => expect(sampleValue(recording.page(), 'hw_gpu_utilization', h100)).toBe(1));
  expect(sampleValue(recording.page(), 'hw_gpu_memory_usage', h100)).toBe(1_011 * mebibyte);
  expect(sampleValue(recording.page(), 'hw_gpu_memory_limit', h100)).toBe(81_559 * mebibyte);
  vi.stubEnv('GPU_ANSWER', 'nosuchgpu.txt');
  await vi.waitFor(() => expect(gpuSamples(recording)).toEqual([]));
  vi.stubEnv('GPU_ANSWER', 'idle.csv');
  await vi.waitFor(() => expect(sampleValue(recording.page(), 'hw_gpu_utilization', h100)).toBe(0));
  stop();
});

test('without nvidia-smi nothing is measured, and nothing is said', async () => {
  const recording = startRecording();
  const stop = measureGpus(recording.recorder, { program: '/nowhere/nvidia-smi', periodMs: 1 });
  await expect(askNvidiaSmi('/nowhere/nvidia-smi', 5_000)).rejects.toThrow('ENOENT');
  expect(gpuSamples(recording)).toEqual([]);
  stop();
});

function gpuSamples(recording: Recording) {
  return samplesOf(recording.page(), 'hw_gpu_utilization');
}
