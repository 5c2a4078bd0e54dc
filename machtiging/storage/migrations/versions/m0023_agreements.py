"""Agreements as versions of a machtiging, and a MAC on both.

The current version is the one that the machtiging points to. What is agreed never changes: a change is a new version. A
narrower one takes effect at once; a wider one needs the giver. Existing rows have no MAC, because SQL has no key:
`machtiging keys seal-rows` gives them one, once.
"""

from __future__ import annotations

from machtiging.storage.migrations.script import run_script
from machtiging.storage.migrations.versions import m0016_guarded_triggers

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

_SCOPE = (
    "afzenders, diensten, themes, excluded_themes, highest_sensitivity, letters_from, acts, assurance, "
    "starts_at, ends_at"
)

UP = f"""
CREATE TABLE agreement (
    machtiging_id uuid NOT NULL REFERENCES machtiging,
    number integer NOT NULL CHECK (number >= 1),
    afzenders text[] CHECK (cardinality(afzenders) > 0),
    diensten text[] CHECK (cardinality(diensten) > 0),
    themes text[] CHECK (cardinality(themes) > 0),
    excluded_themes text[] NOT NULL,
    highest_sensitivity text NOT NULL CHECK (highest_sensitivity IN ('gewoon', 'gevoelig', 'vertrouwelijk')),
    letters_from date NOT NULL,
    letters uuid[] CHECK (cardinality(letters) > 0),
    acts text[] NOT NULL CHECK (cardinality(acts) > 0 AND acts <@ ARRAY['lijst', 'lezen', 'downloaden']),
    assurance text NOT NULL CHECK (assurance IN ('laag', 'substantieel', 'hoog')),
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    only_employee_id uuid,
    excluded_team_ids uuid[] NOT NULL DEFAULT '{{}}',
    bundle_version text CHECK (bundle_version <> ''),
    channel text NOT NULL CHECK (channel IN ('online', 'brief', 'balie', 'telefoon', 'register')),
    text_version text NOT NULL CHECK (text_version <> ''),
    agreed_by uuid REFERENCES person,
    agreed_at timestamptz NOT NULL,
    witness_id uuid REFERENCES person,
    cooling_off_until timestamptz,
    needs_confirmation boolean NOT NULL DEFAULT false,
    confirmed_by uuid REFERENCES person,
    mac bytea NOT NULL DEFAULT '',
    PRIMARY KEY (machtiging_id, number),
    CONSTRAINT agreement_has_an_end CHECK (ends_at > starts_at AND ends_at <= starts_at + interval '5 years'),
    CONSTRAINT confirmed_by_another CHECK (confirmed_by IS DISTINCT FROM agreed_by OR confirmed_by IS NULL)
);

INSERT INTO agreement (machtiging_id, number, {_SCOPE}, channel, text_version, agreed_by, agreed_at)
SELECT id, 1, {_SCOPE}, 'online', '1', vertegenwoordigde_id, offered_at FROM machtiging;

DROP TRIGGER keeps_its_word ON machtiging;
ALTER TABLE machtiging
    DROP CONSTRAINT machtiging_has_an_end,
    DROP COLUMN afzenders, DROP COLUMN diensten, DROP COLUMN themes, DROP COLUMN excluded_themes,
    DROP COLUMN highest_sensitivity, DROP COLUMN letters_from, DROP COLUMN acts, DROP COLUMN assurance,
    DROP COLUMN starts_at, DROP COLUMN ends_at,
    ADD COLUMN agreement_number integer NOT NULL DEFAULT 1,
    ADD COLUMN mac bytea NOT NULL DEFAULT '',
    ADD CONSTRAINT machtiging_current_agreement FOREIGN KEY (id, agreement_number) REFERENCES agreement
        DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE machtiging ALTER COLUMN agreement_number DROP DEFAULT;

CREATE OR REPLACE FUNCTION machtiging_keeps_its_word() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF OLD.state = 'ended' AND (to_jsonb(NEW) - 'mac') IS DISTINCT FROM (to_jsonb(OLD) - 'mac') THEN
        RAISE EXCEPTION 'an ended machtiging does not change' USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.state <> 'offered' AND NEW.state = 'offered' OR OLD.state = 'offered' AND NEW.state = 'paused' THEN
        RAISE EXCEPTION 'a machtiging does not go from % to %', OLD.state, NEW.state USING ERRCODE = 'check_violation';
    END IF;
    IF (NEW.id, NEW.vertegenwoordigde_id, NEW.capacity, NEW.purpose, NEW.legal_ground, NEW.offered_at)
       IS DISTINCT FROM
       (OLD.id, OLD.vertegenwoordigde_id, OLD.capacity, OLD.purpose, OLD.legal_ground, OLD.offered_at)
       OR NEW.parent_id IS DISTINCT FROM OLD.parent_id
       OR NEW.agreement_number NOT IN (OLD.agreement_number, OLD.agreement_number + 1) THEN
        RAISE EXCEPTION 'what is agreed in a machtiging does not change; a change is a new agreement'
            USING ERRCODE = 'check_violation';
    END IF;
    -- Who took it, for whom, when and how surely logged in: said once, in the step that makes it active.
    IF (OLD.state <> 'offered' OR OLD.accepted_at IS NOT NULL OR NEW.state <> 'active')
       AND (NEW.gemachtigde_id, NEW.gemachtigde_kvk, NEW.accepted_at, NEW.accepted_assurance)
       IS DISTINCT FROM (OLD.gemachtigde_id, OLD.gemachtigde_kvk, OLD.accepted_at, OLD.accepted_assurance) THEN
        RAISE EXCEPTION 'an accepted machtiging does not change hands' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER keeps_its_word BEFORE UPDATE ON machtiging
    FOR EACH ROW EXECUTE FUNCTION machtiging_keeps_its_word();

-- True if `narrow` gives nothing that `wide` does not. Stricter than the rule in Python where a list of themes is open.
CREATE FUNCTION agreement_is_within(narrow agreement, wide agreement) RETURNS boolean LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT (wide.afzenders IS NULL OR coalesce(narrow.afzenders <@ wide.afzenders, false))
       AND (wide.diensten IS NULL OR coalesce(narrow.diensten <@ wide.diensten, false))
       AND (wide.letters IS NULL OR coalesce(narrow.letters <@ wide.letters, false))
       AND (wide.themes IS NULL OR coalesce(narrow.themes <@ (wide.themes || narrow.excluded_themes), false))
       AND (wide.excluded_themes <@ narrow.excluded_themes
            OR coalesce(NOT narrow.themes && ARRAY(SELECT unnest(wide.excluded_themes)
                                                   EXCEPT SELECT unnest(narrow.excluded_themes)), false))
       AND array_position(ARRAY['gewoon', 'gevoelig', 'vertrouwelijk'], narrow.highest_sensitivity)
           <= array_position(ARRAY['gewoon', 'gevoelig', 'vertrouwelijk'], wide.highest_sensitivity)
       AND narrow.letters_from >= wide.letters_from
       AND narrow.acts <@ wide.acts
       AND narrow.ends_at <= wide.ends_at
       AND (wide.only_employee_id IS NULL OR narrow.only_employee_id IS NOT DISTINCT FROM wide.only_employee_id)
       AND wide.excluded_team_ids <@ narrow.excluded_team_ids
$$;

CREATE FUNCTION agreement_is_append_only() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND (to_jsonb(NEW) - 'mac') = (to_jsonb(OLD) - 'mac') THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'what is agreed does not change; a change is a new agreement' USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON agreement
    FOR EACH ROW EXECUTE FUNCTION agreement_is_append_only();

CREATE FUNCTION agreement_follows_the_last() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    held public.machtiging;
    last public.agreement;
    above public.agreement;
BEGIN
    -- The lock makes two versions at once follow each other.
    SELECT * INTO STRICT held FROM public.machtiging WHERE id = NEW.machtiging_id FOR NO KEY UPDATE;
    SELECT * INTO last FROM public.agreement WHERE machtiging_id = NEW.machtiging_id ORDER BY number DESC LIMIT 1;
    IF NEW.number <> coalesce(last.number, 0) + 1 THEN
        RAISE EXCEPTION 'the next agreement of a machtiging has the next number' USING ERRCODE = 'check_violation';
    END IF;
    IF held.state = 'ended' THEN
        RAISE EXCEPTION 'an ended machtiging does not change' USING ERRCODE = 'check_violation';
    END IF;
    IF last.number IS NOT NULL AND NEW.agreed_by IS DISTINCT FROM held.vertegenwoordigde_id
       AND NOT public.agreement_is_within(NEW, last) THEN
        RAISE EXCEPTION 'only the giver can agree to more' USING ERRCODE = 'check_violation';
    END IF;
    IF held.parent_id IS NOT NULL THEN
        SELECT a.* INTO above FROM public.machtiging m
            JOIN public.agreement a ON (a.machtiging_id, a.number) = (m.id, m.agreement_number)
            WHERE m.id = held.parent_id;
        IF NOT public.agreement_is_within(NEW, above) THEN
            RAISE EXCEPTION 'a link of a chain gives no more than the link above it' USING ERRCODE = 'check_violation';
        END IF;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER follows_the_last BEFORE INSERT ON agreement
    FOR EACH ROW EXECUTE FUNCTION agreement_follows_the_last();

CREATE FUNCTION machtiging_joins_its_chain() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    above public.machtiging;
    top public.machtiging;
BEGIN
    IF NEW.parent_id IS NULL THEN
        RETURN NEW;
    END IF;
    SELECT * INTO above FROM public.machtiging WHERE id = NEW.parent_id;
    IF above.id IS NULL OR above.id = NEW.id THEN
        RAISE EXCEPTION 'a link hangs on a machtiging that exists' USING ERRCODE = 'check_violation';
    END IF;
    IF above.vertegenwoordigde_id <> NEW.vertegenwoordigde_id OR above.capacity <> NEW.capacity THEN
        RAISE EXCEPTION 'a chain is for one citizen, in one capacity' USING ERRCODE = 'check_violation';
    END IF;
    IF above.parent_id IS NOT NULL THEN
        SELECT * INTO top FROM public.machtiging WHERE id = above.parent_id;
        IF top.parent_id IS NOT NULL THEN
            RAISE EXCEPTION 'a chain has at most three links' USING ERRCODE = 'check_violation';
        END IF;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER joins_its_chain BEFORE INSERT ON machtiging
    FOR EACH ROW EXECUTE FUNCTION machtiging_joins_its_chain();

-- As in 0020: times where every reader can hold them.
ALTER TABLE agreement ADD CONSTRAINT agreement_times_reachable CHECK (
    starts_at BETWEEN '0001-01-02 00:00:00+00' AND '9999-12-30 00:00:00+00'
    AND ends_at BETWEEN '0001-01-02 00:00:00+00' AND '9999-12-30 00:00:00+00'
    AND agreed_at BETWEEN '0001-01-02 00:00:00+00' AND '9999-12-30 00:00:00+00'
    AND cooling_off_until BETWEEN '0001-01-02 00:00:00+00' AND '9999-12-30 00:00:00+00');
ALTER TABLE agreement ADD CONSTRAINT agreement_day_reachable CHECK (
    letters_from BETWEEN '0001-01-02' AND '9999-12-30');
ALTER TABLE machtiging ADD CONSTRAINT machtiging_times_reachable CHECK (
    offered_at BETWEEN '0001-01-02 00:00:00+00' AND '9999-12-30 00:00:00+00'
    AND accepted_at BETWEEN '0001-01-02 00:00:00+00' AND '9999-12-30 00:00:00+00'
    AND paused_at BETWEEN '0001-01-02 00:00:00+00' AND '9999-12-30 00:00:00+00'
    AND ended_at BETWEEN '0001-01-02 00:00:00+00' AND '9999-12-30 00:00:00+00');

GRANT SELECT, INSERT, UPDATE (mac) ON agreement TO machtiging_service;
"""  # noqa: S608 - column names of our own

