"""References of senders in one spelling, so that a letter that is delivered again is recognised."""

from __future__ import annotations

from machtiging.storage.migrations.script import run_script

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

# Where the other spelling already has a letter of its own, both stay as they are.
UP = """
WITH spelled AS (
    SELECT id, afzender_oin, sender_reference AS was,
        btrim(regexp_replace(normalize(sender_reference, NFC), '[\\u00a0\\u2000-\\u200a\\u3000]', ' ', 'g')) AS plain
    FROM bericht
), first_of_each AS (
    SELECT DISTINCT ON (afzender_oin, plain) id, plain, afzender_oin FROM spelled
    WHERE plain <> was AND plain <> '' ORDER BY afzender_oin, plain, id
)
UPDATE bericht SET sender_reference = first_of_each.plain
FROM first_of_each
WHERE bericht.id = first_of_each.id AND NOT EXISTS (
    SELECT FROM bericht other
    WHERE other.afzender_oin = first_of_each.afzender_oin AND other.sender_reference = first_of_each.plain
);
"""

DOWN = """
SELECT 1;
"""


def upgrade() -> None:
    """Build."""
    run_script(UP)


def downgrade() -> None:
    """Take away again: the older spellings are not kept."""
    run_script(DOWN)
