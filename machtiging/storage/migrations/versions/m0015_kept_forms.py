"""Forms that were sent when their session was over, kept for an hour for the person in whose session they were made."""

from __future__ import annotations

from machtiging.storage.migrations.script import run_script

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

UP = """
CREATE TABLE kept_form (
    browser_hash bytea NOT NULL CHECK (octet_length(browser_hash) = 32),
    page_hash bytea NOT NULL CHECK (octet_length(page_hash) = 32),
    person_id uuid NOT NULL REFERENCES person,
    sealed bytea NOT NULL CHECK (octet_length(sealed) <= 20000),
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL CHECK (expires_at <= created_at + interval '1 hour'),
    PRIMARY KEY (browser_hash, page_hash)
);
CREATE INDEX ix_kept_form_person_id ON kept_form (person_id);
CREATE INDEX ix_kept_form_expires_at ON kept_form (expires_at);
-- A form names the session in which it was made, also one that has ended.
CREATE INDEX ix_login_session_csrf_token ON login_session (csrf_token);

GRANT SELECT, INSERT, UPDATE, DELETE ON kept_form TO machtiging_service;
"""

DOWN = """
DROP INDEX ix_login_session_csrf_token;
DROP TABLE kept_form;
"""


def upgrade() -> None:
    """Build."""
    run_script(UP)


def downgrade() -> None:
    """Take away again."""
    run_script(DOWN)
