"""Pseudonyms that agencies got in answers, to find the party when they ask again."""

from __future__ import annotations

from machtiging.storage.migrations.script import run_script

revision = "0058"
down_revision = "0057"
branch_labels = None
depends_on = None

UP = """
CREATE TABLE agency_pseudonym (
    oin text NOT NULL CHECK (oin ~ '^[0-9]{20}$'),
    pseudonym text NOT NULL CHECK (length(pseudonym) BETWEEN 20 AND 100),
    party_id uuid NOT NULL REFERENCES party,
    issued_at timestamptz NOT NULL CHECK (
        issued_at BETWEEN '0001-01-02 00:00:00+00' AND '9999-12-30 00:00:00+00'),
    PRIMARY KEY (oin, pseudonym)
);
CREATE INDEX ix_agency_pseudonym_party_id ON agency_pseudonym (party_id);

GRANT SELECT, INSERT ON agency_pseudonym TO machtiging_service;
"""

DOWN = """
DROP TABLE agency_pseudonym;
"""


def upgrade() -> None:
    """Build."""
    run_script(UP)


def downgrade() -> None:
    """Take it back."""
    run_script(DOWN)