_COLUMNS_BACK = """
    ADD COLUMN afzenders text[] CHECK (cardinality(afzenders) > 0),
    ADD COLUMN diensten text[] CHECK (cardinality(diensten) > 0),
    ADD COLUMN themes text[] CHECK (cardinality(themes) > 0),
    ADD COLUMN excluded_themes text[],
    ADD COLUMN highest_sensitivity text CHECK (highest_sensitivity IN ('gewoon', 'gevoelig', 'vertrouwelijk')),
    ADD COLUMN letters_from date,
    ADD COLUMN acts text[] CHECK (cardinality(acts) > 0 AND acts <@ ARRAY['lijst', 'lezen', 'downloaden']),
    ADD COLUMN assurance text CHECK (assurance IN ('laag', 'substantieel', 'hoog')),
    ADD COLUMN starts_at timestamptz,
    ADD COLUMN ends_at timestamptz
"""
_REQUIRED = ("excluded_themes", "highest_sensitivity", "letters_from", "acts", "assurance", "starts_at", "ends_at")


def _restore_trigger_function() -> str:
    script = m0016_guarded_triggers.UP
    begin = script.index("CREATE OR REPLACE FUNCTION machtiging_keeps_its_word")
    return script[begin : script.index("-- Any login can hold", begin)]


