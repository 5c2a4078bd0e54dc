"""What the authorization server needs in depth: bound tokens, refresh, CIBA, registration by programs, logout."""

from __future__ import annotations

from machtiging.storage.migrations.script import run_script

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

UP = """
ALTER TABLE issued_token
    ADD COLUMN audience text NOT NULL DEFAULT '',
    ADD COLUMN jkt text CHECK (char_length(jkt) = 43),
    ADD COLUMN x5t text CHECK (char_length(x5t) = 43),
    ADD COLUMN parent_id uuid REFERENCES issued_token,
    ADD CONSTRAINT token_is_bound_one_way CHECK (jkt IS NULL OR x5t IS NULL);
CREATE INDEX ix_issued_token_parent_id ON issued_token (parent_id);
-- A client itself may have a token for what is not our API: to manage the grants that it was given.
ALTER TABLE issued_token
    DROP CONSTRAINT token_is_for_somebody,
    ADD CONSTRAINT token_is_for_somebody CHECK (person_id IS NOT NULL OR oin IS NOT NULL OR audience <> '');

ALTER TABLE oauth_client
    ADD COLUMN registration_token_hash bytea CHECK (octet_length(registration_token_hash) = 32),
    ADD COLUMN fetched_jwks jsonb,
    ADD COLUMN fetched_at timestamptz,
    ADD COLUMN fetch_failed_at timestamptz,
    ADD COLUMN by_program boolean NOT NULL DEFAULT false,
    ADD COLUMN withdrawn_at timestamptz,
    ADD COLUMN unseen_changes integer NOT NULL DEFAULT 0 CHECK (unseen_changes >= 0),
    ADD CONSTRAINT withdrawn_is_suspended CHECK (withdrawn_at IS NULL OR state = 'suspended'),
    ADD CONSTRAINT fetched_says_when CHECK ((fetched_jwks IS NULL) = (fetched_at IS NULL));
CREATE UNIQUE INDEX one_server_per_resource ON oauth_client ((registration ->> 'resource'));

ALTER TABLE oauth_grant
    ADD COLUMN session_id uuid,
    ADD COLUMN requested_claims jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN managed boolean NOT NULL DEFAULT false,
    ADD COLUMN resource text NOT NULL DEFAULT '';
CREATE INDEX ix_oauth_grant_session_id ON oauth_grant (session_id);
CREATE INDEX ix_oauth_grant_client_id ON oauth_grant (client_id);

ALTER TABLE authorization_code
    ADD COLUMN jkt text CHECK (char_length(jkt) = 43),
    ADD COLUMN resource text;

-- What a session is called by those it was shown to: the same after the same person logged in again.
ALTER TABLE login_session ADD COLUMN sid uuid NOT NULL DEFAULT gen_random_uuid();
-- Every worker asks every quarter of a minute which have come to their end; of those that go on there are few.
CREATE INDEX ix_login_session_going_on ON login_session (expires_at) WHERE ended_at IS NULL;
ALTER TABLE login_attempt ADD COLUMN fresh boolean NOT NULL DEFAULT false;
ALTER TABLE pushed_request ADD COLUMN sent_to_login_at timestamptz;

CREATE TABLE refresh_token (
    token_hash bytea PRIMARY KEY CHECK (octet_length(token_hash) = 32),
    grant_id uuid NOT NULL REFERENCES oauth_grant,
    client_id text NOT NULL REFERENCES oauth_client,
    resource text,
    jkt text CHECK (char_length(jkt) = 43),
    x5t text CHECK (char_length(x5t) = 43),
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL CHECK (expires_at <= created_at + interval '24 hours'),
    used_at timestamptz
);
CREATE INDEX ix_refresh_token_grant_id ON refresh_token (grant_id);
CREATE INDEX ix_refresh_token_expires_at ON refresh_token (expires_at);

CREATE TABLE used_proof (
    proof_hash bytea PRIMARY KEY CHECK (octet_length(proof_hash) = 32),
    expires_at timestamptz NOT NULL
);
CREATE INDEX ix_used_proof_expires_at ON used_proof (expires_at);

CREATE TABLE backchannel_request (
    request_hash bytea PRIMARY KEY CHECK (octet_length(request_hash) = 32),
    client_id text NOT NULL REFERENCES oauth_client,
    person_id uuid REFERENCES person,
    machtiging_id uuid REFERENCES machtiging,
    params jsonb NOT NULL,
    binding_message text NOT NULL CHECK (char_length(binding_message) BETWEEN 1 AND 40),
    state text NOT NULL CHECK (state IN ('pending', 'approved', 'denied', 'expired', 'used')),
    grant_id uuid REFERENCES oauth_grant,
    jkt text CHECK (char_length(jkt) = 43),
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL CHECK (expires_at <= created_at + interval '10 minutes'),
    polled_at timestamptz,
    interval_seconds integer NOT NULL CHECK (interval_seconds BETWEEN 1 AND 60),
    CONSTRAINT nobody_approves_nothing CHECK (person_id IS NOT NULL OR state NOT IN ('approved', 'used')),
    CONSTRAINT approved_has_a_grant CHECK ((state IN ('approved', 'used')) = (grant_id IS NOT NULL))
);
CREATE UNIQUE INDEX one_pending_request_per_pair ON backchannel_request (client_id, person_id) WHERE state = 'pending';
CREATE INDEX ix_backchannel_request_expires_at ON backchannel_request (expires_at);
CREATE INDEX ix_backchannel_request_person_id ON backchannel_request (person_id);

CREATE TABLE meldcode (
    code_hash bytea PRIMARY KEY CHECK (octet_length(code_hash) = 32),
    person_id uuid NOT NULL REFERENCES person,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL CHECK (expires_at <= created_at + interval '15 minutes'),
    used_at timestamptz
);
CREATE UNIQUE INDEX one_open_meldcode_per_person ON meldcode (person_id) WHERE used_at IS NULL;
CREATE INDEX ix_meldcode_expires_at ON meldcode (expires_at);

CREATE TABLE initial_access_token (
    token_hash bytea PRIMARY KEY CHECK (octet_length(token_hash) = 32),
    note text NOT NULL CHECK (char_length(note) BETWEEN 1 AND 200),
    uses_left integer NOT NULL CHECK (uses_left >= 0),
    refused integer NOT NULL DEFAULT 0 CHECK (refused >= 0),
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    withdrawn_at timestamptz
);

CREATE TABLE logout_notice (
    id uuid PRIMARY KEY,
    client_id text NOT NULL REFERENCES oauth_client,
    uri text NOT NULL,
    person_id uuid NOT NULL REFERENCES person,
    session_id uuid NOT NULL,
    created_at timestamptz NOT NULL,
    next_try_at timestamptz NOT NULL,
    tries integer NOT NULL DEFAULT 0,
    sent_at timestamptz,
    given_up_at timestamptz
);
CREATE INDEX ix_logout_notice_next_try_at ON logout_notice (next_try_at) WHERE sent_at IS NULL AND given_up_at IS NULL;

GRANT SELECT, INSERT, UPDATE, DELETE ON refresh_token, used_proof, backchannel_request, meldcode, initial_access_token,
    logout_notice TO machtiging_service;
"""

