"""A format per journal line: its hash covers the columns of that format, so columns can be added.

Lines of before have format 1. Format 2 adds the organisation for which somebody acted, and the trace-id (W3C Trace
Context) of the request.
"""

from __future__ import annotations

from alembic import context, op
from sqlalchemy import text

from machtiging.kernel.errors import Fault
from machtiging.storage.migrations.script import run_script
from machtiging.storage.migrations.versions import m0016_guarded_triggers

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

_NAME = "journal_line_moves_only"
_SCRIPT_OF_0016 = m0016_guarded_triggers.UP
_FUNCTION_OF_0016 = _SCRIPT_OF_0016[
    _SCRIPT_OF_0016.index(f"CREATE OR REPLACE FUNCTION {_NAME}") : _SCRIPT_OF_0016.index(
        "CREATE OR REPLACE FUNCTION machtiging_keeps_its_word"
    )
]
_LAST_COMPARISON = "j.facts = OLD.facts"
_FUNCTION = _FUNCTION_OF_0016.replace(
    _LAST_COMPARISON,
    f"""{_LAST_COMPARISON} AND j.format = OLD.format
               AND j.on_behalf_of IS NOT DISTINCT FROM OLD.on_behalf_of
               AND j.trace_id IS NOT DISTINCT FROM OLD.trace_id""",
)
# The default is for workers of the version before, during the restart. Their sealer cannot move a line of format 2.
_COLUMNS = """
ALTER TABLE {table}
    ADD COLUMN format smallint NOT NULL DEFAULT 1 CHECK (format > 0),
    ADD COLUMN on_behalf_of uuid,
    ADD COLUMN trace_id text CHECK (octet_length(trace_id) = 32),
    ADD CONSTRAINT {table}_format_columns_check CHECK (format > 1 OR (on_behalf_of IS NULL AND trace_id IS NULL));
"""
TABLES = ("journal_intake", "journal")
UP = "".join(_COLUMNS.format(table=table) for table in TABLES) + _FUNCTION

DOWN = _FUNCTION_OF_0016 + "".join(
    f"ALTER TABLE {table} DROP COLUMN format, DROP COLUMN on_behalf_of, DROP COLUMN trace_id;\n" for table in TABLES
)
_NEWER_LINES = text(
    "SELECT EXISTS (SELECT FROM journal WHERE format > 1) OR EXISTS (SELECT FROM journal_intake WHERE format > 1)"
)


def upgrade() -> None:
    """Build."""
    run_script(UP)


def downgrade() -> None:
    """Take away again. Raises Fault `journaal_nieuwere_vorm`: lines of format 2 would no longer verify.

    A downgrade to base takes the whole journal away, so it may pass.
    """
    if context.get_revision_argument() is not None and op.get_bind().scalar(_NEWER_LINES):
        raise Fault(
            "journaal_nieuwere_vorm", private="the journal has lines of format 2; without its columns they break"
        )
    run_script(DOWN)
