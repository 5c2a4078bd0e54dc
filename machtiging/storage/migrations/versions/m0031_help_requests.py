"""Help requests: a relative requests a machtiging, and the citizen who opens it with its code answers."""

from __future__ import annotations

from machtiging.storage.migrations.script import run_script

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

_SPAN = "BETWEEN '0001-01-02 00:00:00+00' AND '9999-12-30 00:00:00+00'"

UP = f"""
CREATE TABLE help_request (
    id uuid PRIMARY KEY,
    requester_id uuid NOT NULL REFERENCES person,
    requester_assurance text NOT NULL CHECK (requester_assurance IN ('substantieel', 'hoog')),
    code_hash bytea NOT NULL UNIQUE CHECK (octet_length(code_hash) = 32),
    words_sealed bytea NOT NULL CHECK (octet_length(words_sealed) <= 4000),
    scope jsonb NOT NULL,
    last_day date NOT NULL,
    state text NOT NULL CHECK (state IN ('waiting', 'agreed', 'refused', 'withdrawn')),
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    opened_by uuid REFERENCES person,
    opened_at timestamptz,
    decided_at timestamptz,
    machtiging_id uuid UNIQUE REFERENCES machtiging,
    mac bytea NOT NULL DEFAULT '',
    CONSTRAINT help_request_is_short CHECK (expires_at > created_at AND expires_at <= created_at + interval '14 days'),
    CONSTRAINT help_request_is_opened_by_another CHECK (opened_by <> requester_id),
    CONSTRAINT help_request_opening_has_a_time CHECK ((opened_by IS NULL) = (opened_at IS NULL)),
    CONSTRAINT help_request_decision_has_a_time CHECK ((state = 'waiting') = (decided_at IS NULL)),
    CONSTRAINT help_request_is_answered_after_opening CHECK (
        state NOT IN ('agreed', 'refused') OR opened_by IS NOT NULL),
    CONSTRAINT help_request_agreement_has_a_machtiging CHECK ((state = 'agreed') = (machtiging_id IS NOT NULL)),
    CONSTRAINT help_request_times_reachable CHECK (
        created_at {_SPAN} AND expires_at {_SPAN} AND opened_at {_SPAN} AND decided_at {_SPAN})
);
CREATE INDEX ix_help_request_requester_id ON help_request (requester_id);
CREATE INDEX ix_help_request_opened_by ON help_request (opened_by);
CREATE INDEX ix_help_request_expires_at ON help_request (expires_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON help_request TO machtiging_service;
"""

DOWN = "DROP TABLE help_request;"


def upgrade() -> None:
    """Build."""
    run_script(UP)


def downgrade() -> None:
    """Take it back."""
    run_script(DOWN)