DOWN = """
DROP TABLE logout_notice, initial_access_token, meldcode, backchannel_request, used_proof, refresh_token;
ALTER TABLE pushed_request DROP COLUMN sent_to_login_at;
ALTER TABLE login_attempt DROP COLUMN fresh;
DROP INDEX ix_login_session_going_on;
ALTER TABLE login_session DROP COLUMN sid;
ALTER TABLE authorization_code DROP COLUMN resource, DROP COLUMN jkt;
ALTER TABLE oauth_grant DROP COLUMN resource, DROP COLUMN managed, DROP COLUMN requested_claims, DROP COLUMN session_id;
DROP INDEX ix_oauth_grant_client_id;
DROP INDEX one_server_per_resource;
ALTER TABLE oauth_client DROP COLUMN unseen_changes, DROP COLUMN withdrawn_at, DROP COLUMN by_program,
    DROP COLUMN fetch_failed_at, DROP COLUMN fetched_at, DROP COLUMN fetched_jwks,
    DROP COLUMN registration_token_hash;
DELETE FROM issued_token WHERE person_id IS NULL AND oin IS NULL;
ALTER TABLE issued_token
    DROP CONSTRAINT token_is_for_somebody,
    ADD CONSTRAINT token_is_for_somebody CHECK (person_id IS NOT NULL OR oin IS NOT NULL);
ALTER TABLE issued_token DROP COLUMN parent_id, DROP COLUMN x5t, DROP COLUMN jkt, DROP COLUMN audience;
"""


def upgrade() -> None:
    """Build."""
    run_script(UP)


def downgrade() -> None:
    """Take away again."""
    run_script(DOWN)