# More than one agreement cannot be told in the older schema, so the step down refuses then.
DOWN = f"""
DO $$ BEGIN
    IF EXISTS (SELECT FROM agreement WHERE number > 1 OR letters IS NOT NULL OR only_employee_id IS NOT NULL
               OR cooling_off_until IS NOT NULL OR needs_confirmation OR channel <> 'online')
       OR EXISTS (SELECT FROM machtiging WHERE parent_id IS NOT NULL) THEN
        RAISE EXCEPTION 'agreements and chains would be lost: the older schema cannot hold them';
    END IF;
END $$;
DROP TRIGGER joins_its_chain ON machtiging;
DROP TRIGGER keeps_its_word ON machtiging;
DROP FUNCTION machtiging_joins_its_chain;
ALTER TABLE machtiging DROP CONSTRAINT machtiging_current_agreement, DROP CONSTRAINT machtiging_times_reachable;
ALTER TABLE machtiging {_COLUMNS_BACK};
UPDATE machtiging m SET ({_SCOPE}) = (SELECT {_SCOPE} FROM agreement a
    WHERE (a.machtiging_id, a.number) = (m.id, m.agreement_number));
ALTER TABLE machtiging DROP COLUMN agreement_number, DROP COLUMN mac,
    {", ".join(f"ALTER COLUMN {name} SET NOT NULL" for name in _REQUIRED)},
    ADD CONSTRAINT machtiging_has_an_end CHECK (ends_at > starts_at AND ends_at <= starts_at + interval '5 years');
DROP FUNCTION agreement_is_within;
DROP TABLE agreement;
DROP FUNCTION agreement_is_append_only, agreement_follows_the_last;
{_restore_trigger_function()}
CREATE TRIGGER keeps_its_word BEFORE UPDATE ON machtiging
    FOR EACH ROW EXECUTE FUNCTION machtiging_keeps_its_word();
"""  # noqa: S608 - column names of our own


def upgrade() -> None:
    """Build."""
    run_script(UP)


def downgrade() -> None:
    """Take away again."""
    run_script(DOWN)
