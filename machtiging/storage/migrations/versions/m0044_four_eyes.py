"""Four eyes on assignments: from which sensitivity an organisation demands a second person, and proposals for less.

Organisations that exist keep their MAC: see `SealedTable.added_later`.
"""

from __future__ import annotations

from machtiging.storage.migrations.script import run_script

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None

_SENSITIVITIES = "('gewoon', 'gevoelig', 'vertrouwelijk')"
_SPAN = "BETWEEN '0001-01-02 00:00:00+00' AND '9999-12-30 00:00:00+00'"
_FUNCTION = """
CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
{body}
END $$;
"""
_APPEND_ONLY = """
    IF TG_OP = 'UPDATE' AND (to_jsonb(NEW) - 'mac') = (to_jsonb(OLD) - 'mac') THEN
        RETURN NEW;
    END IF;
    {confirmation}
    RAISE EXCEPTION 'what is agreed does not change; a change is a new agreement' USING ERRCODE = 'check_violation';
"""
_CONFIRMATION = """
    -- A second person confirms what one person did. Nothing of what is agreed changes.
    IF TG_OP = 'UPDATE' AND OLD.needs_confirmation AND OLD.confirmed_by IS NULL AND NEW.confirmed_by IS NOT NULL
       AND to_jsonb(NEW) - '{mac,confirmed_by}'::text[] = to_jsonb(OLD) - '{mac,confirmed_by}'::text[] THEN
        RETURN NEW;
    END IF;
"""
_ORGANISATION_KEEPS = """
    -- A row whose key was rotated is sealed anew; nothing else of it changes.
    IF to_jsonb(NEW) - 'mac' = to_jsonb(OLD) - 'mac' THEN
        RETURN NEW;
    END IF;
    IF to_jsonb(NEW) - '{mac,name,contact_sealed,ceiling_themes,ceiling_afzenders,ceiling_sensitivity,ceiling_days,
minimum_level,recognition_number,epoch%(column)s}'::text[]
       <> to_jsonb(OLD) - '{mac,name,contact_sealed,ceiling_themes,ceiling_afzenders,ceiling_sensitivity,ceiling_days,
minimum_level,recognition_number,epoch%(column)s}'::text[] THEN
        RAISE EXCEPTION 'the numbers of an organisation do not change' USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.epoch < OLD.epoch OR NEW.epoch = OLD.epoch AND
       (NEW.ceiling_sensitivity, NEW.ceiling_days, NEW.minimum_level) IS DISTINCT FROM
       (OLD.ceiling_sensitivity, OLD.ceiling_days, OLD.minimum_level) OR NEW.epoch = OLD.epoch AND
       (NEW.ceiling_themes IS DISTINCT FROM OLD.ceiling_themes
        OR NEW.ceiling_afzenders IS DISTINCT FROM OLD.ceiling_afzenders
        OR NEW.recognition_number IS DISTINCT FROM OLD.recognition_number) THEN
        RAISE EXCEPTION 'what an organisation may changes with its epoch' USING ERRCODE = 'check_violation';
    END IF;
    %(loosening)s
    IF NEW.recognition_number IS DISTINCT FROM OLD.recognition_number AND NOT EXISTS (
        SELECT FROM public.recognition following LEFT JOIN public.recognition present
            ON present.organisation_id = following.organisation_id AND present.number = OLD.recognition_number
        WHERE following.organisation_id = NEW.id AND following.number = NEW.recognition_number
          AND following.number > coalesce(OLD.recognition_number, 0)
          AND following.confirmed_at IS NOT NULL AND following.dropped_at IS NULL
          AND (coalesce(present.status, ''), following.status) IN (('', 'aangevraagd'), ('aangevraagd', 'erkend'),
              ('aangevraagd', 'geweigerd'), ('erkend', 'opgeschort'), ('opgeschort', 'erkend'),
              ('erkend', 'ingetrokken'), ('opgeschort', 'ingetrokken'))) THEN
        RAISE EXCEPTION 'a recognition goes from aangevraagd to erkend or geweigerd, and is suspended or withdrawn'
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
"""
_LOOSENING = """
    -- Less four eyes needs two people: a proposal that another confirmed in the same act.
    IF coalesce(array_position(ARRAY['gewoon', 'gevoelig', 'vertrouwelijk'], NEW.four_eyes_from), 4)
       > coalesce(array_position(ARRAY['gewoon', 'gevoelig', 'vertrouwelijk'], OLD.four_eyes_from), 4)
       AND NOT EXISTS (
        SELECT FROM public.four_eyes_proposal p WHERE p.organisation_id = NEW.id AND p.is_confirmed
            AND p.four_eyes_from IS NOT DISTINCT FROM NEW.four_eyes_from AND p.decided_at = (
                SELECT max(q.decided_at) FROM public.four_eyes_proposal q WHERE q.organisation_id = NEW.id)) THEN
        RAISE EXCEPTION 'less four eyes needs a second person' USING ERRCODE = 'check_violation';
    END IF;
"""
_PROPOSAL_KEEPS = """
    IF to_jsonb(NEW) - 'mac' <> to_jsonb(OLD) - 'mac' AND (OLD.decided_at IS NOT NULL
       OR to_jsonb(NEW) - '{mac,decided_by,decided_at,is_confirmed}'::text[]
          <> to_jsonb(OLD) - '{mac,decided_by,decided_at,is_confirmed}'::text[]) THEN
        RAISE EXCEPTION 'a proposal is decided once' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
"""


