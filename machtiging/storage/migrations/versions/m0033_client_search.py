"""Keyed indexes by which an organisation finds its clients. The end of a machtiging takes its rows away."""

from __future__ import annotations

from machtiging.storage.migrations.script import run_script

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

UP = """
CREATE TABLE client_search_key (
    organisation_id uuid NOT NULL REFERENCES organisation,
    search_key bytea NOT NULL CHECK (octet_length(search_key) = 16),
    machtiging_id uuid NOT NULL REFERENCES machtiging,
    PRIMARY KEY (organisation_id, search_key, machtiging_id)
);
CREATE INDEX ix_client_search_key_machtiging_id ON client_search_key (machtiging_id);
CREATE INDEX ix_agreement_ends_at ON agreement (ends_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON client_search_key TO machtiging_service;

CREATE FUNCTION machtiging_leaves_the_search() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    DELETE FROM public.client_search_key WHERE machtiging_id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER machtiging_leaves_the_search AFTER UPDATE OF state ON machtiging
    FOR EACH ROW WHEN (NEW.state = 'ended') EXECUTE FUNCTION machtiging_leaves_the_search();
"""

DOWN = """
DROP TRIGGER machtiging_leaves_the_search ON machtiging;
DROP FUNCTION machtiging_leaves_the_search();
DROP INDEX ix_agreement_ends_at;
DROP TABLE client_search_key;
"""


def upgrade() -> None:
    """Build."""
    run_script(UP)


def downgrade() -> None:
    """Take it back."""
    run_script(DOWN)
