"""Parties (a person or an organisation) with their data key; organisations, recognition, employees and teams.

SQL has no keys. An organisation that this step makes has no data key and no MAC: it opens nothing until it is sealed.
"""

from __future__ import annotations

from machtiging.storage.migrations.script import run_script

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_PARTY = """
CREATE TABLE party (
    id uuid PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('person', 'organisation')),
    data_key_wrapped bytea,
    kek_version integer CHECK (kek_version > 0),
    created_at timestamptz NOT NULL,
    CONSTRAINT party_person_has_data_key CHECK (kind <> 'person' OR data_key_wrapped IS NOT NULL),
    CONSTRAINT party_data_key_and_version_go_together CHECK ((data_key_wrapped IS NULL) = (kek_version IS NULL)),
    CONSTRAINT uq_party_kind UNIQUE (id, kind)
);
GRANT SELECT, INSERT, UPDATE ON party TO machtiging_service;

-- The same id, so that the associated data of every wrapped key stays true.
INSERT INTO party (id, kind, data_key_wrapped, kek_version, created_at)
SELECT id, 'person', data_key_wrapped, kek_version, created_at FROM person;
ALTER TABLE person
    ADD COLUMN party_kind text NOT NULL DEFAULT 'person' CHECK (party_kind = 'person'),
    ADD CONSTRAINT person_is_a_party FOREIGN KEY (id, party_kind) REFERENCES party (id, kind),
    DROP COLUMN data_key_wrapped,
    DROP COLUMN kek_version;
"""

