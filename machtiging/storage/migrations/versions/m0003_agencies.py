"""The catalogue of agencies and their diensten."""

from __future__ import annotations

from machtiging.storage.migrations.script import run_script

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

UP = """
CREATE TABLE agency (
    oin text PRIMARY KEY CHECK (oin ~ '^[0-9]{20}$'),
    name text NOT NULL CHECK (name <> ''),
    active boolean NOT NULL
);

CREATE TABLE dienst (
    oin text NOT NULL REFERENCES agency,
    code text NOT NULL CHECK (code ~ '^[a-z0-9-]{1,60}$'),
    name text NOT NULL CHECK (name <> ''),
    theme text NOT NULL CHECK (theme <> ''),
    sensitivity text NOT NULL CHECK (sensitivity IN ('gewoon', 'gevoelig', 'vertrouwelijk')),
    PRIMARY KEY (oin, code)
);

GRANT SELECT, INSERT, UPDATE ON agency, dienst TO machtiging_service;
"""

DOWN = """
DROP TABLE dienst, agency;
"""


def upgrade() -> None:
    """Build."""
    run_script(UP)


def downgrade() -> None:
    """Take away again."""
    run_script(DOWN)
