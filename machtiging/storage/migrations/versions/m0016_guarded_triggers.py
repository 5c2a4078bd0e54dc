"""Trigger functions that trust no search path, a lock that only the sealer can take, an acceptance that stays."""

from __future__ import annotations

from machtiging.storage.migrations.script import run_script
from machtiging.storage.migrations.versions import m0001_journal, m0004_delegation

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

# Without pg_temp at the end PostgreSQL would look there first: a temporary table would pass for ours.
UP = """
CREATE OR REPLACE FUNCTION journal_is_append_only() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'the journal is append-only' USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE OR REPLACE FUNCTION journal_line_moves_only() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM public.journal j
               WHERE j.id = OLD.id AND j.occurred_at = OLD.occurred_at AND j.act = OLD.act
               AND j.outcome = OLD.outcome AND j.reason = OLD.reason AND j.request_id = OLD.request_id
               AND j.actor_id IS NOT DISTINCT FROM OLD.actor_id AND j.capacity IS NOT DISTINCT FROM OLD.capacity
               AND j.client_id IS NOT DISTINCT FROM OLD.client_id
               AND j.for_person_id IS NOT DISTINCT FROM OLD.for_person_id
               AND j.machtiging_id IS NOT DISTINCT FROM OLD.machtiging_id
               AND j.object_kind IS NOT DISTINCT FROM OLD.object_kind
               AND j.object_id IS NOT DISTINCT FROM OLD.object_id
               AND j.policy_digest IS NOT DISTINCT FROM OLD.policy_digest AND j.facts = OLD.facts) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'the journal is append-only' USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE OR REPLACE FUNCTION machtiging_keeps_its_word() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, public, pg_temp AS $$
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
    -- Who took it, for whom, when and how surely logged in: said once, in the step that makes it active.
    IF (OLD.state <> 'offered' OR OLD.accepted_at IS NOT NULL OR NEW.state <> 'active')
       AND (NEW.gemachtigde_id, NEW.gemachtigde_kvk, NEW.accepted_at, NEW.accepted_assurance)
       IS DISTINCT FROM (OLD.gemachtigde_id, OLD.gemachtigde_kvk, OLD.accepted_at, OLD.accepted_assurance) THEN
        RAISE EXCEPTION 'an accepted machtiging does not change hands' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;

-- Any login can hold an advisory lock; a lock on this table takes a right that the sealer alone has. It stays empty.
CREATE TABLE sealing_turn (only_one boolean PRIMARY KEY CHECK (only_one));
GRANT UPDATE ON sealing_turn TO machtiging_sealer;
"""


def _as_it_was(script: str, name: str, after: str) -> str:
    begin = script.index(f"CREATE FUNCTION {name}")
    return script[begin : script.index(after, begin)].replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", 1)


DOWN = "\n".join(
    [
        "DROP TABLE sealing_turn;",
        _as_it_was(m0001_journal.UP, "journal_is_append_only", "-- A line"),
        _as_it_was(m0001_journal.UP, "journal_line_moves_only", "CREATE TRIGGER"),
        _as_it_was(m0004_delegation.UP, "machtiging_keeps_its_word", "CREATE TRIGGER"),
    ]
)


def upgrade() -> None:
    """Build."""
    run_script(UP)


def downgrade() -> None:
    """Take away again."""
    run_script(DOWN)