_ORGANISATION = """
CREATE TABLE organisation (
    id uuid PRIMARY KEY,
    party_kind text NOT NULL DEFAULT 'organisation' CHECK (party_kind = 'organisation'),
    kvk text CHECK (kvk ~ '^[0-9]{8}$'),
    vestiging text CHECK (vestiging ~ '^[0-9]{12}$'),
    rsin text CHECK (rsin ~ '^[0-9]{9}$'),
    oin text CHECK (oin ~ '^[0-9]{20}$'),
    name text NOT NULL CHECK (name <> '' AND length(name) <= 200),
    kind text NOT NULL CHECK (kind IN ('welzijn', 'schuldhulp', 'bewind', 'zorg', 'vakbond', 'belastinghulp',
        'informatiepunt', 'gemeente', 'overheid', 'bedrijf')),
    contact_sealed bytea,
    ceiling_themes text[],
    ceiling_afzenders text[],
    ceiling_sensitivity text NOT NULL CHECK (ceiling_sensitivity IN ('gewoon', 'gevoelig', 'vertrouwelijk')),
    ceiling_days integer NOT NULL CHECK (ceiling_days BETWEEN 1 AND 1826),
    minimum_level text NOT NULL DEFAULT 'substantieel' CHECK (minimum_level IN ('laag', 'substantieel', 'hoog')),
    recognition_number integer,
    epoch integer NOT NULL DEFAULT 0 CHECK (epoch >= 0),
    created_at timestamptz NOT NULL,
    mac bytea NOT NULL DEFAULT '',
    CONSTRAINT organisation_is_a_party FOREIGN KEY (id, party_kind) REFERENCES party (id, kind),
    CONSTRAINT organisation_has_a_number CHECK (num_nonnulls(kvk, rsin, oin) > 0),
    CONSTRAINT organisation_vestiging_is_of_a_kvk CHECK (vestiging IS NULL OR kvk IS NOT NULL)
);
CREATE UNIQUE INDEX uq_organisation_kvk ON organisation (kvk, coalesce(vestiging, '')) WHERE kvk IS NOT NULL;
CREATE UNIQUE INDEX uq_organisation_rsin ON organisation (rsin) WHERE rsin IS NOT NULL AND vestiging IS NULL;
CREATE UNIQUE INDEX uq_organisation_oin ON organisation (oin) WHERE oin IS NOT NULL;

CREATE TABLE recognition (
    organisation_id uuid NOT NULL REFERENCES organisation,
    number integer NOT NULL CHECK (number > 0),
    status text NOT NULL CHECK (status IN ('aangevraagd', 'erkend', 'opgeschort', 'ingetrokken', 'geweigerd')),
    ground text NOT NULL CHECK (ground <> '' AND length(ground) <= 200),
    decision_reference text NOT NULL CHECK (length(decision_reference) <= 100),
    proposed_by uuid REFERENCES person,
    proposed_at timestamptz NOT NULL,
    confirmed_by uuid REFERENCES person,
    confirmed_at timestamptz,
    dropped_at timestamptz,
    mac bytea NOT NULL DEFAULT '',
    PRIMARY KEY (organisation_id, number),
    CONSTRAINT recognition_confirmed_by_another CHECK (proposed_by <> confirmed_by),
    CONSTRAINT recognition_confirmed_by_says_when CHECK (confirmed_by IS NULL OR confirmed_at IS NOT NULL),
    CONSTRAINT recognition_confirmed_or_dropped CHECK (num_nonnulls(confirmed_at, dropped_at) < 2)
);
CREATE UNIQUE INDEX uq_recognition_open_proposal ON recognition (organisation_id)
    WHERE confirmed_at IS NULL AND dropped_at IS NULL;
-- Exactly one recognition is current: the one that the organisation points to.
ALTER TABLE organisation ADD CONSTRAINT organisation_current_recognition
    FOREIGN KEY (id, recognition_number) REFERENCES recognition (organisation_id, number);

CREATE TABLE employee (
    id uuid PRIMARY KEY,
    organisation_id uuid NOT NULL REFERENCES organisation,
    person_id uuid REFERENCES person,
    broker_issuer text,
    broker_subject text,
    display_name_sealed bytea,
    roles text[] NOT NULL CHECK (roles <@ ARRAY['organisatiebeheerder', 'teamleider', 'hulpverlener', 'toezicht',
        'balie', 'telefoon', 'controleur']),
    state text NOT NULL CHECK (state IN ('uitgenodigd', 'actief', 'op_non_actief', 'vertrokken')),
    starts_at timestamptz NOT NULL,
    ends_at timestamptz CHECK (ends_at >= starts_at),
    invited_at timestamptz NOT NULL,
    mac bytea NOT NULL DEFAULT '',
    CONSTRAINT employee_supervisor_is_no_helper CHECK (NOT roles @> ARRAY['toezicht', 'hulpverlener']),
    CONSTRAINT employee_issuer_and_subject_go_together CHECK ((broker_issuer IS NULL) = (broker_subject IS NULL)),
    CONSTRAINT employee_is_known_somehow CHECK (person_id IS NOT NULL OR broker_subject IS NOT NULL),
    CONSTRAINT employee_active_is_a_person CHECK (person_id IS NOT NULL OR state IN ('uitgenodigd', 'vertrokken')),
    CONSTRAINT employee_departed_says_when CHECK (state <> 'vertrokken' OR ends_at IS NOT NULL),
    CONSTRAINT uq_employee_organisation UNIQUE (id, organisation_id)
);
CREATE UNIQUE INDEX uq_employee_broker ON employee (organisation_id, broker_issuer, broker_subject)
    WHERE state <> 'vertrokken';
CREATE UNIQUE INDEX uq_employee_person ON employee (organisation_id, person_id) WHERE state <> 'vertrokken';
CREATE INDEX ix_employee_person ON employee (person_id);

CREATE TABLE team (
    id uuid PRIMARY KEY,
    organisation_id uuid NOT NULL REFERENCES organisation,
    name text NOT NULL CHECK (name <> '' AND length(name) <= 100),
    mac bytea NOT NULL DEFAULT '',
    CONSTRAINT uq_team_organisation UNIQUE (id, organisation_id)
);
CREATE UNIQUE INDEX uq_team_name ON team (organisation_id, lower(name));

CREATE TABLE team_membership (
    id uuid PRIMARY KEY,
    organisation_id uuid NOT NULL,
    team_id uuid NOT NULL,
    employee_id uuid NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz CHECK (ends_at >= starts_at),
    mac bytea NOT NULL DEFAULT '',
    FOREIGN KEY (team_id, organisation_id) REFERENCES team (id, organisation_id),
    FOREIGN KEY (employee_id, organisation_id) REFERENCES employee (id, organisation_id)
);
CREATE UNIQUE INDEX uq_team_membership_open ON team_membership (team_id, employee_id) WHERE ends_at IS NULL;
CREATE INDEX ix_team_membership_employee ON team_membership (employee_id);

CREATE TABLE stand_in (
    id uuid PRIMARY KEY,
    organisation_id uuid NOT NULL,
    absent_employee_id uuid NOT NULL,
    replacement_id uuid NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    created_by uuid NOT NULL,
    ended_at timestamptz,
    mac bytea NOT NULL DEFAULT '',
    CONSTRAINT stand_in_is_another CHECK (absent_employee_id <> replacement_id),
    CONSTRAINT stand_in_lasts_six_weeks CHECK (ends_at > starts_at AND ends_at <= starts_at + interval '42 days'),
    FOREIGN KEY (absent_employee_id, organisation_id) REFERENCES employee (id, organisation_id),
    FOREIGN KEY (replacement_id, organisation_id) REFERENCES employee (id, organisation_id),
    FOREIGN KEY (created_by, organisation_id) REFERENCES employee (id, organisation_id)
);
CREATE INDEX ix_stand_in_absent ON stand_in (absent_employee_id);
CREATE INDEX ix_stand_in_replacement ON stand_in (replacement_id);

GRANT SELECT, INSERT, UPDATE ON organisation, recognition, employee, team, team_membership, stand_in
    TO machtiging_service;
"""

