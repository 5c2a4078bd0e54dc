"""Indexes: the invitations of an organisation by day, and the journal lines about one invitation."""

from __future__ import annotations

from machtiging.storage.migrations.script import run_script

revision = "0057"
down_revision = "0056"
branch_labels = None
depends_on = None

_ACTS = "('medewerker:uitgenodigd', 'medewerker:uitnodiging_ingetrokken')"

UP = f"""
CREATE INDEX ix_invitation_link_day ON invitation_link (organisation_id, invited_at);
CREATE INDEX ix_journal_invitation ON journal (object_id) WHERE object_kind = 'uitnodiging' AND act IN {_ACTS};
CREATE INDEX ix_journal_intake_invitation ON journal_intake (object_id)
    WHERE object_kind = 'uitnodiging' AND act IN {_ACTS};
"""

DOWN = """
DROP INDEX ix_invitation_link_day, ix_journal_invitation, ix_journal_intake_invitation;
"""


def upgrade() -> None:
    """Build."""
    run_script(UP)


def downgrade() -> None:
    """Take it back."""
    run_script(DOWN)
