"""People, their sessions and the logins under way."""

from __future__ import annotations

from machtiging.storage.migrations.script import run_script

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

UP = """
CREATE TABLE person (
    id uuid PRIMARY KEY,
    bsn_index bytea UNIQUE CHECK (octet_length(bsn_index) = 32),
    bsn_sealed bytea,
    broker_issuer text,
    broker_subject text,
    profile_sealed bytea,
    data_key_wrapped bytea NOT NULL,
    kek_version integer NOT NULL CHECK (kek_version > 0),
    created_at timestamptz NOT NULL,
    CONSTRAINT person_is_known_somehow CHECK (bsn_index IS NOT NULL OR broker_subject IS NOT NULL),
    CONSTRAINT bsn_index_and_bsn_go_together CHECK ((bsn_index IS NULL) = (bsn_sealed IS NULL)),
    CONSTRAINT broker_issuer_and_subject_go_together CHECK ((broker_issuer IS NULL) = (broker_subject IS NULL)),
    CONSTRAINT uq_person_broker UNIQUE (broker_issuer, broker_subject)
);

CREATE TABLE login_session (
    id uuid PRIMARY KEY,
    token_hash bytea NOT NULL UNIQUE CHECK (octet_length(token_hash) = 32),
    person_id uuid NOT NULL REFERENCES person,
    assurance text NOT NULL CHECK (assurance IN ('laag', 'substantieel', 'hoog')),
    roles text[] NOT NULL,
    organisation_kvk text CHECK (organisation_kvk ~ '^[0-9]{8}$'),
    csrf_token text NOT NULL,
    authenticated_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL CHECK (expires_at > created_at),
    ended_at timestamptz
);
CREATE INDEX ix_login_session_person ON login_session (person_id);

CREATE TABLE login_attempt (
    state_hash bytea PRIMARY KEY CHECK (octet_length(state_hash) = 32),
    browser_hash bytea NOT NULL CHECK (octet_length(browser_hash) = 32),
    nonce text NOT NULL,
    code_verifier text NOT NULL,
    return_to text NOT NULL,
    requested_acr text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);

GRANT SELECT, INSERT, UPDATE ON person TO machtiging_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON login_session, login_attempt TO machtiging_service;
"""

DOWN = """
DROP TABLE login_attempt, login_session, person;
"""


def upgrade() -> None:
    """Build."""
    run_script(UP)


def downgrade() -> None:
    """Take away again."""
    run_script(DOWN)
