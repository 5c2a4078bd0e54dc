"""Find the newest journal line that names a row; seal lines in the order of their INSERT.

Two changes of one row insert their lines in the order in which they held its lock; their instants need not agree.
"""

from __future__ import annotations

from machtiging.storage.migrations.script import run_script

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

UP = """
ALTER TABLE journal_intake ADD COLUMN intake_number bigint GENERATED ALWAYS AS IDENTITY;
CREATE INDEX ix_journal_state ON journal USING gin (jsonb_path_query_array(facts, '$.toestand[*].sleutel'))
    WHERE facts ? 'toestand';
CREATE INDEX ix_journal_rows ON journal (object_kind, object_id) WHERE act IN ('rij:geweigerd', 'rij:verzegeld');
"""

DOWN = """
DROP INDEX ix_journal_rows, ix_journal_state;
ALTER TABLE journal_intake DROP COLUMN intake_number;
"""


def upgrade() -> None:
    """Build."""
    run_script(UP)


def downgrade() -> None:
    """Take away again."""
    run_script(DOWN)
