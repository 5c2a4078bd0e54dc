"""Chains from a citizen through an organisation to an employee, and parties on both sides of a machtiging.

The machtiging of a professional becomes one to the organisation, with one assignment: to the professional, and to
nobody else until the giver agrees. Consents, tokens, codes and requests under it end: they name what is now the
organisation's. SQL has no keys, so what this step makes opens nothing until `machtiging keys seal-rows` has sealed it.
"""

from __future__ import annotations

from machtiging.storage.migrations.script import run_script
from machtiging.storage.migrations.versions import m0023_agreements

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

_COLUMNS = """
ALTER TABLE machtiging
    DROP CONSTRAINT machtiging_vertegenwoordigde_id_fkey,
    DROP CONSTRAINT machtiging_gemachtigde_id_fkey,
    DROP CONSTRAINT active_means_accepted,
    ADD CONSTRAINT machtiging_vertegenwoordigde_id_fkey FOREIGN KEY (vertegenwoordigde_id) REFERENCES party,
    ADD CONSTRAINT machtiging_gemachtigde_id_fkey FOREIGN KEY (gemachtigde_id) REFERENCES party,
    ADD COLUMN employee_id uuid REFERENCES employee,
    ADD COLUMN team_id uuid REFERENCES team,
    ADD COLUMN stand_in_id uuid REFERENCES stand_in;
ALTER TABLE bericht
    DROP CONSTRAINT bericht_ontvanger_id_fkey,
    ADD CONSTRAINT bericht_ontvanger_id_fkey FOREIGN KEY (ontvanger_id) REFERENCES party;

CREATE TABLE assignment (
    machtiging_id uuid PRIMARY KEY REFERENCES machtiging,
    kind text NOT NULL CHECK (kind IN ('vast', 'vervanging', 'overdracht')),
    case_reference_sealed bytea,
    replaces_id uuid REFERENCES machtiging,
    assigned_by uuid REFERENCES employee,
    confirmed_by uuid REFERENCES employee,
    assigned_at timestamptz NOT NULL,
    mac bytea NOT NULL DEFAULT '',
    CONSTRAINT assignment_confirmed_by_another CHECK (assigned_by <> confirmed_by)
);
GRANT SELECT, INSERT, UPDATE (confirmed_by, mac) ON assignment TO machtiging_service;

CREATE TABLE machtigingsverzoek (
    id uuid PRIMARY KEY,
    organisation_id uuid NOT NULL REFERENCES organisation,
    requested_by uuid NOT NULL REFERENCES employee,
    party_id uuid REFERENCES party,
    purpose text NOT NULL CHECK (char_length(purpose) BETWEEN 3 AND 200),
    channel text NOT NULL CHECK (channel IN ('online', 'brief', 'balie', 'telefoon', 'register')),
    state text NOT NULL CHECK (state IN
        ('concept', 'verstuurd', 'gezien', 'ingewilligd', 'versmald', 'geweigerd', 'ingetrokken', 'verlopen')),
    scope jsonb NOT NULL,
    machtiging_id uuid REFERENCES machtiging,
    created_at timestamptz NOT NULL,
    seen_at timestamptz,
    decided_at timestamptz,
    expires_at timestamptz NOT NULL CHECK (expires_at > created_at),
    mac bytea NOT NULL DEFAULT '',
    CONSTRAINT machtigingsverzoek_granted_has_machtiging CHECK (
        (machtiging_id IS NOT NULL) = (state IN ('ingewilligd', 'versmald'))),
    CONSTRAINT machtigingsverzoek_decided_says_when CHECK (
        (decided_at IS NOT NULL) = (state IN ('ingewilligd', 'versmald', 'geweigerd')))
);
CREATE INDEX ix_machtigingsverzoek_organisation ON machtigingsverzoek (organisation_id);
CREATE INDEX ix_machtigingsverzoek_party ON machtigingsverzoek (party_id);

CREATE TABLE statutory_relation (
    id uuid PRIMARY KEY,
    vertegenwoordigde_id uuid NOT NULL REFERENCES party,
    vertegenwoordiger_id uuid NOT NULL REFERENCES party,
    kind text NOT NULL CHECK (kind IN ('curatele', 'bewind', 'mentorschap', 'ouderlijk_gezag', 'voogdij', 'wsnp',
        'faillissement')),
    extent text NOT NULL CHECK (extent <> ''),
    register_name text NOT NULL CHECK (register_name <> ''),
    evidence_reference text NOT NULL CHECK (evidence_reference <> ''),
    registered_at timestamptz NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz CHECK (ends_at > starts_at),
    professional boolean NOT NULL,
    machtiging_id uuid REFERENCES machtiging,
    mac bytea NOT NULL DEFAULT '',
    CONSTRAINT statutory_relation_is_with_another CHECK (vertegenwoordigde_id <> vertegenwoordiger_id)
);
CREATE INDEX ix_statutory_relation_vertegenwoordigde ON statutory_relation (vertegenwoordigde_id);
GRANT SELECT, INSERT, UPDATE ON machtigingsverzoek, statutory_relation TO machtiging_service;
"""
_TIMES = {
    "assignment": ("assigned_at",),
    "machtigingsverzoek": ("created_at", "seen_at", "decided_at", "expires_at"),
    "statutory_relation": ("registered_at", "starts_at", "ends_at"),
}


