"""Indexes for the figures and the unusual use of one day. The one on the journal is small: a range for each block."""

from __future__ import annotations

from machtiging.storage.migrations.script import run_script

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None

UP = """
CREATE INDEX ix_journal_occurred_at ON journal USING brin (occurred_at) WITH (autosummarize = on);
CREATE INDEX ix_machtiging_given ON machtiging (id) WHERE parent_id IS NULL;
"""

DOWN = """
DROP INDEX ix_machtiging_given;
DROP INDEX ix_journal_occurred_at;
"""


def upgrade() -> None:
    """Build."""
    run_script(UP)


def downgrade() -> None:
    """Take it back."""
    run_script(DOWN)
