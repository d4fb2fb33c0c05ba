/** Evidence between restarts: one compact row a model. */
export const modelStates = `
CREATE TABLE relaycore.model_states (
  model_id VARCHAR(255) PRIMARY KEY,
  rule_version VARCHAR(50) NOT NULL,
  state JSONB NOT NULL,
  evaluated_at TIMESTAMPTZ NOT NULL
);
`;
