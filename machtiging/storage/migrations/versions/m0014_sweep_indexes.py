"""Indexes for what is swept and expired, so that no sweep reads a table that grows."""

from __future__ import annotations

from machtiging.storage.migrations.script import run_script

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

UP = """
CREATE INDEX ix_login_session_over ON login_session (expires_at) WHERE ended_at IS NOT NULL;
-- A session expires by the first of three limits: one index for each, over those that go on.
CREATE INDEX ix_login_session_going_on_since ON login_session (created_at) WHERE ended_at IS NULL;
CREATE INDEX ix_login_session_last_seen ON login_session (last_seen_at) WHERE ended_at IS NULL;
CREATE INDEX ix_login_attempt_expires_at ON login_attempt (expires_at);
CREATE INDEX ix_logout_notice_created_at ON logout_notice (created_at);
-- How many questions a client asked lately.
CREATE INDEX ix_backchannel_request_client_id ON backchannel_request (client_id, created_at);
"""

DOWN = """
DROP INDEX ix_backchannel_request_client_id, ix_logout_notice_created_at, ix_login_attempt_expires_at,
    ix_login_session_last_seen,
    ix_login_session_going_on_since, ix_login_session_over;
"""


def upgrade() -> None:
    """Build."""
    run_script(UP)


def downgrade() -> None:
    """Take away again."""
    run_script(DOWN)