_TRIGGER = """
CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    -- A row whose key was rotated is sealed anew; nothing else of it changes.
    IF to_jsonb(NEW) - 'mac' = to_jsonb(OLD) - 'mac' THEN
        RETURN NEW;
    END IF;
{body}
    RETURN NEW;
END $$;
CREATE TRIGGER {function} BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION {function}();
"""

_RECOGNITION_KEEPS = """
    IF OLD.confirmed_at IS NOT NULL OR OLD.dropped_at IS NOT NULL
       OR to_jsonb(NEW) - '{mac,confirmed_by,confirmed_at,dropped_at}'::text[]
          <> to_jsonb(OLD) - '{mac,confirmed_by,confirmed_at,dropped_at}'::text[] THEN
        RAISE EXCEPTION 'a recognition is append-only' USING ERRCODE = 'check_violation';
    END IF;
"""
_ORGANISATION_KEEPS = """
    IF to_jsonb(NEW) - '{mac,name,contact_sealed,ceiling_themes,ceiling_afzenders,ceiling_sensitivity,ceiling_days,
minimum_level,recognition_number,epoch}'::text[]
       <> to_jsonb(OLD) - '{mac,name,contact_sealed,ceiling_themes,ceiling_afzenders,ceiling_sensitivity,ceiling_days,
minimum_level,recognition_number,epoch}'::text[] THEN
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
"""
_EMPLOYEE_KEEPS = """
    IF OLD.state = 'vertrokken' THEN
        RAISE EXCEPTION 'an employee who left does not return' USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.state <> 'uitgenodigd' AND NEW.state = 'uitgenodigd'
       OR OLD.state = 'uitgenodigd' AND NEW.state = 'op_non_actief' THEN
        RAISE EXCEPTION 'an employee does not go from % to %', OLD.state, NEW.state USING ERRCODE = 'check_violation';
    END IF;
    IF (NEW.id, NEW.organisation_id, NEW.starts_at, NEW.invited_at)
       IS DISTINCT FROM (OLD.id, OLD.organisation_id, OLD.starts_at, OLD.invited_at)
       OR OLD.person_id IS NOT NULL AND NEW.person_id IS DISTINCT FROM OLD.person_id
       OR OLD.broker_subject IS NOT NULL AND (NEW.broker_issuer, NEW.broker_subject)
          IS DISTINCT FROM (OLD.broker_issuer, OLD.broker_subject) THEN
        RAISE EXCEPTION 'an employee does not become somebody else' USING ERRCODE = 'check_violation';
    END IF;
"""
_MEMBERSHIP_KEEPS = """
    IF OLD.ends_at IS NOT NULL
       OR to_jsonb(NEW) - '{mac,ends_at}'::text[] <> to_jsonb(OLD) - '{mac,ends_at}'::text[] THEN
        RAISE EXCEPTION 'a membership of a team only ends' USING ERRCODE = 'check_violation';
    END IF;
"""
_STAND_IN_KEEPS = """
    IF OLD.ended_at IS NOT NULL
       OR to_jsonb(NEW) - '{mac,ended_at}'::text[] <> to_jsonb(OLD) - '{mac,ended_at}'::text[] THEN
        RAISE EXCEPTION 'a stand-in only ends' USING ERRCODE = 'check_violation';
    END IF;
"""
_TRIGGERS = {
    "recognition_is_append_only": ("recognition", _RECOGNITION_KEEPS),
    "organisation_keeps_its_word": ("organisation", _ORGANISATION_KEEPS),
    "employee_keeps_its_word": ("employee", _EMPLOYEE_KEEPS),
    "team_membership_only_ends": ("team_membership", _MEMBERSHIP_KEEPS),
    "stand_in_only_ends": ("stand_in", _STAND_IN_KEEPS),
}

