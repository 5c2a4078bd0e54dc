"""Notifications that could not be mailed: read in the portal, counted by the operator."""

from __future__ import annotations

from machtiging.storage.migrations.script import run_script

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

UP = """
ALTER TABLE notification
    ADD COLUMN seen_at timestamptz,
    ADD CONSTRAINT seen_is_given_up CHECK (seen_at IS NULL OR given_up_at IS NOT NULL);
CREATE INDEX ix_notification_given_up_at ON notification (given_up_at) WHERE given_up_at IS NOT NULL;
"""

DOWN = """
DROP INDEX ix_notification_given_up_at;
ALTER TABLE notification DROP COLUMN seen_at;
"""


def upgrade() -> None:
    """Build."""
    run_script(UP)


def downgrade() -> None:
    """Take away again."""
    run_script(DOWN)