def _define(name: str, body: str) -> str:
    return _FUNCTION.format(name=name, body=body)


UP = f"""
ALTER TABLE organisation ADD COLUMN four_eyes_from text CHECK (four_eyes_from IN {_SENSITIVITIES});

CREATE TABLE four_eyes_proposal (
    id uuid PRIMARY KEY,
    organisation_id uuid NOT NULL REFERENCES organisation,
    four_eyes_from text CHECK (four_eyes_from IN {_SENSITIVITIES}),
    proposed_by uuid NOT NULL,
    proposed_at timestamptz NOT NULL,
    decided_by uuid,
    decided_at timestamptz,
    is_confirmed boolean NOT NULL DEFAULT false,
    mac bytea NOT NULL DEFAULT '',
    CONSTRAINT four_eyes_confirmed_by_another CHECK (NOT is_confirmed OR decided_by <> proposed_by),
    CONSTRAINT four_eyes_confirmed_says_by_whom CHECK (NOT is_confirmed OR (decided_by IS NOT NULL)),
    CONSTRAINT four_eyes_decided_says_when CHECK ((decided_by IS NULL AND NOT is_confirmed) OR decided_at IS NOT NULL),
    CONSTRAINT four_eyes_proposal_times_reachable CHECK (proposed_at {_SPAN} AND decided_at {_SPAN}),
    FOREIGN KEY (proposed_by, organisation_id) REFERENCES employee (id, organisation_id),
    FOREIGN KEY (decided_by, organisation_id) REFERENCES employee (id, organisation_id)
);
CREATE UNIQUE INDEX uq_four_eyes_proposal_open ON four_eyes_proposal (organisation_id) WHERE decided_at IS NULL;
CREATE INDEX ix_four_eyes_proposal_decided ON four_eyes_proposal (organisation_id, decided_at);
GRANT SELECT, INSERT, UPDATE ON four_eyes_proposal TO machtiging_service;

-- The assignments that wait for a second person are few.
CREATE INDEX ix_agreement_unconfirmed ON agreement (machtiging_id) WHERE needs_confirmation AND confirmed_by IS NULL;
GRANT UPDATE (confirmed_by) ON agreement TO machtiging_service;
{_define("agreement_is_append_only", _APPEND_ONLY.format(confirmation=_CONFIRMATION))}
{_define("organisation_keeps_its_word", _ORGANISATION_KEEPS % {"column": ",four_eyes_from", "loosening": _LOOSENING})}
{_define("four_eyes_proposal_is_decided_once", _PROPOSAL_KEEPS)}
CREATE TRIGGER four_eyes_proposal_is_decided_once BEFORE UPDATE ON four_eyes_proposal
    FOR EACH ROW EXECUTE FUNCTION four_eyes_proposal_is_decided_once();
"""

# An assignment that waits would be inert for ever, and an organisation would lose its four eyes unseen.
DOWN = f"""
DO $$ BEGIN
    IF EXISTS (SELECT FROM organisation WHERE four_eyes_from IS NOT NULL) THEN
        RAISE EXCEPTION 'an organisation demands four eyes: the older schema cannot hold it';
    END IF;
END $$;
DROP TABLE four_eyes_proposal;
DROP FUNCTION four_eyes_proposal_is_decided_once;
DROP INDEX ix_agreement_unconfirmed;
REVOKE UPDATE (confirmed_by) ON agreement FROM machtiging_service;
{_define("agreement_is_append_only", _APPEND_ONLY.format(confirmation=""))}
{_define("organisation_keeps_its_word", _ORGANISATION_KEEPS % {"column": "", "loosening": ""})}
ALTER TABLE organisation DROP COLUMN four_eyes_from;
"""  # noqa: S608 - text of our own


def upgrade() -> None:
    """Build."""
    run_script(UP)


def downgrade() -> None:
    """Take it back."""
    run_script(DOWN)
