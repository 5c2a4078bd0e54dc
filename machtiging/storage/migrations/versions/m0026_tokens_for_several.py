"""Access tokens for several machtigingen.

Such a token names no machtiging of its own. Tokens that exist keep their MAC: see `SealedTable.added_later`.
"""

from __future__ import annotations

from machtiging.storage.migrations.script import run_script

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

UP = """
ALTER TABLE issued_token
    ADD COLUMN representation_set jsonb,
    ADD CONSTRAINT token_for_several_is_of_a_person_at_our_api CHECK (representation_set IS NULL OR (
        jsonb_typeof(representation_set) = 'object' AND machtiging_id IS NULL AND person_id IS NOT NULL
        AND grant_id IS NOT NULL AND oin IS NULL AND parent_id IS NULL AND audience = ''));

-- A worker of the version before would issue a token for the own box under such a consent.
CREATE FUNCTION token_names_what_its_consent_names() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF EXISTS (
        SELECT FROM public.oauth_grant g WHERE g.id = NEW.grant_id
            AND (g.authorization_details @? '$[*].clienten' OR g.authorization_details @? '$[*].machtigingen'))
    THEN
        RAISE EXCEPTION 'a token of a consent for several is for several' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER token_names_what_its_consent_names BEFORE INSERT ON issued_token FOR EACH ROW
    WHEN (NEW.grant_id IS NOT NULL AND NEW.machtiging_id IS NULL AND NEW.representation_set IS NULL)
    EXECUTE FUNCTION token_names_what_its_consent_names();
"""

# The version before would take such a token or consent for one for the own box. So they end.
DOWN = """
UPDATE issued_token SET revoked_at = now() WHERE representation_set IS NOT NULL AND revoked_at IS NULL;
UPDATE oauth_grant SET ended_at = now(), end_reason = 'versie_terug'
    WHERE ended_at IS NULL
        AND (authorization_details @? '$[*].clienten' OR authorization_details @? '$[*].machtigingen');
DROP TRIGGER token_names_what_its_consent_names ON issued_token;
DROP FUNCTION token_names_what_its_consent_names();
ALTER TABLE issued_token DROP COLUMN representation_set;
"""


def upgrade() -> None:
    """Build."""
    run_script(UP)


def downgrade() -> None:
    """Take it back."""
    run_script(DOWN)
