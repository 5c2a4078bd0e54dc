"""Requests to open a person's record. One auditor or privacy officer asks, another person confirms."""

from __future__ import annotations

from machtiging.storage.migrations.script import run_script

revision = "0045"
down_revision = "0044"
branch_labels = None
depends_on = None

UP = """
CREATE TABLE record_opening (
    id uuid PRIMARY KEY,
    person_id uuid REFERENCES person,
    purpose text NOT NULL CHECK (purpose <> ''),
    case_number text NOT NULL CHECK (case_number ~ '^[A-Z0-9./-]{3,40}$'),
    asked_by uuid NOT NULL REFERENCES person,
    asker_role text NOT NULL CHECK (asker_role IN ('auditor', 'privacyfunctionaris')),
    asked_at timestamptz NOT NULL,
    confirmed_by uuid REFERENCES person,
    confirmer_role text CHECK (confirmer_role IN ('auditor', 'privacyfunctionaris')),
    confirmed_at timestamptz,
    mac bytea NOT NULL DEFAULT '',
    CONSTRAINT record_opening_times_reachable CHECK (
        asked_at BETWEEN '0001-01-02 00:00:00+00' AND '9999-12-30 00:00:00+00'
        AND confirmed_at BETWEEN '0001-01-02 00:00:00+00' AND '9999-12-30 00:00:00+00'),
    CONSTRAINT record_opening_confirmed_as_a_whole CHECK (
        (confirmed_at IS NULL) = (confirmed_by IS NULL) AND (confirmed_at IS NULL) = (confirmer_role IS NULL)),
    CONSTRAINT record_opening_needs_another_login CHECK (confirmed_by <> asked_by),
    CONSTRAINT record_opening_confirmed_for_somebody CHECK (confirmed_at IS NULL OR person_id IS NOT NULL)
);
CREATE INDEX ix_record_opening_asked_at ON record_opening (asked_at);
GRANT SELECT, INSERT ON record_opening TO machtiging_service;
GRANT UPDATE (confirmed_by, confirmer_role, confirmed_at, mac) ON record_opening TO machtiging_service;
"""

DOWN = """
DROP TABLE record_opening;
"""


def upgrade() -> None:
    """Build."""
    run_script(UP)


def downgrade() -> None:
    """Take it back."""
    run_script(DOWN)
