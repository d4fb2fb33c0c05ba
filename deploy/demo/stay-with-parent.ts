// Preloaded into the demo's controller: it ends when the demo is gone, however that happened.
process.stdin
  .once('end', () => process.kill(process.pid, 'SIGTERM'))
  .resume()
  .unref?.();
