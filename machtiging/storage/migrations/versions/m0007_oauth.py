"""Clients, pushed requests, grants, codes and used assertion ids."""

from __future__ import annotations

from machtiging.storage.migrations.script import run_script

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

UP = """
CREATE TABLE oauth_client (
    client_id text PRIMARY KEY CHECK (client_id <> ''),
    registration jsonb NOT NULL,
    oin text REFERENCES agency,
    state text NOT NULL CHECK (state IN ('proposed', 'active', 'suspended')),
    created_at timestamptz NOT NULL
);

CREATE TABLE pushed_request (
    uri_hash bytea PRIMARY KEY CHECK (octet_length(uri_hash) = 32),
    client_id text NOT NULL REFERENCES oauth_client,
    params jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz
);
CREATE INDEX ix_pushed_request_expires_at ON pushed_request (expires_at);

CREATE TABLE oauth_grant (
    id uuid PRIMARY KEY,
    client_id text NOT NULL REFERENCES oauth_client,
    person_id uuid NOT NULL REFERENCES person,
    machtiging_id uuid REFERENCES machtiging,
    authorization_details jsonb NOT NULL,
    scope text NOT NULL,
    assurance text NOT NULL CHECK (assurance IN ('laag', 'substantieel', 'hoog')),
    authenticated_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    ended_at timestamptz,
    end_reason text,
    CONSTRAINT grant_ended_says_why CHECK ((ended_at IS NULL) = (end_reason IS NULL))
);
CREATE INDEX ix_oauth_grant_person_id ON oauth_grant (person_id);
CREATE INDEX ix_oauth_grant_machtiging_id ON oauth_grant (machtiging_id);

CREATE TABLE authorization_code (
    code_hash bytea PRIMARY KEY CHECK (octet_length(code_hash) = 32),
    client_id text NOT NULL REFERENCES oauth_client,
    grant_id uuid NOT NULL REFERENCES oauth_grant,
    redirect_uri text NOT NULL,
    scope text NOT NULL,
    nonce text,
    code_challenge text NOT NULL CHECK (char_length(code_challenge) = 43),
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL CHECK (expires_at <= created_at + interval '1 minute'),
    used_at timestamptz
);
CREATE INDEX ix_authorization_code_expires_at ON authorization_code (expires_at);
CREATE INDEX ix_authorization_code_grant_id ON authorization_code (grant_id);

CREATE TABLE used_assertion (
    client_id text NOT NULL,
    jti_hash bytea NOT NULL CHECK (octet_length(jti_hash) = 32),
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (client_id, jti_hash)
);
CREATE INDEX ix_used_assertion_expires_at ON used_assertion (expires_at);

GRANT SELECT, INSERT, UPDATE ON oauth_client, oauth_grant TO machtiging_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON pushed_request, authorization_code, used_assertion TO machtiging_service;
"""

DOWN = """
DROP TABLE used_assertion, authorization_code, oauth_grant, pushed_request, oauth_client;
"""


def upgrade() -> None:
    """Build."""
    run_script(UP)


def downgrade() -> None:
    """Take away again."""
    run_script(DOWN)
