"""Teams that end. Teams that exist keep their MAC: see `SealedTable.added_later`."""

from __future__ import annotations

from machtiging.storage.migrations.script import run_script

revision = "0052"
down_revision = "0051"
branch_labels = None
depends_on = None

UP = """
ALTER TABLE team
    ADD COLUMN ended_at timestamptz,
    ADD CONSTRAINT team_times_reachable
        CHECK (ended_at BETWEEN '0001-01-02 00:00:00+00' AND '9999-12-30 00:00:00+00');
CREATE INDEX ix_team_membership_team ON team_membership (team_id);

CREATE FUNCTION team_keeps_its_word() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    -- A row whose key was rotated is sealed anew; nothing else of it changes.
    IF to_jsonb(NEW) - 'mac' = to_jsonb(OLD) - 'mac' THEN
        RETURN NEW;
    END IF;
    IF OLD.ended_at IS NOT NULL OR (NEW.id, NEW.organisation_id) IS DISTINCT FROM (OLD.id, OLD.organisation_id) THEN
        RAISE EXCEPTION 'a team stays in its organisation, and ends once' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER team_keeps_its_word BEFORE UPDATE ON team FOR EACH ROW EXECUTE FUNCTION team_keeps_its_word();

CREATE FUNCTION team_membership_is_in_a_team() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM public.team t WHERE t.id = NEW.team_id AND t.ended_at IS NOT NULL) THEN
        RAISE EXCEPTION 'nobody joins a team that was ended' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER team_membership_is_in_a_team BEFORE INSERT ON team_membership
    FOR EACH ROW EXECUTE FUNCTION team_membership_is_in_a_team();
"""

DOWN = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM team WHERE ended_at IS NOT NULL) THEN
        RAISE EXCEPTION 'the older schema cannot hold a team that was ended';
    END IF;
END $$;
DROP TRIGGER team_membership_is_in_a_team ON team_membership;
DROP FUNCTION team_membership_is_in_a_team;
DROP TRIGGER team_keeps_its_word ON team;
DROP FUNCTION team_keeps_its_word;
DROP INDEX ix_team_membership_team;
ALTER TABLE team DROP CONSTRAINT team_times_reachable, DROP COLUMN ended_at;
"""


def upgrade() -> None:
    """Build."""
    run_script(UP)


def downgrade() -> None:
    """Take it back."""
    run_script(DOWN)
