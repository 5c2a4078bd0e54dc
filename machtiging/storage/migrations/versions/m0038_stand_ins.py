"""Stand-ins: two periods of the same colleagues may follow each other, and 42 days may have a clock change."""

from __future__ import annotations

from machtiging.storage.migrations.script import run_script

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None

UP = """
DROP INDEX uq_machtiging_employee;
CREATE UNIQUE INDEX uq_machtiging_employee ON machtiging (parent_id, employee_id, stand_in_id) NULLS NOT DISTINCT
    WHERE employee_id IS NOT NULL AND state <> 'ended';
CREATE INDEX ix_machtiging_stand_in ON machtiging (stand_in_id) WHERE stand_in_id IS NOT NULL;
CREATE INDEX ix_stand_in_organisation ON stand_in (organisation_id, id);
ALTER TABLE stand_in
    DROP CONSTRAINT stand_in_lasts_six_weeks,
    ADD CONSTRAINT stand_in_lasts_six_weeks CHECK (
        ends_at > starts_at AND ends_at <= starts_at + interval '42 days 1 hour');
"""

DOWN = """
DROP INDEX ix_machtiging_stand_in, ix_stand_in_organisation, uq_machtiging_employee;
CREATE UNIQUE INDEX uq_machtiging_employee ON machtiging (parent_id, employee_id)
    WHERE employee_id IS NOT NULL AND state <> 'ended';
ALTER TABLE stand_in
    DROP CONSTRAINT stand_in_lasts_six_weeks,
    ADD CONSTRAINT stand_in_lasts_six_weeks CHECK (
        ends_at > starts_at AND ends_at <= starts_at + interval '42 days') NOT VALID;
"""


def upgrade() -> None:
    """Build."""
    run_script(UP)


def downgrade() -> None:
    """Take it back."""
    run_script(DOWN)
