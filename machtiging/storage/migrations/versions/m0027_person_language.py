"""The language of a person, for e-mails. Dutch for everybody until it is chosen."""

from __future__ import annotations

from machtiging.storage.migrations.script import run_script

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

UP = """
ALTER TABLE person
    ADD COLUMN language text NOT NULL DEFAULT 'nl',
    ADD CONSTRAINT person_has_a_language_of_ours CHECK (language IN ('nl', 'en'));
"""

DOWN = """
ALTER TABLE person DROP COLUMN language;
"""


def upgrade() -> None:
    """Build."""
    run_script(UP)


def downgrade() -> None:
    """Take it back."""
    run_script(DOWN)
