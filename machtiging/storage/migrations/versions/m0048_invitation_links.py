"""Invitations of employees by a link in an e-mail. The row holds a hash of the link, and is used once."""

from __future__ import annotations

from machtiging.storage.migrations.script import run_script

revision = "0048"
down_revision = "0047"
branch_labels = None
depends_on = None

_TIMES = ("invited_at", "expires_at", "accepted_at", "withdrawn_at", "mail_next_at", "mail_sent_at", "mail_given_up_at")
_REACHABLE = " AND ".join(f"{name} BETWEEN '0001-01-02 00:00:00+00' AND '9999-12-30 00:00:00+00'" for name in _TIMES)

UP = f"""
CREATE TABLE invitation_link (
    id uuid PRIMARY KEY,
    organisation_id uuid NOT NULL REFERENCES organisation,
    invited_by uuid NOT NULL,
    email_index bytea NOT NULL,
    email_sealed bytea NOT NULL,
    display_name_sealed bytea NOT NULL,
    roles text[] NOT NULL CHECK (cardinality(roles) > 0 AND roles <@ ARRAY['organisatiebeheerder', 'teamleider',
        'hulpverlener', 'toezicht', 'balie', 'telefoon', 'controleur']),
    minimum_level text NOT NULL CHECK (minimum_level IN ('substantieel', 'hoog')),
    link_number integer NOT NULL CHECK (link_number > 0),
    token_hash bytea NOT NULL UNIQUE,
    invited_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL CHECK (expires_at > invited_at),
    accepted_at timestamptz,
    employee_id uuid,
    withdrawn_at timestamptz,
    mail_tries integer NOT NULL DEFAULT 0,
    mail_next_at timestamptz NOT NULL,
    mail_sent_at timestamptz,
    mail_given_up_at timestamptz,
    mac bytea NOT NULL DEFAULT '',
    CONSTRAINT invitation_link_supervisor_is_no_helper CHECK (NOT roles @> ARRAY['toezicht', 'hulpverlener']),
    CONSTRAINT invitation_link_ends_once CHECK (accepted_at IS NULL OR withdrawn_at IS NULL),
    CONSTRAINT invitation_link_accepted_by_an_employee CHECK ((accepted_at IS NULL) = (employee_id IS NULL)),
    CONSTRAINT invitation_link_times_reachable CHECK ({_REACHABLE}),
    FOREIGN KEY (invited_by, organisation_id) REFERENCES employee (id, organisation_id),
    FOREIGN KEY (employee_id, organisation_id) REFERENCES employee (id, organisation_id)
);
CREATE UNIQUE INDEX uq_invitation_link_open ON invitation_link (organisation_id, email_index)
    WHERE accepted_at IS NULL AND withdrawn_at IS NULL;
CREATE INDEX ix_invitation_link_mail ON invitation_link (mail_next_at, id)
    WHERE mail_sent_at IS NULL AND mail_given_up_at IS NULL AND accepted_at IS NULL AND withdrawn_at IS NULL;
CREATE INDEX ix_invitation_link_expires ON invitation_link (expires_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON invitation_link TO machtiging_service;

CREATE FUNCTION invitation_link_is_used_once() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF (OLD.accepted_at IS NOT NULL OR OLD.withdrawn_at IS NOT NULL)
       AND to_jsonb(NEW) - '{{mac,mail_tries,mail_next_at,mail_sent_at,mail_given_up_at}}'::text[]
           <> to_jsonb(OLD) - '{{mac,mail_tries,mail_next_at,mail_sent_at,mail_given_up_at}}'::text[] THEN
        RAISE EXCEPTION 'an invitation is used or withdrawn once' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER invitation_link_is_used_once BEFORE UPDATE ON invitation_link
    FOR EACH ROW EXECUTE FUNCTION invitation_link_is_used_once();
"""

DOWN = """
DROP TABLE invitation_link;
DROP FUNCTION invitation_link_is_used_once;
"""


def upgrade() -> None:
    """Build."""
    run_script(UP)


def downgrade() -> None:
    """Take it back."""
    run_script(DOWN)
