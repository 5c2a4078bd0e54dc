"""Find the assignments of a team by an index: who joins gets a link under each."""

from __future__ import annotations

from machtiging.storage.migrations.script import run_script

revision = "0056"
down_revision = "0055"
branch_labels = None
depends_on = None

UP = "CREATE INDEX ix_machtiging_team ON machtiging (team_id, id) WHERE team_id IS NOT NULL;"

DOWN = "DROP INDEX ix_machtiging_team;"


def upgrade() -> None:
    """Build."""
    run_script(UP)


def downgrade() -> None:
    """Take it back."""
    run_script(DOWN)
