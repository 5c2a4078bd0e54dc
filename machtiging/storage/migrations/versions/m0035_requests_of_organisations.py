"""A help request may be that of an organisation, through one of its employees."""

from __future__ import annotations

from machtiging.storage.migrations.script import run_script

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

UP = """
ALTER TABLE help_request
    ADD COLUMN organisation_id uuid REFERENCES organisation,
    ADD COLUMN employee_id uuid REFERENCES employee,
    ADD CONSTRAINT help_request_of_organisation_has_employee CHECK ((organisation_id IS NULL) = (employee_id IS NULL));
"""

DOWN = """
DELETE FROM help_request WHERE organisation_id IS NOT NULL;
ALTER TABLE help_request DROP COLUMN organisation_id, DROP COLUMN employee_id;
"""


def upgrade() -> None:
    """Build."""
    run_script(UP)


def downgrade() -> None:
    """Take it back."""
    run_script(DOWN)
