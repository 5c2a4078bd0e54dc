"""The policies that the service decided with, each from the moment that it began. Never changed, never deleted."""

from __future__ import annotations

from machtiging.storage.migrations.script import run_script

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None

UP = """
CREATE TABLE policy_version (
    number integer PRIMARY KEY CHECK (number >= 1),
    digest text NOT NULL CHECK (digest ~ '^[0-9a-f]{64}$'),
    model text NOT NULL CHECK (model <> ''),
    rows jsonb NOT NULL CHECK (jsonb_typeof(rows) = 'object' AND rows <> '{}'),
    started_at timestamptz NOT NULL CHECK (
        started_at BETWEEN '0001-01-02 00:00:00+00' AND '9999-12-30 00:00:00+00')
);

CREATE FUNCTION policy_version_is_append_only() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'policy_version is append-only' USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON policy_version
    FOR EACH ROW EXECUTE FUNCTION policy_version_is_append_only();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON policy_version
    FOR EACH STATEMENT EXECUTE FUNCTION policy_version_is_append_only();
GRANT SELECT, INSERT ON policy_version TO machtiging_service;
"""

DOWN = """
DROP TABLE policy_version;
DROP FUNCTION policy_version_is_append_only;
"""


def upgrade() -> None:
    """Build."""
    run_script(UP)


def downgrade() -> None:
    """Take it back."""
    run_script(DOWN)
