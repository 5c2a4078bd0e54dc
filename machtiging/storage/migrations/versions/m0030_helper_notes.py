"""Notes of helpers with a letter: "I did this for you".

Encrypted with the data key of the letter's owner. Only taking back changes a row, and nothing deletes one.
"""

from __future__ import annotations

from machtiging.storage.migrations.script import run_script

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

UP = """
CREATE TABLE helper_note (
    id uuid PRIMARY KEY,
    letter_id uuid NOT NULL REFERENCES bericht,
    owner_id uuid NOT NULL REFERENCES party,
    author_id uuid NOT NULL REFERENCES person,
    machtiging_id uuid NOT NULL REFERENCES machtiging,
    written_at timestamptz NOT NULL CHECK (
        written_at BETWEEN '0001-01-02 00:00:00+00' AND '9999-12-30 00:00:00+00'),
    text_sealed bytea NOT NULL CHECK (octet_length(text_sealed) <= 2000),
    retracted_at timestamptz CHECK (
        retracted_at BETWEEN '0001-01-02 00:00:00+00' AND '9999-12-30 00:00:00+00' AND retracted_at >= written_at),
    CHECK (author_id <> owner_id)
);
CREATE INDEX ix_helper_note_letter_id ON helper_note (letter_id);
CREATE INDEX ix_helper_note_machtiging_id ON helper_note (machtiging_id, written_at, id);

GRANT SELECT, INSERT ON helper_note TO machtiging_service;
GRANT UPDATE (retracted_at) ON helper_note TO machtiging_service;
"""

DOWN = """
DROP TABLE helper_note;
"""


def upgrade() -> None:
    """Build."""
    run_script(UP)


def downgrade() -> None:
    """Take away again."""
    run_script(DOWN)
