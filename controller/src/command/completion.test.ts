import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { completion, shells } from './completion.ts';
import { createProgram } from './program.ts';

/** What bash offers for a line, as it would after a tab. */
function offered(...words: string[]): string[] {
  const script = `${completion('bash', createProgram())}
COMP_WORDS=(relayctl ${words.map(word => `'${word}'`).join(' ')})
COMP_CWORD=${words.length}
_relayctl
printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr } = spawnSync('bash', ['-c', script], { encoding: 'utf8', timeout: 10_000 });
  expect(stderr).toBe('');
  return stdout.trim().split('\n');
}

test('bash completes commands, options and choices', () => {
  expect(offered('un')).toEqual(['unpin', 'unfreeze']);
  expect(offered('freeze', '--a')).toEqual(['--actor', '--all']);
  expect(offered('completion', '')).toEqual(['bash', 'zsh', 'fish']);
  expect(offered('status', '')).toContain('--json');
  expect(offered('explode', '')).toEqual(['']);
});

test.each(shells)('%s is told every command and option', shell => {
  const program = createProgram();
  const script = completion(shell, program);
  for (const command of program.commands) {
    expect(script).toContain(command.name());
    for (const { long } of command.options)
      expect(script).toContain(shell === 'fish' ? ` -l ${long!.slice(2)} ` : long);
  }
});