def _reach(table: str, times: tuple[str, ...]) -> str:
    """As in 0020: times where every reader can hold them."""
    span = "'0001-01-02 00:00:00+00' AND '9999-12-30 00:00:00+00'"
    checks = " AND ".join(f"{column} BETWEEN {span}" for column in times)
    return f"ALTER TABLE {table} ADD CONSTRAINT {table}_times_reachable CHECK ({checks});\n"


# What hung on such a machtiging was for one professional and names what is now the organisation's.
_END = """
-- A worker of the version before can have accepted for a number that 0022 did not see.
CREATE TABLE professional AS
    SELECT gen_random_uuid() AS id, gemachtigde_kvk AS kvk FROM machtiging
    WHERE gemachtigde_kvk IS NOT NULL AND gemachtigde_kvk NOT IN
        (SELECT kvk FROM organisation WHERE kvk IS NOT NULL AND vestiging IS NULL)
    GROUP BY gemachtigde_kvk;
INSERT INTO party (id, kind, created_at) SELECT id, 'organisation', now() FROM professional;
INSERT INTO organisation (id, kvk, name, kind, ceiling_sensitivity, ceiling_days, created_at)
SELECT id, kvk, 'KvK ' || kvk, 'bedrijf', 'vertrouwelijk', 1826, now() FROM professional;
INSERT INTO recognition (organisation_id, number, status, ground, decision_reference, proposed_at, confirmed_at)
SELECT id, 1, 'aangevraagd', 'migratie', '', now(), now() FROM professional;
UPDATE organisation SET recognition_number = 1, epoch = 1 WHERE id IN (SELECT id FROM professional);
DROP TABLE professional;

-- Dropped again below. The owner of the schema may create no temporary tables.
CREATE TABLE professional AS
    SELECT m.id, m.gemachtigde_id AS person_id, o.id AS organisation_id, gen_random_uuid() AS assignment_id
    FROM machtiging m JOIN organisation o ON o.kvk = m.gemachtigde_kvk AND o.vestiging IS NULL
    WHERE m.gemachtigde_kvk IS NOT NULL;
-- Who is an employee already, or was invited, stays that one.
CREATE TABLE hired AS
    SELECT coalesce(e.id, gen_random_uuid()) AS id, e.id IS NULL AS is_new, p.organisation_id, p.person_id
    FROM (SELECT DISTINCT organisation_id, person_id FROM professional WHERE person_id IS NOT NULL) p
        JOIN person ON person.id = p.person_id
        LEFT JOIN LATERAL (
            SELECT e.id FROM employee e
            WHERE e.organisation_id = p.organisation_id AND e.state <> 'vertrokken' AND (e.person_id = p.person_id
                OR (e.broker_issuer, e.broker_subject) = (person.broker_issuer, person.broker_subject))
            ORDER BY e.person_id IS NULL LIMIT 1) e ON true;

WITH ended AS (
    UPDATE oauth_grant g SET ended_at = now(), end_reason = 'organisatie_onbekend'
    FROM machtiging m, oauth_client c
    WHERE m.id = g.machtiging_id AND c.client_id = g.client_id AND g.ended_at IS NULL
      AND m.id IN (SELECT id FROM professional)
    RETURNING g.id, g.client_id, g.person_id, g.machtiging_id, m.vertegenwoordigde_id,
        coalesce(c.registration ->> 'client_name', '') AS app
), tokens AS (
    UPDATE issued_token SET revoked_at = now()
    WHERE revoked_at IS NULL AND machtiging_id IN (SELECT id FROM professional)
), requests AS (
    -- An approved request stays with its consent, which has ended: its MAC covers the consent.
    UPDATE backchannel_request b SET state = 'denied' FROM machtiging m
    WHERE m.id = b.machtiging_id AND b.state = 'pending' AND m.id IN (SELECT id FROM professional)
    RETURNING b.client_id, m.id AS machtiging_id, m.vertegenwoordigde_id
), request_lines AS (
    INSERT INTO journal_intake (id, occurred_at, act, outcome, reason, capacity, client_id, for_person_id,
        machtiging_id, request_id, facts)
    SELECT gen_random_uuid(), now(), 'grant:geweigerd', 'refused', 'organisatie_onbekend', 'beheerder', client_id,
        vertegenwoordigde_id, machtiging_id, gen_random_uuid()::text, '{"beheerder": "migratie"}'
    FROM requests
), lines AS (
    INSERT INTO journal_intake (id, occurred_at, act, outcome, reason, capacity, client_id, for_person_id,
        machtiging_id, object_kind, object_id, request_id, facts)
    SELECT gen_random_uuid(), now(), 'grant:beeindigd', 'done', 'organisatie_onbekend', 'beheerder', client_id,
        vertegenwoordigde_id, machtiging_id, 'grant', id::text, gen_random_uuid()::text, '{"beheerder": "migratie"}'
    FROM ended
)
INSERT INTO notification (id, person_id, kind, facts, created_at, next_try_at, tries)
SELECT gen_random_uuid(), person_id, 'app_gestopt_organisatie',
    jsonb_build_object('grant_id', id::text, 'app', app, 'giver_id', vertegenwoordigde_id::text,
        'helper_id', person_id::text), now(), now(), 0
FROM ended;
"""

