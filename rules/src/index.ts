export { type Balance, balanceQueries, meanLatencyQuery } from './balance.ts';
export { type Served, servedBy } from './by-model.ts';
export { compilePolicy, policySchemaFile } from './compile.ts';
export {
  accuracyEvaluation,
  type CounterQuery,
  counterQueries,
  exported,
  freshnessQueries,
  recorded,
} from './expressions.ts';
export { type Counted, type CounterMeaning, meaningOf, servingModel } from './meaning.ts';
export {
  type Approval,
  type CauseKind,
  type Detection,
  type DriverConfig,
  type Expectation,
  type Failback,
  type FailbackSteps,
  type JsonExpectation,
  type LoadedPolicy,
  loadPolicy,
  type Mode,
  type Model,
  type Policy,
  type Probe,
  type Probing,
  type Route,
} from './policy.ts';
export { formatProblems, type Problem } from './problems.ts';
export { type Profile, profiles } from './profiles/index.ts';
export { duration, syntaxError } from './promql.ts';
export { expressionMatches, longestText } from './regular-expressions.ts';
export { type Resource, type ResourceLevel, type ResourceQuery, resourceQueries } from './resources.ts';
export {
  type BuiltInName,
  builtInNames,
  type Level,
  levels,
  type Signal,
  type SignalLevel,
  type SignalName,
  type SignalSource,
  type Unit,
} from './signals.ts';
export { fillTemplate, isForEachTarget } from './templates.ts';
