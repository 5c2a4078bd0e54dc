"""Filters that an employee saved under a name. Encrypted with the data key of the organisation."""

from __future__ import annotations

from machtiging.storage.migrations.script import run_script

revision = "0055"
down_revision = "0052"
branch_labels = None
depends_on = None

UP = """
CREATE TABLE saved_filter (
    id uuid PRIMARY KEY,
    organisation_id uuid NOT NULL REFERENCES organisation,
    person_id uuid NOT NULL REFERENCES person,
    sealed bytea NOT NULL CHECK (octet_length(sealed) <= 2000),
    saved_at timestamptz NOT NULL CHECK (
        saved_at BETWEEN '0001-01-02 00:00:00+00' AND '9999-12-30 00:00:00+00')
);
CREATE INDEX ix_saved_filter_person_id ON saved_filter (person_id, organisation_id);

GRANT SELECT, INSERT, DELETE ON saved_filter TO machtiging_service;
"""

DOWN = """
DROP TABLE saved_filter;
"""


def upgrade() -> None:
    """Build."""
    run_script(UP)


def downgrade() -> None:
    """Take it back."""
    run_script(DOWN)