_CONVERT = """
ALTER TABLE machtiging DISABLE TRIGGER USER;
ALTER TABLE agreement DISABLE TRIGGER USER;
INSERT INTO employee
    (id, organisation_id, person_id, broker_issuer, broker_subject, roles, state, starts_at, invited_at)
SELECT h.id, h.organisation_id, h.person_id, p.broker_issuer, p.broker_subject, '{hulpverlener}', 'actief', now(), now()
FROM hired h JOIN person p ON p.id = h.person_id WHERE h.is_new;

INSERT INTO machtiging (id, vertegenwoordigde_id, parent_id, capacity, purpose, legal_ground, state, accepted_assurance,
    offered_at, accepted_at, ended_at, end_reason, agreement_number, employee_id)
SELECT p.assignment_id, m.vertegenwoordigde_id, m.id, m.capacity, m.purpose, m.legal_ground,
    CASE m.state WHEN 'ended' THEN 'ended' ELSE 'active' END, m.accepted_assurance,
    coalesce(m.accepted_at, m.offered_at), m.accepted_at, m.ended_at, m.end_reason, 1, h.id
FROM professional p JOIN machtiging m USING (id) JOIN hired h USING (organisation_id, person_id);
INSERT INTO agreement (machtiging_id, number, afzenders, diensten, themes, excluded_themes, highest_sensitivity,
    letters_from, acts, assurance, starts_at, ends_at, only_employee_id, channel, text_version, agreed_at)
SELECT p.assignment_id, 1, a.afzenders, a.diensten, a.themes, a.excluded_themes, a.highest_sensitivity, a.letters_from,
    a.acts, a.assurance, a.starts_at, a.ends_at, h.id, 'online', '1', coalesce(m.accepted_at, m.offered_at)
FROM professional p JOIN machtiging m USING (id)
    JOIN agreement a ON (a.machtiging_id, a.number) = (m.id, m.agreement_number)
    JOIN hired h USING (organisation_id, person_id);
INSERT INTO assignment (machtiging_id, kind, assigned_at)
SELECT p.assignment_id, 'vast', coalesce(m.accepted_at, m.offered_at)
FROM professional p JOIN machtiging m USING (id) JOIN hired USING (organisation_id, person_id);

UPDATE agreement a SET only_employee_id = h.id, mac = ''
FROM professional p JOIN hired h USING (organisation_id, person_id) WHERE a.machtiging_id = p.id;
UPDATE machtiging m SET gemachtigde_id = p.organisation_id, mac = '' FROM professional p WHERE p.id = m.id;
SET CONSTRAINTS ALL IMMEDIATE;
ALTER TABLE machtiging ENABLE TRIGGER USER;
ALTER TABLE agreement ENABLE TRIGGER USER;
ALTER TABLE machtiging
    DROP COLUMN gemachtigde_kvk,
    ADD CONSTRAINT machtiging_link_has_one_holder CHECK (
        parent_id IS NULL AND num_nonnulls(employee_id, team_id, stand_in_id) = 0
        OR parent_id IS NOT NULL AND gemachtigde_id IS NULL AND num_nonnulls(employee_id, team_id) = 1
           AND (stand_in_id IS NULL OR employee_id IS NOT NULL)),
    ADD CONSTRAINT active_means_accepted CHECK (state NOT IN ('active', 'paused') OR
        (accepted_at IS NOT NULL AND accepted_assurance IS NOT NULL
         AND (gemachtigde_id IS NOT NULL OR parent_id IS NOT NULL)));
ALTER TABLE agreement ADD CONSTRAINT agreement_only_employee_id_fkey
    FOREIGN KEY (only_employee_id) REFERENCES employee;
DROP TABLE professional, hired;
CREATE UNIQUE INDEX uq_machtiging_employee ON machtiging (parent_id, employee_id)
    WHERE employee_id IS NOT NULL AND state <> 'ended';
CREATE UNIQUE INDEX uq_machtiging_team ON machtiging (parent_id, team_id)
    WHERE team_id IS NOT NULL AND state <> 'ended';
CREATE INDEX ix_machtiging_employee ON machtiging (employee_id, id) WHERE employee_id IS NOT NULL;
"""

