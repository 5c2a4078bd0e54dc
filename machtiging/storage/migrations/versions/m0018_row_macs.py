"""A MAC on every row that gives power (docs/decisions/0008). What is not sealed opens nothing.

SQL has no key. What lives for minutes goes here, and people log in again; the rest is sealed by `machtiging migrate`
itself, right after this step and never again.
"""

from __future__ import annotations

from machtiging.storage.migrations.script import run_script

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

TABLES = (
    *("person", "login_session", "login_attempt", "issued_token", "oauth_client", "pushed_request", "oauth_grant"),
    *("authorization_code", "refresh_token", "backchannel_request", "initial_access_token"),
)
UP = """
DELETE FROM issued_token;
DELETE FROM authorization_code;
DELETE FROM pushed_request;
DELETE FROM backchannel_request;
DELETE FROM login_attempt;
-- Idle for so long that the service ends them in the usual way, and tells the apps.
UPDATE login_session SET last_seen_at = created_at - interval '400 days' WHERE ended_at IS NULL;
""" + "".join(f"ALTER TABLE {table} ADD COLUMN mac bytea NOT NULL DEFAULT '';\n" for table in TABLES)

DOWN = "".join(f"ALTER TABLE {table} DROP COLUMN mac;\n" for table in TABLES)


def upgrade() -> None:
    """Build."""
    run_script(UP)


def downgrade() -> None:
    """Take away again."""
    run_script(DOWN)
