"""Times in rows that give power lie where every reader can hold them.

PostgreSQL knows infinity and years before Christ; the driver gives a time without a zone for the one and an error for
the other, before the MAC of the row can be verified. Such a row would be a fault of ours instead of a forged row, and a
list that it stands in could not be read at all.
"""

from __future__ import annotations

from machtiging.storage.migrations.script import run_script

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

TIMES = {
    "person": ("created_at",),
    "login_session": ("authenticated_at", "created_at", "last_seen_at", "expires_at", "ended_at"),
    "login_attempt": ("created_at", "expires_at"),
    "issued_token": ("issued_at", "expires_at", "revoked_at"),
    "oauth_client": ("created_at", "fetched_at", "fetch_failed_at", "withdrawn_at"),
    "pushed_request": ("created_at", "expires_at", "used_at", "sent_to_login_at"),
    "oauth_grant": ("authenticated_at", "created_at", "ended_at"),
    "authorization_code": ("created_at", "expires_at", "used_at"),
    "refresh_token": ("created_at", "expires_at", "used_at"),
    "backchannel_request": ("created_at", "expires_at", "polled_at"),
    "initial_access_token": ("created_at", "expires_at", "withdrawn_at"),
}
# A day from each end every zone can still show the instant.
_EARLIEST, _LATEST = "0001-01-02 00:00:00+00", "9999-12-30 00:00:00+00"


def _add(table: str, columns: tuple[str, ...]) -> str:
    checks = " AND ".join(f"{column} BETWEEN '{_EARLIEST}' AND '{_LATEST}'" for column in columns)
    return f"ALTER TABLE {table} ADD CONSTRAINT {table}_times_reachable CHECK ({checks});"


UP = "\n".join(_add(table, columns) for table, columns in TIMES.items())
DOWN = "\n".join(f"ALTER TABLE {table} DROP CONSTRAINT {table}_times_reachable;" for table in TIMES)


def upgrade() -> None:
    """Build."""
    run_script(UP)


def downgrade() -> None:
    """Take away again."""
    run_script(DOWN)
