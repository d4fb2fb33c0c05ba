/** The specification's three tables with what a decision needs besides, and the desired state of the routes. */
export const initial = `
CREATE TABLE relaycore.model_performance_metrics (
  id SERIAL PRIMARY KEY,
  model_id VARCHAR(255) NOT NULL,
  model_version VARCHAR(50) NOT NULL,
  accuracy_score DECIMAL(5,4),
  avg_latency_ms INTEGER,
  success_rate DECIMAL(5,4),
  error_count INTEGER,
  total_requests INTEGER,
  "timestamp" TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
  slow_fraction DECIMAL(5,4),
  verdict VARCHAR(20) NOT NULL,
  assessment JSONB NOT NULL
);
CREATE INDEX model_performance_metrics_by_model ON relaycore.model_performance_metrics (model_id, "timestamp" DESC);
CREATE INDEX model_performance_metrics_by_time ON relaycore.model_performance_metrics ("timestamp");

CREATE TABLE relaycore.performance_alerts (
  id SERIAL PRIMARY KEY,
  alert_type VARCHAR(50) NOT NULL,
  model_id VARCHAR(255),
  severity VARCHAR(20) NOT NULL,
  message TEXT NOT NULL,
  threshold_value DECIMAL(10,4),
  actual_value DECIMAL(10,4),
  resolved BOOLEAN NOT NULL DEFAULT FALSE,
  created_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
  resolved_at TIMESTAMPTZ,
  name VARCHAR(255) NOT NULL,
  route VARCHAR(255),
  signal VARCHAR(50),
  fingerprint VARCHAR(64) NOT NULL,
  starts_at TIMESTAMPTZ NOT NULL,
  labels JSONB NOT NULL,
  annotations JSONB NOT NULL,
  UNIQUE (fingerprint, starts_at)
);
CREATE INDEX performance_alerts_active ON relaycore.performance_alerts (id DESC) WHERE NOT resolved;

CREATE TABLE relaycore.model_switch_events (
  id SERIAL PRIMARY KEY,
  from_model VARCHAR(255) NOT NULL,
  to_model VARCHAR(255) NOT NULL,
  reason VARCHAR(255) NOT NULL,
  performance_score DECIMAL(5,4),
  switch_timestamp TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
  rollback_timestamp TIMESTAMPTZ,
  route VARCHAR(255) NOT NULL,
  generation INTEGER NOT NULL,
  kind VARCHAR(20) NOT NULL,
  signal VARCHAR(50),
  actor VARCHAR(255) NOT NULL,
  weights JSONB NOT NULL,
  decision JSONB NOT NULL,
  outcome VARCHAR(20) NOT NULL DEFAULT 'pending',
  outcome_detail TEXT,
  applied_at TIMESTAMPTZ,
  UNIQUE (route, generation)
);
CREATE INDEX model_switch_events_pending ON relaycore.model_switch_events (route, generation) WHERE outcome = 'pending';

CREATE TABLE relaycore.route_states (
  route VARCHAR(255) PRIMARY KEY,
  generation INTEGER NOT NULL,
  weights JSONB NOT NULL,
  phase JSONB NOT NULL,
  backoff JSONB NOT NULL,
  override JSONB,
  updated_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE relaycore.idempotency_keys (
  key VARCHAR(255) PRIMARY KEY,
  request_digest VARCHAR(64) NOT NULL,
  response JSONB NOT NULL,
  created_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP
);
`;
