"""Events of registers about representation by law or court, and what they give.

An agreement from a register may run longer than five years: the court or the law ends it. `statutory_relation` had no
rows before. Agreements that exist keep their MAC: see `SealedTable.added_later`.
"""

from __future__ import annotations

from machtiging.storage.migrations.script import run_script

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None

_DAYS = "BETWEEN '0001-01-02' AND '9999-12-30'"
_TIMES = "BETWEEN '0001-01-02 00:00:00+00' AND '9999-12-30 00:00:00+00'"
_KINDS = "('curatele', 'bewind', 'mentorschap', 'ouderlijk_gezag')"

UP = f"""
ALTER TABLE agreement
    ADD COLUMN represented_born_on date,
    ADD CONSTRAINT agreement_birth_date_is_of_a_register CHECK (
        represented_born_on IS NULL OR channel = 'register' AND represented_born_on {_DAYS}),
    DROP CONSTRAINT agreement_has_an_end,
    ADD CONSTRAINT agreement_has_an_end CHECK (ends_at > starts_at
        AND (channel = 'register' OR ends_at <= starts_at + interval '5 years'));

ALTER TABLE statutory_relation
    ADD COLUMN relation_reference text NOT NULL CHECK (relation_reference <> ''),
    ADD COLUMN precedence_row text,
    ADD COLUMN closed_capacities text[] NOT NULL DEFAULT '{{}}',
    ADD COLUMN closed_themes text[],
    DROP CONSTRAINT statutory_relation_check,
    ADD CONSTRAINT statutory_relation_ends_after_its_start CHECK (ends_at >= starts_at),
    ADD CONSTRAINT uq_statutory_relation_of_register UNIQUE (register_name, relation_reference);

CREATE TABLE register_event (
    id uuid PRIMARY KEY,
    source text NOT NULL CHECK (source <> ''),
    source_event_id text NOT NULL CHECK (source_event_id <> ''),
    sequence_number integer CHECK (sequence_number >= 1),
    type text NOT NULL CHECK (type IN ('begin', 'wijziging', 'einde')),
    kind text NOT NULL CHECK (kind IN {_KINDS}),
    relation_reference text NOT NULL CHECK (relation_reference <> ''),
    vertegenwoordigde_id uuid NOT NULL REFERENCES person,
    vertegenwoordiger_id uuid REFERENCES party,
    is_organisation boolean NOT NULL,
    effective_on date NOT NULL CHECK (effective_on {_DAYS}),
    ends_on date CHECK (ends_on {_DAYS}),
    themes text[] CHECK (cardinality(themes) > 0),
    evidence_reference text NOT NULL CHECK (evidence_reference <> ''),
    registered_on date NOT NULL CHECK (registered_on {_DAYS}),
    born_on date CHECK (born_on {_DAYS}),
    body_hash bytea NOT NULL,
    received_at timestamptz NOT NULL,
    applied_at timestamptz,
    outcome text NOT NULL CHECK (outcome IN ('verwerkt', 'wacht', 'achterhaald', 'geweigerd')),
    reason text,
    is_ahead boolean NOT NULL DEFAULT false,
    mac bytea NOT NULL DEFAULT '',
    CONSTRAINT register_event_times_reachable CHECK (received_at {_TIMES} AND applied_at {_TIMES}),
    CONSTRAINT uq_register_event_is_one_event UNIQUE (source, source_event_id),
    CONSTRAINT uq_register_event_has_its_own_number UNIQUE (source, vertegenwoordigde_id, sequence_number),
    CONSTRAINT register_event_waits_or_is_applied CHECK ((outcome = 'wacht') = (applied_at IS NULL)),
    CONSTRAINT register_event_refused_says_why CHECK ((outcome = 'geweigerd') = (reason IS NOT NULL))
);
CREATE INDEX ix_register_event_person ON register_event (vertegenwoordigde_id);
CREATE INDEX ix_register_event_relation ON register_event (source, relation_reference);
CREATE INDEX ix_register_event_waiting ON register_event (received_at) WHERE outcome = 'wacht';

CREATE TABLE majority_notice (
    person_id uuid NOT NULL REFERENCES person,
    kind text NOT NULL CHECK (kind <> ''),
    sent_at timestamptz NOT NULL CHECK (sent_at {_TIMES}),
    PRIMARY KEY (person_id, kind)
);
CREATE INDEX ix_agreement_of_child ON agreement (represented_born_on) WHERE represented_born_on IS NOT NULL;
GRANT SELECT, INSERT, UPDATE ON register_event TO machtiging_service;
GRANT SELECT, INSERT ON majority_notice TO machtiging_service;
"""

# The older version would not know that neither party may end these, nor that they close what the citizen gives.
DOWN = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM statutory_relation) OR EXISTS (SELECT FROM register_event)
       OR EXISTS (SELECT FROM agreement WHERE channel = 'register') THEN
        RAISE EXCEPTION 'measures of a court would be lost: the older schema cannot hold them';
    END IF;
END $$;
DROP INDEX ix_agreement_of_child;
DROP TABLE majority_notice, register_event;
ALTER TABLE statutory_relation
    DROP CONSTRAINT uq_statutory_relation_of_register,
    DROP CONSTRAINT statutory_relation_ends_after_its_start,
    ADD CONSTRAINT statutory_relation_check CHECK (ends_at > starts_at),
    DROP COLUMN closed_themes, DROP COLUMN closed_capacities, DROP COLUMN precedence_row,
    DROP COLUMN relation_reference;
ALTER TABLE agreement
    DROP CONSTRAINT agreement_has_an_end,
    ADD CONSTRAINT agreement_has_an_end CHECK (ends_at > starts_at AND ends_at <= starts_at + interval '5 years'),
    DROP CONSTRAINT agreement_birth_date_is_of_a_register,
    DROP COLUMN represented_born_on;
"""


def upgrade() -> None:
    """Build."""
    run_script(UP)


def downgrade() -> None:
    """Take it back."""
    run_script(DOWN)