_KEEPS_ITS_WORD = """
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
       OR (NEW.parent_id, NEW.employee_id, NEW.team_id, NEW.stand_in_id)
       IS DISTINCT FROM (OLD.parent_id, OLD.employee_id, OLD.team_id, OLD.stand_in_id)
       OR NEW.agreement_number NOT IN (OLD.agreement_number, OLD.agreement_number + 1) THEN
        RAISE EXCEPTION 'what is agreed in a machtiging does not change; a change is a new agreement'
            USING ERRCODE = 'check_violation';
    END IF;
    -- Who took it, when and how surely logged in: said once, in the step that makes it active.
    IF (OLD.state <> 'offered' OR OLD.accepted_at IS NOT NULL OR NEW.state <> 'active')
       AND (NEW.gemachtigde_id, NEW.accepted_at, NEW.accepted_assurance)
       IS DISTINCT FROM (OLD.gemachtigde_id, OLD.accepted_at, OLD.accepted_assurance) THEN
        RAISE EXCEPTION 'an accepted machtiging does not change hands' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
"""

_JOINS_ITS_CHAIN = """
CREATE OR REPLACE FUNCTION machtiging_joins_its_chain() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    above public.machtiging;
    root public.machtiging;
    organisation_of_holder uuid;
    person_of_holder uuid;
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
    root := above;
    IF above.parent_id IS NOT NULL THEN
        SELECT * INTO root FROM public.machtiging WHERE id = above.parent_id;
        IF root.parent_id IS NOT NULL OR above.stand_in_id IS NOT NULL THEN
            RAISE EXCEPTION 'a chain has at most three links' USING ERRCODE = 'check_violation';
        END IF;
        IF NEW.employee_id IS NULL OR NEW.employee_id IS NOT DISTINCT FROM above.employee_id THEN
            RAISE EXCEPTION 'the third link is an employee, and another one' USING ERRCODE = 'check_violation';
        END IF;
    END IF;
    IF (NEW.stand_in_id IS NOT NULL) IS DISTINCT FROM (above.employee_id IS NOT NULL) THEN
        RAISE EXCEPTION 'a stand-in hangs on the link of the absent colleague' USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.stand_in_id IS NOT NULL AND NOT EXISTS (SELECT FROM public.stand_in s WHERE s.id = NEW.stand_in_id
        AND s.absent_employee_id = above.employee_id AND s.replacement_id = NEW.employee_id) THEN
        RAISE EXCEPTION 'a stand-in hangs on the link of the absent colleague' USING ERRCODE = 'check_violation';
    END IF;
    SELECT organisation_id, person_id INTO organisation_of_holder, person_of_holder
        FROM public.employee WHERE id = NEW.employee_id;
    IF NEW.team_id IS NOT NULL THEN
        SELECT organisation_id INTO organisation_of_holder FROM public.team WHERE id = NEW.team_id;
    END IF;
    IF organisation_of_holder IS DISTINCT FROM root.gemachtigde_id THEN
        RAISE EXCEPTION 'a link stays in the organisation of its chain' USING ERRCODE = 'check_violation';
    END IF;
    IF person_of_holder = NEW.vertegenwoordigde_id THEN
        RAISE EXCEPTION 'nobody is his own gemachtigde' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
"""

