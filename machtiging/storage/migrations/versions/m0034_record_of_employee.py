"""The lines of an employee in the journal have an index. It holds only what was done for an organisation."""

from __future__ import annotations

from machtiging.storage.migrations.script import run_script

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

TABLES = ("journal_intake", "journal")

UP = "".join(
    f"CREATE INDEX ix_{table}_employee ON {table} (actor_id, on_behalf_of, occurred_at) "
    "WHERE on_behalf_of IS NOT NULL AND for_person_id IS NOT NULL;\n"
    for table in TABLES
)
DOWN = "".join(f"DROP INDEX ix_{table}_employee;\n" for table in TABLES)


def upgrade() -> None:
    """Build."""
    run_script(UP)


def downgrade() -> None:
    """Take it back."""
    run_script(DOWN)