# Every afzender is an organisation with its OIN. The organisation of a professional asks for recognition.
_EXISTING = """
WITH afzender AS (SELECT gen_random_uuid() AS id, oin, name FROM agency), parties AS (
    INSERT INTO party (id, kind, created_at) SELECT id, 'organisation', now() FROM afzender
)
INSERT INTO organisation (id, oin, name, kind, ceiling_sensitivity, ceiling_days, created_at)
SELECT id, oin, left(name, 200), 'overheid', 'vertrouwelijk', 1826, now() FROM afzender;

WITH professional AS (
    SELECT gen_random_uuid() AS id, kvk FROM (
        SELECT DISTINCT gemachtigde_kvk AS kvk FROM machtiging WHERE gemachtigde_kvk IS NOT NULL) known
), parties AS (
    INSERT INTO party (id, kind, created_at) SELECT id, 'organisation', now() FROM professional
)
INSERT INTO organisation (id, kvk, name, kind, ceiling_sensitivity, ceiling_days, created_at)
SELECT id, kvk, 'KvK ' || kvk, 'bedrijf', 'vertrouwelijk', 1826, now() FROM professional;
INSERT INTO recognition
    (organisation_id, number, status, ground, decision_reference, proposed_at, confirmed_at)
SELECT id, 1, 'aangevraagd', 'migratie', '', now(), now() FROM organisation WHERE kvk IS NOT NULL;
UPDATE organisation SET recognition_number = 1, epoch = 1 WHERE kvk IS NOT NULL;
"""

TIMES = {
    "organisation": ("created_at",),
    "recognition": ("proposed_at", "confirmed_at", "dropped_at"),
    "employee": ("starts_at", "ends_at", "invited_at"),
    "team_membership": ("starts_at", "ends_at"),
    "stand_in": ("starts_at", "ends_at", "ended_at"),
}
# As in 0020: a day from each end every zone can still show the instant.
_EARLIEST, _LATEST = "0001-01-02 00:00:00+00", "9999-12-30 00:00:00+00"


def _reach(table: str, columns: tuple[str, ...]) -> str:
    checks = " AND ".join(f"{column} BETWEEN '{_EARLIEST}' AND '{_LATEST}'" for column in columns)
    return f"ALTER TABLE {table} ADD CONSTRAINT {table}_times_reachable CHECK ({checks});"


UP = "\n".join(
    [
        _PARTY,
        _ORGANISATION,
        *(_reach(table, columns) for table, columns in TIMES.items()),
        *(_TRIGGER.format(function=name, table=table, body=body) for name, (table, body) in _TRIGGERS.items()),
        _EXISTING,
    ]
)

_DROP = f"""
DROP TABLE stand_in, team_membership, team, employee, recognition, organisation CASCADE;
DROP FUNCTION {", ".join(f"{name}()" for name in _TRIGGERS)};
"""
_BACK = """
ALTER TABLE person DROP COLUMN party_kind, ADD COLUMN data_key_wrapped bytea,
    ADD COLUMN kek_version integer CHECK (kek_version > 0);
UPDATE person SET data_key_wrapped = party.data_key_wrapped, kek_version = party.kek_version
FROM party WHERE party.id = person.id;
ALTER TABLE person ALTER COLUMN data_key_wrapped SET NOT NULL, ALTER COLUMN kek_version SET NOT NULL;
DROP TABLE party;
"""
DOWN = _DROP + _BACK


def upgrade() -> None:
    """Build."""
    run_script(UP)


def downgrade() -> None:
    """Take away again."""
    run_script(DOWN)
