"""Hand-overs: the clients of an employee who left, until somebody else reads for them."""

from __future__ import annotations

from machtiging.storage.migrations.script import run_script

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

_SPAN = "BETWEEN '0001-01-02 00:00:00+00' AND '9999-12-30 00:00:00+00'"

UP = f"""
CREATE TABLE handover (
    id uuid PRIMARY KEY,
    organisation_id uuid NOT NULL REFERENCES organisation,
    employee_id uuid NOT NULL,
    occasion text NOT NULL CHECK (occasion IN ('vertrek', 'ziekte', 'wissel')),
    opened_at timestamptz NOT NULL,
    mac bytea NOT NULL DEFAULT '',
    FOREIGN KEY (employee_id, organisation_id) REFERENCES employee (id, organisation_id),
    CONSTRAINT handover_times_reachable CHECK (opened_at {_SPAN})
);
CREATE INDEX ix_handover_organisation ON handover (organisation_id, id);
CREATE INDEX ix_handover_employee ON handover (employee_id);

CREATE TABLE handover_item (
    handover_id uuid NOT NULL REFERENCES handover,
    machtiging_id uuid NOT NULL REFERENCES machtiging,
    state text NOT NULL CHECK (state IN ('wacht', 'toegewezen', 'vervallen')),
    due_at timestamptz NOT NULL,
    told_at timestamptz,
    closed_at timestamptz,
    assignment_id uuid REFERENCES machtiging,
    mac bytea NOT NULL DEFAULT '',
    PRIMARY KEY (handover_id, machtiging_id),
    CONSTRAINT handover_item_closes_once CHECK ((state = 'wacht') = (closed_at IS NULL)),
    CONSTRAINT handover_item_assigned_has_assignment CHECK ((state = 'toegewezen') = (assignment_id IS NOT NULL)),
    CONSTRAINT handover_item_times_reachable CHECK (due_at {_SPAN} AND told_at {_SPAN} AND closed_at {_SPAN})
);
-- A client waits in one hand-over at a time.
CREATE UNIQUE INDEX uq_handover_item_waiting ON handover_item (machtiging_id) WHERE state = 'wacht';
CREATE INDEX ix_handover_item_machtiging ON handover_item (machtiging_id);
CREATE INDEX ix_handover_item_due ON handover_item (due_at) WHERE state = 'wacht' AND told_at IS NULL;
GRANT SELECT, INSERT ON handover TO machtiging_service;
GRANT UPDATE (mac) ON handover TO machtiging_service;
GRANT SELECT, INSERT, UPDATE ON handover_item TO machtiging_service;
"""

DOWN = "DROP TABLE handover_item, handover;"


def upgrade() -> None:
    """Build."""
    run_script(UP)


def downgrade() -> None:
    """Take it back."""
    run_script(DOWN)
