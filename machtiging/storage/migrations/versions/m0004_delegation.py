"""Machtigingen: what is agreed cannot widen, what has ended stays ended, and the database says so itself."""

from __future__ import annotations

from machtiging.storage.migrations.script import run_script

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

UP = """
CREATE TABLE machtiging (
    id uuid PRIMARY KEY,
    vertegenwoordigde_id uuid NOT NULL REFERENCES person,
    gemachtigde_id uuid REFERENCES person,
    gemachtigde_kvk text CHECK (gemachtigde_kvk ~ '^[0-9]{8}$'),
    parent_id uuid REFERENCES machtiging,
    capacity text NOT NULL CHECK (capacity IN
        ('relative', 'professional', 'curator', 'bewindvoerder', 'mentor', 'parent')),
    purpose text NOT NULL CHECK (char_length(purpose) BETWEEN 3 AND 200),
    legal_ground text NOT NULL CHECK (legal_ground <> ''),
    state text NOT NULL CHECK (state IN ('offered', 'active', 'paused', 'ended')),
    afzenders text[] CHECK (cardinality(afzenders) > 0),
    diensten text[] CHECK (cardinality(diensten) > 0),
    themes text[] CHECK (cardinality(themes) > 0),
    excluded_themes text[] NOT NULL,
    highest_sensitivity text NOT NULL CHECK (highest_sensitivity IN ('gewoon', 'gevoelig', 'vertrouwelijk')),
    letters_from date NOT NULL,
    acts text[] NOT NULL CHECK (cardinality(acts) > 0 AND acts <@ ARRAY['lijst', 'lezen', 'downloaden']),
    assurance text NOT NULL CHECK (assurance IN ('laag', 'substantieel', 'hoog')),
    accepted_assurance text CHECK (accepted_assurance IN ('laag', 'substantieel', 'hoog')),
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    offered_at timestamptz NOT NULL,
    accepted_at timestamptz,
    paused_at timestamptz,
    ended_at timestamptz,
    end_reason text,
    CONSTRAINT machtiging_has_an_end CHECK (ends_at > starts_at AND ends_at <= starts_at + interval '5 years'),
    CONSTRAINT nobody_is_his_own_gemachtigde CHECK (gemachtigde_id <> vertegenwoordigde_id),
    CONSTRAINT active_means_accepted CHECK (state NOT IN ('active', 'paused') OR
        (accepted_at IS NOT NULL AND accepted_assurance IS NOT NULL
         AND (gemachtigde_id IS NOT NULL OR gemachtigde_kvk IS NOT NULL))),
    CONSTRAINT paused_says_since_when CHECK ((state = 'paused') = (paused_at IS NOT NULL) OR state = 'ended'),
    CONSTRAINT ended_says_when_and_why CHECK ((state = 'ended') = (ended_at IS NOT NULL)
        AND (state = 'ended') = (end_reason IS NOT NULL))
);
CREATE INDEX ix_machtiging_vertegenwoordigde_id ON machtiging (vertegenwoordigde_id);
CREATE INDEX ix_machtiging_gemachtigde_id ON machtiging (gemachtigde_id);
CREATE INDEX ix_machtiging_parent_id ON machtiging (parent_id);

CREATE FUNCTION machtiging_keeps_its_word() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state = 'ended' THEN
        RAISE EXCEPTION 'an ended machtiging does not change' USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.state <> 'offered' AND NEW.state = 'offered' OR OLD.state = 'offered' AND NEW.state = 'paused' THEN
        RAISE EXCEPTION 'a machtiging does not go from % to %', OLD.state, NEW.state USING ERRCODE = 'check_violation';
    END IF;
    IF (NEW.id, NEW.vertegenwoordigde_id, NEW.capacity, NEW.purpose, NEW.legal_ground, NEW.letters_from,
        NEW.highest_sensitivity, NEW.excluded_themes, NEW.acts, NEW.assurance, NEW.starts_at, NEW.offered_at)
       IS DISTINCT FROM
       (OLD.id, OLD.vertegenwoordigde_id, OLD.capacity, OLD.purpose, OLD.legal_ground, OLD.letters_from,
        OLD.highest_sensitivity, OLD.excluded_themes, OLD.acts, OLD.assurance, OLD.starts_at, OLD.offered_at)
       OR NEW.afzenders IS DISTINCT FROM OLD.afzenders OR NEW.diensten IS DISTINCT FROM OLD.diensten
       OR NEW.themes IS DISTINCT FROM OLD.themes OR NEW.parent_id IS DISTINCT FROM OLD.parent_id
       OR NEW.ends_at > OLD.ends_at THEN
        RAISE EXCEPTION 'what is agreed in a machtiging does not change; it can only become shorter'
            USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.accepted_at IS NOT NULL AND (NEW.gemachtigde_id IS DISTINCT FROM OLD.gemachtigde_id
       OR NEW.gemachtigde_kvk IS DISTINCT FROM OLD.gemachtigde_kvk OR NEW.accepted_at <> OLD.accepted_at) THEN
        RAISE EXCEPTION 'an accepted machtiging does not change hands' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER keeps_its_word BEFORE UPDATE ON machtiging
    FOR EACH ROW EXECUTE FUNCTION machtiging_keeps_its_word();

CREATE TABLE machtigingscode (
    id uuid PRIMARY KEY,
    machtiging_id uuid NOT NULL REFERENCES machtiging,
    code_hash bytea NOT NULL UNIQUE CHECK (octet_length(code_hash) = 32),
    tries_left integer NOT NULL CHECK (tries_left >= 0),
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL CHECK (expires_at > created_at),
    used_at timestamptz
);
CREATE UNIQUE INDEX uq_machtigingscode_one_open ON machtigingscode (machtiging_id) WHERE used_at IS NULL;

CREATE TABLE code_try (
    id uuid PRIMARY KEY,
    person_id uuid NOT NULL REFERENCES person,
    tried_at timestamptz NOT NULL
);
CREATE INDEX ix_code_try_person_id ON code_try (person_id);

GRANT SELECT, INSERT, UPDATE ON machtiging, machtigingscode TO machtiging_service;
GRANT SELECT, INSERT, DELETE ON code_try TO machtiging_service;
"""

DOWN = """
DROP TABLE code_try, machtigingscode, machtiging;
DROP FUNCTION machtiging_keeps_its_word;
"""


def upgrade() -> None:
    """Build."""
    run_script(UP)


def downgrade() -> None:
    """Take away again."""
    run_script(DOWN)
