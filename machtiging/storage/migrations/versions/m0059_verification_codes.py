"""Verification codes: one agency asks with one once. An agency's organisation can get its KvK number, once."""

from __future__ import annotations

from machtiging.storage.migrations.script import run_script

revision = "0059"
down_revision = "0058"
branch_labels = None
depends_on = None

_SPAN = "BETWEEN '0001-01-02 00:00:00+00' AND '9999-12-30 00:00:00+00'"

# As in 0044; `number` is what may be added to an organisation.
_ORGANISATION_KEEPS = """
CREATE OR REPLACE FUNCTION organisation_keeps_its_word() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    free text[] := '{mac,name,contact_sealed,ceiling_themes,ceiling_afzenders,ceiling_sensitivity,ceiling_days,
minimum_level,recognition_number,epoch,four_eyes_from}'::text[];
BEGIN
    -- A row whose key was rotated is sealed anew; nothing else of it changes.
    IF to_jsonb(NEW) - 'mac' = to_jsonb(OLD) - 'mac' THEN
        RETURN NEW;
    END IF;
    %(number)s
    IF to_jsonb(NEW) - free <> to_jsonb(OLD) - free THEN
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
    -- Less four eyes needs two people: a proposal that another confirmed in the same act.
    IF coalesce(array_position(ARRAY['gewoon', 'gevoelig', 'vertrouwelijk'], NEW.four_eyes_from), 4)
       > coalesce(array_position(ARRAY['gewoon', 'gevoelig', 'vertrouwelijk'], OLD.four_eyes_from), 4)
       AND NOT EXISTS (
        SELECT FROM public.four_eyes_proposal p WHERE p.organisation_id = NEW.id AND p.is_confirmed
            AND p.four_eyes_from IS NOT DISTINCT FROM NEW.four_eyes_from AND p.decided_at = (
                SELECT max(q.decided_at) FROM public.four_eyes_proposal q WHERE q.organisation_id = NEW.id)) THEN
        RAISE EXCEPTION 'less four eyes needs a second person' USING ERRCODE = 'check_violation';
    END IF;
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
END $$;
"""
_KVK_ONCE = """
    -- An afzender is registered by its OIN. Its KvK number is added once, so that its employees can log in.
    IF OLD.kvk IS NULL AND OLD.oin IS NOT NULL AND NEW.epoch > OLD.epoch THEN
        free := free || ARRAY['kvk'];
    END IF;
"""

UP = f"""
CREATE TABLE verification_code (
    id uuid PRIMARY KEY,
    code_hash bytea NOT NULL UNIQUE CHECK (octet_length(code_hash) = 32),
    code_sealed bytea CHECK (octet_length(code_sealed) <= 200),
    machtiging_id uuid NOT NULL REFERENCES machtiging,
    vertegenwoordigde_id uuid NOT NULL REFERENCES party,
    maker_id uuid NOT NULL REFERENCES person,
    organisation_id uuid REFERENCES organisation,
    oin text NOT NULL REFERENCES agency,
    dienst text,
    purpose text NOT NULL CHECK (purpose IN ('balie', 'telefoon', 'behandelen')),
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    used_by uuid REFERENCES person,
    used_client text,
    used_dienst text,
    is_yes boolean,
    answer_id uuid,
    answer_sealed bytea CHECK (octet_length(answer_sealed) <= 8000),
    withdrawn_at timestamptz,
    mac bytea NOT NULL DEFAULT '',
    CONSTRAINT verification_code_is_short CHECK (
        expires_at > created_at AND expires_at <= created_at + interval '7 days'),
    CONSTRAINT verification_code_ends_once CHECK (used_at IS NULL OR withdrawn_at IS NULL),
    CONSTRAINT verification_code_used_within_life CHECK (used_at >= created_at AND used_at < expires_at),
    CONSTRAINT verification_code_used_by_one CHECK (
        (used_at IS NULL) = (used_by IS NULL AND used_client IS NULL) AND (used_by IS NULL OR used_client IS NULL)),
    CONSTRAINT verification_code_answered_when_used CHECK (
        (is_yes IS NULL) = (answer_id IS NULL) AND (is_yes IS NULL OR used_at IS NOT NULL)
        AND (answer_sealed IS NULL OR is_yes IS NOT NULL)),
    CONSTRAINT verification_code_gone_after_use CHECK (
        code_sealed IS NULL OR (used_at IS NULL AND withdrawn_at IS NULL)),
    CONSTRAINT verification_code_times_reachable CHECK (
        created_at {_SPAN} AND expires_at {_SPAN} AND used_at {_SPAN} AND withdrawn_at {_SPAN})
);
CREATE INDEX ix_verification_code_maker_id ON verification_code (maker_id, created_at);
CREATE INDEX ix_verification_code_vertegenwoordigde_id ON verification_code (vertegenwoordigde_id, created_at);
CREATE INDEX ix_verification_code_used_by ON verification_code (used_by, used_at) WHERE used_by IS NOT NULL;
CREATE INDEX ix_verification_code_expires_at ON verification_code (expires_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON verification_code TO machtiging_service;

CREATE TABLE verification_code_try (
    id uuid PRIMARY KEY,
    asker text NOT NULL CHECK (length(asker) <= 300),
    tried_at timestamptz NOT NULL CHECK (tried_at {_SPAN})
);
CREATE INDEX ix_verification_code_try_asker ON verification_code_try (asker, tried_at);
CREATE INDEX ix_verification_code_try_tried_at ON verification_code_try (tried_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON verification_code_try TO machtiging_service;

CREATE FUNCTION verification_code_is_used_once() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    -- A row whose key was rotated is sealed anew; nothing else of it changes.
    IF to_jsonb(NEW) - 'mac' = to_jsonb(OLD) - 'mac' THEN
        RETURN NEW;
    END IF;
    IF OLD.withdrawn_at IS NOT NULL OR OLD.is_yes IS NOT NULL
       OR to_jsonb(NEW) - '{{mac,code_sealed,used_at,used_by,used_client,used_dienst,is_yes,answer_id,answer_sealed,
withdrawn_at}}'::text[] <> to_jsonb(OLD) - '{{mac,code_sealed,used_at,used_by,used_client,used_dienst,is_yes,answer_id,
answer_sealed,withdrawn_at}}'::text[]
       OR OLD.used_at IS NOT NULL AND (NEW.used_at, NEW.used_by, NEW.used_client, NEW.used_dienst, NEW.withdrawn_at)
          IS DISTINCT FROM (OLD.used_at, OLD.used_by, OLD.used_client, OLD.used_dienst, OLD.withdrawn_at) THEN
        RAISE EXCEPTION 'a verification code is used or withdrawn once' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER verification_code_is_used_once BEFORE UPDATE ON verification_code
    FOR EACH ROW EXECUTE FUNCTION verification_code_is_used_once();
{_ORGANISATION_KEEPS % {"number": _KVK_ONCE}}
"""

DOWN = f"""
{_ORGANISATION_KEEPS % {"number": ""}}
DROP TABLE verification_code_try, verification_code;
DROP FUNCTION verification_code_is_used_once;
"""


def upgrade() -> None:
    """Build."""
    run_script(UP)


def downgrade() -> None:
    """Take it back."""
    run_script(DOWN)
