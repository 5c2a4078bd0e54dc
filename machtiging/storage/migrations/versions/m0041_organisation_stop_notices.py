"""Of which decision about an organisation its clients were told. Each once."""

from __future__ import annotations

from machtiging.storage.migrations.script import run_script

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None

UP = """
CREATE TABLE organisation_stop_notice (
    machtiging_id uuid NOT NULL REFERENCES machtiging,
    recognition_number integer NOT NULL,
    told_at timestamptz NOT NULL CHECK (
        told_at BETWEEN '0001-01-02 00:00:00+00' AND '9999-12-30 00:00:00+00'),
    PRIMARY KEY (machtiging_id, recognition_number)
);
GRANT SELECT, INSERT ON organisation_stop_notice TO machtiging_service;
"""

DOWN = """
DROP TABLE organisation_stop_notice;
"""


def upgrade() -> None:
    """Build."""
    run_script(UP)


def downgrade() -> None:
    """Take it back."""
    run_script(DOWN)
