"""The journal: lines as they happen, then numbered and chained. Nobody may change or remove one, not even the owner."""

from __future__ import annotations

from machtiging.storage.migrations.script import run_script

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

UP = """
CREATE TABLE journal_intake (
    id uuid PRIMARY KEY,
    occurred_at timestamptz NOT NULL,
    act text NOT NULL CHECK (act <> ''),
    outcome text NOT NULL CHECK (outcome IN ('done', 'allowed', 'refused')),
    reason text NOT NULL CHECK (reason <> ''),
    actor_id uuid,
    capacity text,
    client_id text,
    for_person_id uuid,
    machtiging_id uuid,
    object_kind text,
    object_id text,
    policy_digest text,
    request_id text NOT NULL,
    facts jsonb NOT NULL
);
CREATE INDEX ix_journal_intake_for_person ON journal_intake (for_person_id, occurred_at);

CREATE TABLE journal (
    id uuid PRIMARY KEY,
    occurred_at timestamptz NOT NULL,
    act text NOT NULL,
    outcome text NOT NULL,
    reason text NOT NULL,
    actor_id uuid,
    capacity text,
    client_id text,
    for_person_id uuid,
    machtiging_id uuid,
    object_kind text,
    object_id text,
    policy_digest text,
    request_id text NOT NULL,
    facts jsonb NOT NULL,
    seq bigint NOT NULL UNIQUE CHECK (seq > 0),
    previous_hash bytea NOT NULL CHECK (octet_length(previous_hash) = 32),
    hash bytea NOT NULL CHECK (octet_length(hash) = 32)
);
CREATE INDEX ix_journal_for_person ON journal (for_person_id, occurred_at);
CREATE INDEX ix_journal_machtiging ON journal (machtiging_id, occurred_at);

CREATE TABLE journal_head (
    seq bigint PRIMARY KEY,
    hash bytea NOT NULL CHECK (octet_length(hash) = 32),
    signed_at timestamptz NOT NULL,
    signature text NOT NULL
);

CREATE FUNCTION journal_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the journal is append-only' USING ERRCODE = 'insufficient_privilege';
END $$;

-- A line may leave the intake only when the same line stands in the journal.
CREATE FUNCTION journal_line_moves_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM journal j WHERE j.id = OLD.id AND j.occurred_at = OLD.occurred_at AND j.act = OLD.act
               AND j.outcome = OLD.outcome AND j.reason = OLD.reason AND j.request_id = OLD.request_id
               AND j.actor_id IS NOT DISTINCT FROM OLD.actor_id AND j.capacity IS NOT DISTINCT FROM OLD.capacity
               AND j.client_id IS NOT DISTINCT FROM OLD.client_id
               AND j.for_person_id IS NOT DISTINCT FROM OLD.for_person_id
               AND j.machtiging_id IS NOT DISTINCT FROM OLD.machtiging_id
               AND j.object_kind IS NOT DISTINCT FROM OLD.object_kind
               AND j.object_id IS NOT DISTINCT FROM OLD.object_id
               AND j.policy_digest IS NOT DISTINCT FROM OLD.policy_digest AND j.facts = OLD.facts) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'the journal is append-only' USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON journal
    FOR EACH ROW EXECUTE FUNCTION journal_is_append_only();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON journal
    FOR EACH STATEMENT EXECUTE FUNCTION journal_is_append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON journal_head
    FOR EACH ROW EXECUTE FUNCTION journal_is_append_only();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON journal_head
    FOR EACH STATEMENT EXECUTE FUNCTION journal_is_append_only();
CREATE TRIGGER append_only BEFORE UPDATE ON journal_intake
    FOR EACH ROW EXECUTE FUNCTION journal_is_append_only();
CREATE TRIGGER moves_only BEFORE DELETE ON journal_intake
    FOR EACH ROW EXECUTE FUNCTION journal_line_moves_only();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON journal_intake
    FOR EACH STATEMENT EXECUTE FUNCTION journal_is_append_only();

GRANT SELECT, INSERT ON journal_intake TO machtiging_service;
GRANT SELECT ON journal, journal_head TO machtiging_service;
GRANT SELECT, DELETE ON journal_intake TO machtiging_sealer;
GRANT SELECT, INSERT ON journal, journal_head TO machtiging_sealer;
"""

DOWN = """
DROP TABLE journal_intake, journal, journal_head;
DROP FUNCTION journal_is_append_only, journal_line_moves_only;
"""


def upgrade() -> None:
    """Build."""
    run_script(UP)


def downgrade() -> None:
    """Take away again."""
    run_script(DOWN)
