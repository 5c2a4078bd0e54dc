"""The organisation (KvK) of the session in which a consent arose, on everything that hangs on that consent."""

from __future__ import annotations

from machtiging.storage.migrations.script import run_script

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_TABLES = ("oauth_grant", "authorization_code", "refresh_token", "backchannel_request", "issued_token", "meldcode")
_ADD = "\n".join(
    f"ALTER TABLE {table} ADD COLUMN organisation_kvk text CHECK (organisation_kvk ~ '^[0-9]{{8}}$');"
    for table in _TABLES
)

# In which session a consent was given is not known for certain any more, so what exists under a professional's
# machtiging ends: consents with their tokens, and questions at a counter. So does a consent that was given in a session
# of an organisation under a machtiging that was accepted by a private person. The citizen sees it in her overview;
# the helper is told, and can let the app in again.
_END = """
WITH professional AS (
    SELECT id FROM machtiging WHERE gemachtigde_kvk IS NOT NULL OR capacity = 'professional'
), ended AS (
    UPDATE oauth_grant g SET ended_at = now(), end_reason = 'organisatie_onbekend'
    FROM machtiging m, oauth_client c
    WHERE m.id = g.machtiging_id AND c.client_id = g.client_id AND g.ended_at IS NULL
      AND (m.id IN (SELECT id FROM professional)
           OR EXISTS (SELECT FROM login_session s WHERE s.sid = g.session_id AND s.organisation_kvk IS NOT NULL))
    RETURNING g.id, g.client_id, g.person_id, g.machtiging_id, m.vertegenwoordigde_id,
        coalesce(c.registration ->> 'client_name', '') AS app
), tokens AS (
    UPDATE issued_token t SET revoked_at = now()
    WHERE t.revoked_at IS NULL
      AND (t.grant_id IN (SELECT id FROM ended) OR t.machtiging_id IN (SELECT id FROM professional))
), requests AS (
    UPDATE backchannel_request b SET state = 'denied', grant_id = NULL
    WHERE b.state IN ('pending', 'approved')
      AND (b.grant_id IN (SELECT id FROM ended) OR b.machtiging_id IN (SELECT id FROM professional))
), lines AS (
    INSERT INTO journal_intake (id, occurred_at, act, outcome, reason, capacity, client_id, for_person_id,
        machtiging_id, object_kind, object_id, request_id, facts)
    SELECT gen_random_uuid(), now(), 'grant:beeindigd', 'done', 'organisatie_onbekend', 'beheerder', client_id,
        vertegenwoordigde_id, machtiging_id, 'grant', id::text, gen_random_uuid()::text, '{"beheerder": "migratie"}'
    FROM ended
)
INSERT INTO notification (id, person_id, kind, facts, created_at, next_try_at, tries)
SELECT gen_random_uuid(), person_id, 'app_gestopt_organisatie',
    jsonb_build_object('grant_id', id::text, 'app', app, 'giver_id', vertegenwoordigde_id::text,
        'helper_id', person_id::text), now(), now(), 0
FROM ended;
"""

UP = _ADD + _END
DOWN = "\n".join(f"ALTER TABLE {table} DROP COLUMN organisation_kvk;" for table in reversed(_TABLES))


def upgrade() -> None:
    """Build."""
    run_script(UP)


def downgrade() -> None:
    """Take away again."""
    run_script(DOWN)
