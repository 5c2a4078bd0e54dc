"""Heartbeats of the workers."""

from __future__ import annotations

from machtiging.storage.migrations.script import run_script

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

UP = """
CREATE TABLE worker_heartbeat (
    id uuid PRIMARY KEY,
    started_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    problems jsonb NOT NULL
);
GRANT SELECT, INSERT, UPDATE, DELETE ON worker_heartbeat TO machtiging_service;
"""

DOWN = "DROP TABLE worker_heartbeat;"


def upgrade() -> None:
    """Build."""
    run_script(UP)


def downgrade() -> None:
    """Take it back."""
    run_script(DOWN)
