"""A business gives a machtiging to its own employees: the organisation is then on both sides."""

from __future__ import annotations

from machtiging.storage.migrations.script import run_script

revision = "0050"
down_revision = "0049"
branch_labels = None
depends_on = None

# A person is never the gemachtigde of a machtiging of a professional: an organisation is.
UP = """
ALTER TABLE machtiging DROP CONSTRAINT nobody_is_his_own_gemachtigde,
    ADD CONSTRAINT nobody_is_his_own_gemachtigde CHECK (
        gemachtigde_id <> vertegenwoordigde_id OR capacity = 'professional');
"""
DOWN = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM machtiging WHERE gemachtigde_id = vertegenwoordigde_id) THEN
        RAISE EXCEPTION 'machtigingen of a business for its own employees would be lost';
    END IF;
END $$;
ALTER TABLE machtiging DROP CONSTRAINT nobody_is_his_own_gemachtigde,
    ADD CONSTRAINT nobody_is_his_own_gemachtigde CHECK (gemachtigde_id <> vertegenwoordigde_id);
"""


def upgrade() -> None:
    """Build."""
    run_script(UP)


def downgrade() -> None:
    """Take it back."""
    run_script(DOWN)
