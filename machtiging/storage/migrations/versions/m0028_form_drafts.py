"""Drafts of forms of several pages, and the name that a giver writes for her helper.

Both are encrypted with her data key.
"""

from __future__ import annotations

from machtiging.storage.migrations.script import run_script

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

UP = """
CREATE TABLE form_draft (
    id uuid PRIMARY KEY,
    person_id uuid NOT NULL REFERENCES person,
    sealed bytea NOT NULL CHECK (octet_length(sealed) <= 20000),
    created_at timestamptz NOT NULL,
    saved_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL CHECK (expires_at <= saved_at + interval '4 hours')
);
CREATE INDEX ix_form_draft_person_id ON form_draft (person_id);
CREATE INDEX ix_form_draft_expires_at ON form_draft (expires_at);

CREATE TABLE helper_name (
    machtiging_id uuid PRIMARY KEY REFERENCES machtiging,
    sealed bytea NOT NULL CHECK (octet_length(sealed) <= 1000)
);

GRANT SELECT, INSERT, UPDATE, DELETE ON form_draft TO machtiging_service;
GRANT SELECT, INSERT ON helper_name TO machtiging_service;
"""

DOWN = """
DROP TABLE helper_name;
DROP TABLE form_draft;
"""


def upgrade() -> None:
    """Build."""
    run_script(UP)


def downgrade() -> None:
    """Take away again."""
    run_script(DOWN)
