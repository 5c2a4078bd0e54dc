"""Questions to renew: a request of an organisation about a machtiging that it has, in a round."""

from __future__ import annotations

from machtiging.storage.migrations.script import run_script

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None

UP = """
ALTER TABLE machtigingsverzoek
    ADD COLUMN extends_id uuid REFERENCES machtiging,
    ADD COLUMN round_id uuid,
    ADD CONSTRAINT machtigingsverzoek_round_extends CHECK ((extends_id IS NULL) = (round_id IS NULL)),
    ADD CONSTRAINT machtigingsverzoek_grants_what_it_extends CHECK (
        extends_id IS NULL OR machtiging_id IS NULL OR machtiging_id = extends_id);
CREATE UNIQUE INDEX ix_machtigingsverzoek_once_in_a_round ON machtigingsverzoek (round_id, extends_id)
    WHERE round_id IS NOT NULL;
CREATE INDEX ix_machtigingsverzoek_extends ON machtigingsverzoek (extends_id) WHERE extends_id IS NOT NULL;
"""

DOWN = """
DELETE FROM machtigingsverzoek WHERE extends_id IS NOT NULL;
ALTER TABLE machtigingsverzoek DROP COLUMN extends_id, DROP COLUMN round_id;
"""


def upgrade() -> None:
    """Build."""
    run_script(UP)


def downgrade() -> None:
    """Take it back."""
    run_script(DOWN)
