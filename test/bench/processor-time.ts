/** Processor time that this thread has used, in milliseconds: what else the machine does is left out. */
export function processorMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}
