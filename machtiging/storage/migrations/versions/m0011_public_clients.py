"""Public clients: an index that fits the look-up of the origins from which apps in browsers come."""

from __future__ import annotations

from machtiging.storage.migrations.script import run_script

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

UP = """
CREATE INDEX ix_oauth_client_public ON oauth_client (client_id)
    WHERE state = 'active' AND registration ->> 'token_endpoint_auth_method' = 'none';
"""

DOWN = "DROP INDEX ix_oauth_client_public;"


def upgrade() -> None:
    """Build."""
    run_script(UP)


def downgrade() -> None:
    """Take away again."""
    run_script(DOWN)
