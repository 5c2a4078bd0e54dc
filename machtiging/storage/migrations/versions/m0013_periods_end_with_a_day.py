"""The longest machtiging counts calendar years and lasts until the end of its last day."""

from __future__ import annotations

from machtiging.storage.migrations.script import run_script

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

UP = """
ALTER TABLE machtiging
    DROP CONSTRAINT machtiging_has_an_end,
    ADD CONSTRAINT machtiging_has_an_end
        CHECK (ends_at > starts_at AND ends_at <= starts_at + interval '5 years 2 days');
"""

DOWN = """
ALTER TABLE machtiging
    DROP CONSTRAINT machtiging_has_an_end,
    ADD CONSTRAINT machtiging_has_an_end
        CHECK (ends_at > starts_at AND ends_at <= starts_at + interval '5 years') NOT VALID;
"""


def upgrade() -> None:
    """Build."""
    run_script(UP)


def downgrade() -> None:
    """Take away again."""
    run_script(DOWN)
