import type { SignalName } from '@relaycore/rules';
import type { Assessment, Counts } from '../types.ts';
import type { Database } from './database.ts';

/** One row a model: what its signals said over the evaluation window. One statement for all models. */
export async function insertMetricSnapshots(
  database: Database,
  assessments: readonly Assessment[],
  at: number,
): Promise<void> {
  if (assessments.length === 0) return;
  const rows = assessments.map(assessment => snapshotOf(assessment, at));
  await database.query(
    `INSERT INTO relaycore.model_performance_metrics
       (model_id, model_version, accuracy_score, slow_fraction, success_rate, error_count, total_requests, verdict, assessment, "timestamp")
     SELECT model_id, model_version, accuracy_score, slow_fraction, success_rate, error_count, total_requests, verdict, assessment, "timestamp"
     FROM jsonb_to_recordset($1::jsonb) AS row (
       model_id text, model_version text, accuracy_score numeric, slow_fraction numeric, success_rate numeric,
       error_count integer, total_requests integer, verdict text, assessment jsonb, "timestamp" timestamptz)`,
    [JSON.stringify(rows)],
  );
}

function snapshotOf(assessment: Assessment, at: number) {
  const success = countsOf(assessment, 'success');
  return {
    model_id: assessment.model,
    model_version: assessment.version ?? '',
    accuracy_score: goodShare(countsOf(assessment, 'accuracy')),
    slow_fraction: badShare(countsOf(assessment, 'latency')),
    success_rate: goodShare(success),
    error_count: Math.round(success.bad),
    total_requests: Math.round(success.requests),
    verdict: assessment.verdict.kind,
    assessment: { verdict: assessment.verdict, signals: assessment.signals },
    timestamp: new Date(at),
  };
}

function countsOf(assessment: Assessment, signal: SignalName): Counts {
  const found = assessment.signals.find(assessed => assessed.signal === signal);
  return found?.levels.critical.counts ?? { requests: 0, bad: 0 };
}

const badShare = ({ requests, bad }: Counts) => (requests > 0 ? bad / requests : null);
const goodShare = ({ requests, bad }: Counts) => (requests > 0 ? Math.max(0, 1 - bad / requests) : null);
