"""Bundles of diensten: each version is published once. Never changed, never deleted."""

from __future__ import annotations

from machtiging.storage.migrations.script import run_script

revision = "0051"
down_revision = "0050"
branch_labels = None
depends_on = None

UP = """
CREATE TABLE bundle_version (
    code text NOT NULL CHECK (code ~ '^[a-z][a-z0-9-]{1,39}$'),
    version integer NOT NULL CHECK (version >= 1),
    name text NOT NULL CHECK (name <> ''),
    diensten text[] NOT NULL CHECK (cardinality(diensten) BETWEEN 1 AND 100),
    published_at timestamptz NOT NULL CHECK (
        published_at BETWEEN '0001-01-02 00:00:00+00' AND '9999-12-30 00:00:00+00'),
    PRIMARY KEY (code, version)
);

CREATE FUNCTION bundle_version_is_append_only() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'bundle_version is append-only' USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON bundle_version
    FOR EACH ROW EXECUTE FUNCTION bundle_version_is_append_only();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON bundle_version
    FOR EACH STATEMENT EXECUTE FUNCTION bundle_version_is_append_only();
GRANT SELECT, INSERT ON bundle_version TO machtiging_service;
"""

DOWN = """
DROP TABLE bundle_version;
DROP FUNCTION bundle_version_is_append_only;
"""


def upgrade() -> None:
    """Build."""
    run_script(UP)


def downgrade() -> None:
    """Take it back."""
    run_script(DOWN)
