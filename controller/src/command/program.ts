import { Argument, Command } from 'commander';
import type { ServeOptions } from '../config.ts';
import { addActions } from './act.ts';
import type { BacktestArguments } from './backtest.ts';
import { completion, type Shell, shells } from './completion.ts';
import { addLooks } from './look.ts';
import type { ProbeArguments } from './probe.ts';

/** Every command of relayctl. Those of the controller itself load it only when they run. */
export function createProgram(): Command {
  const program = new Command('relayctl')
    .description(
      'Notices when a served model goes bad, moves its route to a good backup, and brings it back once it has proven itself.',
    )
    .exitOverride()
    .helpCommand(false)
    .showHelpAfterError('(relayctl COMMAND --help says more)');
  addController(program.commandsGroup('The controller and its policy:'));
  addPolicies(program);
  addLooks(program.commandsGroup('What routes do:'));
  addActions(program.commandsGroup('What you do to routes:'));
  program
    .commandsGroup('Besides:')
    .command('completion')
    .description('print a script that completes commands in your shell')
    .addArgument(new Argument('<shell>').choices(shells))
    .action((shell: Shell) => console.log(completion(shell, program)));
  return program;
}

function addController(program: Command): void {
  program
    .command('serve')
    .description('run the controller')
    .requiredOption('--policy <file>', 'policy of thresholds and routes')
    .option('--prometheus <url>', 'Prometheus to read (PROMETHEUS_URL, default http://127.0.0.1:9090)')
    .option(
      '--data <folder>',
      'embedded database, used without DATABASE_URL (RELAYCORE_DATA, default .relaycore)',
    )
    .option(
      '--host <address>',
      'address to listen on (HOST, default 127.0.0.1; another one needs RELAYCORE_TOKEN)',
    )
    .option('--port <number>', 'port to listen on (PORT, default 8080; 0 takes a free one)')
    .action(async (options: ServeOptions) => (await import('./serve.ts')).runController(options));
}

function addPolicies(program: Command): void {
  program
    .command('check')
    .description('check a policy; lists every problem with its remedy')
    .argument('<file>', 'policy file')
    .action(async (file: string) => (await import('./policy.ts')).checkPolicy(file));
  program
    .command('compile')
    .description('compile a policy to Prometheus recording and alerting rules')
    .argument('<file>', 'policy file')
    .requiredOption('--out <folder>', 'folder for the rule files')
    .action(async (file: string, options: { out: string }) =>
      (await import('./policy.ts')).compileTo(file, options),
    );
  program
    .command('probe')
    .description('send the golden requests of a model now, from here, and say how each went')
    .argument('<model>', 'model of the policy')
    .requiredOption('--policy <file>', 'policy that has them')
    .option('--json', 'print the outcomes as JSON')
    .action(async (model: string, options: ProbeArguments) =>
      (await import('./probe.ts')).runProbe(model, options),
    );
  program
    .command('backtest')
    .description('replay a policy over what Prometheus holds; lists the switches it would have made')
    .requiredOption('--policy <file>', 'policy to try')
    .requiredOption('--from <time>', 'ISO 8601, epoch milliseconds, or a time ago such as 2h')
    .option('--to <time>', 'likewise', 'now')
    .option('--prometheus <url>', 'Prometheus to read (PROMETHEUS_URL, default http://127.0.0.1:9090)')
    .option('--json', 'print the switches with their whole evidence')
    .action(async (options: BacktestArguments) => (await import('./backtest.ts')).runBacktest(options));
}
