/** A person's hand on a route: freezes, proposals, what was decided over time, and who did what. */
export const hands = `
ALTER TABLE relaycore.route_states ADD COLUMN frozen JSONB;
CREATE INDEX model_switch_events_failovers ON relaycore.model_switch_events (switch_timestamp) WHERE kind = 'failover';

CREATE TABLE relaycore.proposals (
  id SERIAL PRIMARY KEY,
  route VARCHAR(255) NOT NULL,
  generation INTEGER NOT NULL,
  mode VARCHAR(20) NOT NULL,
  kind VARCHAR(20) NOT NULL,
  from_model VARCHAR(255) NOT NULL,
  to_model VARCHAR(255) NOT NULL,
  words TEXT NOT NULL,
  decision JSONB NOT NULL,
  status VARCHAR(20) NOT NULL DEFAULT 'open',
  proposed_at TIMESTAMPTZ NOT NULL,
  expires_at TIMESTAMPTZ,
  closed_at TIMESTAMPTZ,
  actor VARCHAR(255),
  comment TEXT
);
CREATE UNIQUE INDEX proposals_open ON relaycore.proposals (route) WHERE status = 'open';
CREATE INDEX proposals_by_change ON relaycore.proposals (route, kind, from_model, to_model, id DESC);

CREATE TABLE relaycore.route_decisions (
  route VARCHAR(255) NOT NULL,
  begun_at TIMESTAMPTZ NOT NULL,
  until_at TIMESTAMPTZ NOT NULL,
  generation INTEGER NOT NULL,
  serving VARCHAR(255) NOT NULL,
  kind VARCHAR(20) NOT NULL,
  reason VARCHAR(50) NOT NULL,
  target VARCHAR(255),
  first JSONB NOT NULL,
  last JSONB,
  PRIMARY KEY (route, begun_at)
);

CREATE TABLE relaycore.audit_log (
  id SERIAL PRIMARY KEY,
  at TIMESTAMPTZ NOT NULL,
  actor VARCHAR(255) NOT NULL,
  action VARCHAR(20) NOT NULL,
  route VARCHAR(255) NOT NULL,
  reason TEXT NOT NULL,
  generation_before INTEGER NOT NULL,
  generation_after INTEGER NOT NULL,
  idempotency_key VARCHAR(255),
  source VARCHAR(50) NOT NULL,
  detail JSONB NOT NULL,
  previous_hash CHAR(64) NOT NULL,
  hash CHAR(64) NOT NULL
);
CREATE INDEX audit_log_by_route ON relaycore.audit_log (route, id DESC);

CREATE FUNCTION relaycore.refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'relaycore.audit_log is append-only: % is refused', TG_OP;
END $$;
CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON relaycore.audit_log
  FOR EACH STATEMENT EXECUTE FUNCTION relaycore.refuse_audit_change();
`;
