"""Offers to one organisation: it alone can accept, without a code.

Machtigingen that exist keep their MAC: see `SealedTable.added_later`.
"""

from __future__ import annotations

from machtiging.storage.migrations.script import run_script

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None

UP = """
ALTER TABLE machtiging ADD COLUMN offered_to uuid REFERENCES organisation,
    ADD CONSTRAINT machtiging_offered_to_is_of_a_root CHECK (offered_to IS NULL OR parent_id IS NULL);
CREATE INDEX ix_machtiging_offered_to ON machtiging (offered_to, offered_at)
    WHERE offered_to IS NOT NULL AND state = 'offered';

CREATE FUNCTION machtiging_goes_to_whom_it_was_offered() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.offered_to IS DISTINCT FROM OLD.offered_to THEN
        RAISE EXCEPTION 'to whom a machtiging was offered does not change' USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.offered_to IS NOT NULL AND NEW.gemachtigde_id IS NOT NULL AND NEW.gemachtigde_id <> NEW.offered_to THEN
        RAISE EXCEPTION 'only the organisation to which it was offered takes a machtiging'
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER goes_to_whom_it_was_offered BEFORE INSERT OR UPDATE ON machtiging
    FOR EACH ROW EXECUTE FUNCTION machtiging_goes_to_whom_it_was_offered();
"""

# An offer to one organisation would become one that nobody can accept: it has no code.
DOWN = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM machtiging WHERE offered_to IS NOT NULL AND state = 'offered') THEN
        RAISE EXCEPTION 'an offer to an organisation is open: the older schema cannot hold it';
    END IF;
END $$;
DROP TRIGGER goes_to_whom_it_was_offered ON machtiging;
DROP FUNCTION machtiging_goes_to_whom_it_was_offered();
DROP INDEX ix_machtiging_offered_to;
ALTER TABLE machtiging DROP COLUMN offered_to;
"""


def upgrade() -> None:
    """Build."""
    run_script(UP)


def downgrade() -> None:
    """Take it back."""
    run_script(DOWN)