UP = _COLUMNS + "".join(_reach(*each) for each in _TIMES.items()) + _END + _KEEPS_ITS_WORD + _JOINS_ITS_CHAIN + _CONVERT


def _restore_function(name: str, after: str) -> str:
    script = m0023_agreements.UP
    begin = script.index(f"FUNCTION {name}()")
    return "CREATE OR REPLACE " + script[begin : script.index(after, begin)]


# A chain cannot be told in the older schema; the machtiging of a professional with only his own assignment can.
DOWN = f"""
DO $$ BEGIN
    IF EXISTS (SELECT FROM machtiging c JOIN machtiging p ON p.id = c.parent_id LEFT JOIN assignment s
               ON s.machtiging_id = c.id WHERE s.assigned_by IS NOT NULL OR c.team_id IS NOT NULL
               OR p.parent_id IS NOT NULL OR s.machtiging_id IS NULL)
       OR EXISTS (SELECT FROM machtigingsverzoek) OR EXISTS (SELECT FROM statutory_relation)
       OR EXISTS (SELECT FROM bericht WHERE ontvanger_id NOT IN (SELECT id FROM person))
       OR EXISTS (SELECT FROM machtiging WHERE vertegenwoordigde_id NOT IN (SELECT id FROM person)) THEN
        RAISE EXCEPTION 'assignments and requests would be lost: the older schema cannot hold them';
    END IF;
END $$;
CREATE TABLE hired AS SELECT DISTINCT employee_id AS id FROM machtiging WHERE employee_id IS NOT NULL;
ALTER TABLE machtiging DISABLE TRIGGER USER;
ALTER TABLE agreement DISABLE TRIGGER USER;
DROP INDEX uq_machtiging_employee, uq_machtiging_team, ix_machtiging_employee;
ALTER TABLE machtiging
    DROP CONSTRAINT machtiging_link_has_one_holder,
    DROP CONSTRAINT active_means_accepted,
    DROP CONSTRAINT machtiging_vertegenwoordigde_id_fkey,
    DROP CONSTRAINT machtiging_gemachtigde_id_fkey,
    ADD COLUMN gemachtigde_kvk text CHECK (gemachtigde_kvk ~ '^[0-9]{{8}}$');
UPDATE machtiging m SET gemachtigde_id = e.person_id, gemachtigde_kvk = o.kvk
FROM machtiging c JOIN employee e ON e.id = c.employee_id JOIN organisation o ON o.id = e.organisation_id
WHERE c.parent_id = m.id;
UPDATE agreement SET only_employee_id = NULL;
DROP TABLE assignment, machtigingsverzoek, statutory_relation;
UPDATE issued_token t SET machtiging_id = m.parent_id FROM machtiging m
    WHERE m.id = t.machtiging_id AND m.parent_id IS NOT NULL;
UPDATE oauth_grant g SET machtiging_id = m.parent_id FROM machtiging m
    WHERE m.id = g.machtiging_id AND m.parent_id IS NOT NULL;
UPDATE backchannel_request b SET machtiging_id = m.parent_id FROM machtiging m
    WHERE m.id = b.machtiging_id AND m.parent_id IS NOT NULL;
SET CONSTRAINTS ALL DEFERRED;
ALTER TABLE agreement DROP CONSTRAINT agreement_machtiging_id_fkey;
DELETE FROM agreement a USING machtiging m WHERE m.id = a.machtiging_id AND m.parent_id IS NOT NULL;
DELETE FROM machtiging WHERE parent_id IS NOT NULL;
SET CONSTRAINTS ALL IMMEDIATE;
ALTER TABLE agreement
    ADD CONSTRAINT agreement_machtiging_id_fkey FOREIGN KEY (machtiging_id) REFERENCES machtiging,
    DROP CONSTRAINT agreement_only_employee_id_fkey;
-- Those that this step made: nobody invited them, so nobody named them.
DELETE FROM employee WHERE id IN (SELECT id FROM hired) AND display_name_sealed IS NULL;
DROP TABLE hired;
ALTER TABLE machtiging
    DROP COLUMN employee_id, DROP COLUMN team_id, DROP COLUMN stand_in_id,
    ADD CONSTRAINT machtiging_vertegenwoordigde_id_fkey FOREIGN KEY (vertegenwoordigde_id) REFERENCES person,
    ADD CONSTRAINT machtiging_gemachtigde_id_fkey FOREIGN KEY (gemachtigde_id) REFERENCES person,
    ADD CONSTRAINT active_means_accepted CHECK (state NOT IN ('active', 'paused') OR
        (accepted_at IS NOT NULL AND accepted_assurance IS NOT NULL
         AND (gemachtigde_id IS NOT NULL OR gemachtigde_kvk IS NOT NULL)));
ALTER TABLE bericht
    DROP CONSTRAINT bericht_ontvanger_id_fkey,
    ADD CONSTRAINT bericht_ontvanger_id_fkey FOREIGN KEY (ontvanger_id) REFERENCES person;
{_restore_function("machtiging_keeps_its_word", "CREATE TRIGGER")}
{_restore_function("machtiging_joins_its_chain", "CREATE TRIGGER")}
ALTER TABLE machtiging ENABLE TRIGGER USER;
ALTER TABLE agreement ENABLE TRIGGER USER;
"""  # noqa: S608 - SQL of our own


def upgrade() -> None:
    """Build."""
    run_script(UP)


def downgrade() -> None:
    """Take away again."""
    run_script(DOWN)
