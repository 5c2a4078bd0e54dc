"""Machtigingscodes: the check word beside one, and who used it, so that he who hands it in twice is led back."""

from __future__ import annotations

from machtiging.storage.migrations.script import run_script

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

UP = """
ALTER TABLE machtigingscode
    ADD COLUMN used_by uuid REFERENCES person,
    ADD COLUMN word_hash bytea CHECK (octet_length(word_hash) = 32),
    ADD CONSTRAINT code_used_by_somebody_says_when CHECK (used_by IS NULL OR used_at IS NOT NULL);
"""

DOWN = """
ALTER TABLE machtigingscode DROP COLUMN used_by, DROP COLUMN word_hash;
"""


def upgrade() -> None:
    """Build."""
    run_script(UP)


def downgrade() -> None:
    """Take away again."""
    run_script(DOWN)
