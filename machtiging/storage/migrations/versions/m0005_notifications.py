"""The outbox."""

from __future__ import annotations

from machtiging.storage.migrations.script import run_script

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

UP = """
CREATE TABLE notification (
    id uuid PRIMARY KEY,
    person_id uuid NOT NULL REFERENCES person,
    kind text NOT NULL CHECK (kind <> ''),
    facts jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    next_try_at timestamptz NOT NULL,
    tries integer NOT NULL CHECK (tries >= 0),
    sent_at timestamptz,
    given_up_at timestamptz,
    last_error text
);
CREATE INDEX ix_notification_person_id ON notification (person_id);
CREATE INDEX ix_notification_waiting ON notification (next_try_at) WHERE sent_at IS NULL AND given_up_at IS NULL;

GRANT SELECT, INSERT, UPDATE ON notification TO machtiging_service;
"""

DOWN = """
DROP TABLE notification;
"""


def upgrade() -> None:
    """Build."""
    run_script(UP)


def downgrade() -> None:
    """Take away again."""
    run_script(DOWN)
