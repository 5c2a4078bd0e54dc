"""Tasks: many acts that one employee asked at once, done by the workers one by one."""

from __future__ import annotations

from machtiging.storage.migrations.script import run_script

revision = "0049"
down_revision = "0048"
branch_labels = None
depends_on = None

_SPAN = "BETWEEN '0001-01-02 00:00:00+00' AND '9999-12-30 00:00:00+00'"

UP = f"""
CREATE TABLE task (
    id uuid PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('toewijzen')),
    organisation_id uuid NOT NULL REFERENCES organisation,
    employee_id uuid NOT NULL,
    person_id uuid NOT NULL REFERENCES person,
    assurance text NOT NULL CHECK (assurance IN ('laag', 'substantieel', 'hoog')),
    total integer NOT NULL CHECK (total BETWEEN 1 AND 10000),
    request_digest bytea NOT NULL CHECK (octet_length(request_digest) <= 64),
    created_at timestamptz NOT NULL,
    finished_at timestamptz,
    mac bytea NOT NULL DEFAULT '',
    CONSTRAINT task_times_reachable CHECK (created_at {_SPAN} AND finished_at {_SPAN}),
    FOREIGN KEY (employee_id, organisation_id) REFERENCES employee (id, organisation_id)
);
CREATE INDEX ix_task_created ON task (created_at);
CREATE INDEX ix_task_open ON task (organisation_id) WHERE finished_at IS NULL;
CREATE INDEX ix_task_employee ON task (employee_id);
CREATE INDEX ix_task_person ON task (person_id);

CREATE TABLE task_item (
    task_id uuid NOT NULL REFERENCES task,
    number integer NOT NULL CHECK (number BETWEEN 0 AND 9999),
    subject_id uuid NOT NULL,
    content_sealed bytea NOT NULL,
    state text NOT NULL CHECK (state IN ('wacht', 'gedaan', 'geweigerd')),
    reason jsonb,
    result_id uuid,
    done_at timestamptz,
    tries integer NOT NULL DEFAULT 0,
    due_at timestamptz NOT NULL,
    mac bytea NOT NULL DEFAULT '',
    PRIMARY KEY (task_id, number),
    CONSTRAINT task_item_says_when CHECK ((state = 'wacht') = (done_at IS NULL)),
    CONSTRAINT task_item_refused_says_why CHECK ((state = 'geweigerd') = (reason IS NOT NULL)),
    CONSTRAINT task_item_times_reachable CHECK (done_at {_SPAN} AND due_at {_SPAN})
);
CREATE INDEX ix_task_item_waiting ON task_item (number, task_id) WHERE state = 'wacht';

CREATE FUNCTION task_item_is_done_once() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    -- What is done or refused does not wait again. A row whose key was rotated is sealed anew.
    IF OLD.state <> 'wacht' AND to_jsonb(NEW) - 'mac' <> to_jsonb(OLD) - 'mac'
       OR (NEW.task_id, NEW.number, NEW.subject_id, NEW.content_sealed)
          IS DISTINCT FROM (OLD.task_id, OLD.number, OLD.subject_id, OLD.content_sealed) THEN
        RAISE EXCEPTION 'an item of a task is done once' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER task_item_is_done_once BEFORE UPDATE ON task_item
    FOR EACH ROW EXECUTE FUNCTION task_item_is_done_once();
GRANT SELECT, INSERT, UPDATE, DELETE ON task, task_item TO machtiging_service;
"""
DOWN = """
DROP TABLE task_item;
DROP TABLE task;
DROP FUNCTION task_item_is_done_once;
"""


def upgrade() -> None:
    """Build."""
    run_script(UP)


def downgrade() -> None:
    """Take it back."""
    run_script(DOWN)
