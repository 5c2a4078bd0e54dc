"""Issued access tokens."""

from __future__ import annotations

from machtiging.storage.migrations.script import run_script

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

UP = """
CREATE TABLE issued_token (
    id uuid PRIMARY KEY,
    client_id text NOT NULL,
    grant_id uuid,
    person_id uuid REFERENCES person,
    machtiging_id uuid REFERENCES machtiging,
    oin text CHECK (oin ~ '^[0-9]{20}$'),
    scope text NOT NULL,
    acts text[] NOT NULL,
    assurance text NOT NULL CHECK (assurance IN ('laag', 'substantieel', 'hoog')),
    issued_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL CHECK (expires_at > issued_at),
    revoked_at timestamptz,
    CONSTRAINT token_is_for_somebody CHECK (person_id IS NOT NULL OR oin IS NOT NULL),
    CONSTRAINT machtiging_needs_a_person CHECK (machtiging_id IS NULL OR person_id IS NOT NULL)
);
CREATE INDEX ix_issued_token_client_id ON issued_token (client_id);
CREATE INDEX ix_issued_token_grant_id ON issued_token (grant_id);
CREATE INDEX ix_issued_token_expires_at ON issued_token (expires_at);
CREATE INDEX ix_issued_token_machtiging_id ON issued_token (machtiging_id);

GRANT SELECT, INSERT, UPDATE, DELETE ON issued_token TO machtiging_service;
"""

DOWN = """
DROP TABLE issued_token;
"""


def upgrade() -> None:
    """Build."""
    run_script(UP)


def downgrade() -> None:
    """Take away again."""
    run_script(DOWN)
