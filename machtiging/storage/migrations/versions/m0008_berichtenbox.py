"""The box: berichten, bijlagen and each reader's own marks."""

from __future__ import annotations

from machtiging.storage.migrations.script import run_script

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

UP = """
CREATE TABLE bericht (
    id uuid PRIMARY KEY,
    ontvanger_id uuid NOT NULL REFERENCES person,
    afzender_oin text NOT NULL,
    dienst_code text NOT NULL,
    theme text NOT NULL,
    sensitivity text NOT NULL CHECK (sensitivity IN ('gewoon', 'gevoelig', 'vertrouwelijk')),
    published_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    sender_reference text NOT NULL CHECK (char_length(sender_reference) BETWEEN 1 AND 255),
    content_hash bytea NOT NULL CHECK (octet_length(content_hash) = 32),
    onderwerp_sealed bytea NOT NULL,
    inhoud_sealed bytea NOT NULL,
    read_at timestamptz,
    folder text CHECK (char_length(folder) <= 128),
    changed_at timestamptz,
    deleted_at timestamptz,
    CONSTRAINT fk_bericht_dienst FOREIGN KEY (afzender_oin, dienst_code) REFERENCES dienst (oin, code),
    CONSTRAINT uq_bericht_same_letter_is_one_letter UNIQUE (afzender_oin, sender_reference)
);
CREATE INDEX ix_bericht_box ON bericht (ontvanger_id, published_at DESC, id DESC) WHERE deleted_at IS NULL;

CREATE TABLE bijlage (
    id uuid PRIMARY KEY,
    bericht_id uuid NOT NULL REFERENCES bericht,
    position integer NOT NULL CHECK (position BETWEEN 1 AND 100),
    naam_sealed bytea NOT NULL,
    mime_type text NOT NULL CHECK (char_length(mime_type) BETWEEN 3 AND 127),
    size bigint NOT NULL CHECK (size BETWEEN 1 AND 26214400),
    sha256 bytea NOT NULL CHECK (octet_length(sha256) = 32),
    parts integer NOT NULL CHECK (parts > 0),
    CONSTRAINT uq_bijlage_position UNIQUE (bericht_id, position)
);
CREATE INDEX ix_bijlage_bericht_id ON bijlage (bericht_id);

CREATE TABLE bijlage_part (
    bijlage_id uuid NOT NULL REFERENCES bijlage,
    number integer NOT NULL CHECK (number >= 0),
    sealed bytea NOT NULL,
    PRIMARY KEY (bijlage_id, number)
);
ALTER TABLE bijlage_part ALTER COLUMN sealed SET STORAGE EXTERNAL;

CREATE TABLE reader_mark (
    bericht_id uuid NOT NULL REFERENCES bericht,
    person_id uuid NOT NULL REFERENCES person,
    first_read_at timestamptz NOT NULL,
    PRIMARY KEY (bericht_id, person_id)
);

GRANT SELECT, INSERT, UPDATE ON bericht TO machtiging_service;
GRANT SELECT, INSERT ON bijlage, bijlage_part, reader_mark TO machtiging_service;
"""

DOWN = """
DROP TABLE reader_mark, bijlage_part, bijlage, bericht;
"""


def upgrade() -> None:
    """Build."""
    run_script(UP)


def downgrade() -> None:
    """Take away again."""
    run_script(DOWN)
