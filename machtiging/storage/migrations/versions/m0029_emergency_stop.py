"""The emergency stop of a citizen: nobody else reads her post until she lifts it.

Each machtiging that she gave says so itself, under its MAC, so that its authority needs no other row. Machtigingen that
exist keep their MAC: see `SealedTable.added_later`.
"""

from __future__ import annotations

from machtiging.storage.migrations.script import run_script

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

_TIMES = ("offered_at", "accepted_at", "paused_at", "ended_at")


def _reach(times: tuple[str, ...]) -> str:
    """As in 0020: times where every reader can hold them."""
    span = "'0001-01-02 00:00:00+00' AND '9999-12-30 00:00:00+00'"
    checks = " AND ".join(f"{column} BETWEEN {span}" for column in times)
    return f"ALTER TABLE machtiging ADD CONSTRAINT machtiging_times_reachable CHECK ({checks});"


UP = f"""
ALTER TABLE machtiging ADD COLUMN stopped_at timestamptz, DROP CONSTRAINT machtiging_times_reachable;
{_reach((*_TIMES, "stopped_at"))}

CREATE TABLE emergency_stop (
    person_id uuid PRIMARY KEY REFERENCES person,
    started_at timestamptz NOT NULL,
    lifted_at timestamptz,
    mac bytea NOT NULL DEFAULT '',
    CONSTRAINT emergency_stop_is_lifted_after_its_start CHECK (lifted_at >= started_at),
    CONSTRAINT emergency_stop_times_reachable CHECK (
        started_at BETWEEN '0001-01-02 00:00:00+00' AND '9999-12-30 00:00:00+00'
        AND lifted_at BETWEEN '0001-01-02 00:00:00+00' AND '9999-12-30 00:00:00+00')
);
GRANT SELECT, INSERT, UPDATE ON emergency_stop TO machtiging_service;
"""

# Without these columns the older version would let everybody read again.
DOWN = f"""
DO $$ BEGIN
    IF EXISTS (SELECT FROM emergency_stop WHERE lifted_at IS NULL) THEN
        RAISE EXCEPTION 'an emergency stop would be lifted: the older schema cannot hold it';
    END IF;
END $$;
DROP TABLE emergency_stop;
ALTER TABLE machtiging DROP CONSTRAINT machtiging_times_reachable, DROP COLUMN stopped_at;
{_reach(_TIMES)}
"""


def upgrade() -> None:
    """Build."""
    run_script(UP)


def downgrade() -> None:
    """Take it back."""
    run_script(DOWN)
