import type { Command } from 'commander';

export const shells = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof shells)[number];

/** A script that completes the commands of the program and their options, as they are now. */
export function completion(shell: Shell, program: Command): string {
  const commands = program.commands.map(wordsOf);
  switch (shell) {
    case 'bash':
      return bash(commands);
    case 'zsh':
      return zsh(commands);
    case 'fish':
      return fish(commands);
  }
}

interface CommandWords {
  readonly name: string;
  readonly description: string;
  readonly options: readonly {
    readonly flag: string;
    readonly description: string;
    readonly takesValue: boolean;
  }[];
  /** What its first argument may be, when that is known. */
  readonly choices: readonly string[];
}

function wordsOf(command: Command): CommandWords {
  return {
    name: command.name(),
    description: command.description(),
    options: command.options.map(({ long, description, required }) => ({
      flag: long!,
      description,
      takesValue: required,
    })),
    choices: command.registeredArguments[0]?.argChoices ?? [],
  };
}

const named = ({ options, choices }: CommandWords) =>
  [...choices, ...options.map(({ flag }) => flag)].join(' ');

function bash(commands: readonly CommandWords[]): string {
  return `# relayctl completion bash > /etc/bash_completion.d/relayctl, or: source <(relayctl completion bash)
_relayctl() {
  local current="\${COMP_WORDS[COMP_CWORD]}" words=""
  if [ "$COMP_CWORD" -eq 1 ]; then
    words="${commands.map(({ name }) => name).join(' ')}"
  else
    case "\${COMP_WORDS[1]}" in
${commands.map(command => `      ${command.name}) words="${named(command)}" ;;`).join('\n')}
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _relayctl relayctl`;
}

function zsh(commands: readonly CommandWords[]): string {
  const plain = (text: string) => text.replaceAll(/[[\]:\\]/g, '\\$&');
  const specs = ({ options, choices }: CommandWords) => [
    ...options.map(({ flag, description, takesValue }) =>
      quoted(`${flag}[${plain(description)}]${takesValue ? ':value:_default' : ''}`),
    ),
    choices.length > 0 ? quoted(`:choice:(${choices.join(' ')})`) : quoted('*:argument:_default'),
  ];
  return `#compdef relayctl
# relayctl completion zsh > "\${fpath[1]}/_relayctl", or: source <(relayctl completion zsh)
_relayctl() {
  local -a commands
  commands=(
${commands.map(({ name, description }) => `    ${quoted(`${name}:${plain(description)}`)}`).join('\n')}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  shift words
  (( CURRENT-- ))
  case "\${words[1]}" in
${commands.map(command => `    ${command.name}) _arguments ${specs(command).join(' ')} ;;`).join('\n')}
  esac
}
if [ "\${funcstack[1]}" = _relayctl ]; then _relayctl "$@"; else compdef _relayctl relayctl; fi`;
}

function fish(commands: readonly CommandWords[]): string {
  const inCommand = (name: string) => `complete -c relayctl -n '__fish_seen_subcommand_from ${name}'`;
  return [
    '# relayctl completion fish > ~/.config/fish/completions/relayctl.fish, or: relayctl completion fish | source',
    ...commands.map(
      ({ name, description }) =>
        `complete -c relayctl -n __fish_use_subcommand -f -a ${name} -d ${fishQuoted(description)}`,
    ),
    ...commands.flatMap(({ name, options, choices }) => [
      ...options.map(
        ({ flag, description, takesValue }) =>
          `${inCommand(name)} -l ${flag.slice(2)} -d ${fishQuoted(description)}${takesValue ? ' -r' : ''}`,
      ),
      ...(choices.length > 0 ? [`${inCommand(name)} -f -a ${fishQuoted(choices.join(' '))}`] : []),
    ]),
  ].join('\n');
}

const fishQuoted = (text: string) => `'${text.replaceAll(/['\\]/g, '\\$&')}'`;
const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;
