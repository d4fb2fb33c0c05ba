#!/usr/bin/env node
import { run } from './command/exit.ts';
import { createProgram } from './command/program.ts';

process.exitCode = await run(createProgram(), process.argv);
