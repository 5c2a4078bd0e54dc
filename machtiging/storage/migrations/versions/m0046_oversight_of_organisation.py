"""Indexes for the log of an organisation: what its employees did with letters, and all else."""

from __future__ import annotations

from machtiging.storage.migrations.script import run_script

revision = "0046"
down_revision = "0045"
branch_labels = None
depends_on = None

_TABLES = ("journal_intake", "journal")
_KINDS = {"letters": "LIKE", "office": "NOT LIKE"}

UP = "".join(
    f"CREATE INDEX ix_{table}_{name} ON {table} (on_behalf_of, occurred_at, id) "
    f"WHERE on_behalf_of IS NOT NULL AND act {like} 'bericht:%';\n"
    for table in _TABLES
    for name, like in _KINDS.items()
)
DOWN = "".join(f"DROP INDEX ix_{table}_{name};\n" for table in _TABLES for name in _KINDS)


def upgrade() -> None:
    """Build."""
    run_script(UP)


def downgrade() -> None:
    """Take it back."""
    run_script(DOWN)
