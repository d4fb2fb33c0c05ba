export { compilePolicy, policySchemaFile } from './compile.ts';
export {
  accuracyEvaluation,
  type CounterQuery,
  counterQueries,
  exported,
  freshnessQueries,
  recorded,
} from './expressions.ts';
export { type CounterMeaning, meaningOf } from './meaning.ts';
export {
  type Approval,
  type Detection,
  type DriverConfig,
  type Failback,
  type LoadedPolicy,
  loadPolicy,
  type Mode,
  type Model,
  type Policy,
  type Probe,
  type Route,
} from './policy.ts';
export { formatProblems, type Problem } from './problems.ts';
export { type Profile, profiles } from './profiles/index.ts';
export { duration, syntaxError } from './promql.ts';
export { type Level, levels, type Signal, type SignalLevel, type SignalName } from './signals.ts';
