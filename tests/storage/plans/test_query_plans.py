"""Query plans: no hot statement does a sequential scan of a grown table.

A new hot statement is added by a line in `WORK`: something that says it, on a world with a row in every table.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from machtiging.audit.seal import seal_intake
from machtiging.delegation.assignment_tasks.execution import run_due_items
from machtiging.delegation.help_requests.retention import expired_delegation_rows_sweep
from machtiging.identity.session import SessionLimits
from machtiging.identity.session_end import end_all_sessions, load_active_sessions
from machtiging.kernel.assurance import Assurance
from machtiging.notifications.mailer import Mailer
from machtiging.notifications.outbox_dispatcher import send_due_notifications
from machtiging.oauth.openid import backchannel_logout as logout
from machtiging.oauth.openid.session_expiry import expire_sessions
from machtiging.oauth.retention import delete_expired_rows
from machtiging.organisations.invitations.acceptance import InvitedLogin, preview_invitation
from machtiging.organisations.invitations.administration import invite_by_link
from machtiging.organisations.invitations.links import derive_link_token
from machtiging.organisations.invitations.rules import LinkInvitation
from machtiging.organisations.rules import ActingEmployee, EmployeeRole
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.flow import Flow, OAuthWorld, make_oauth_world
from tests.builders.keys import load_keyring
from tests.builders.letters import BerichtenboxWorld, make_api_world, make_pdf
from tests.builders.mail import MAIL_CONTACT
from tests.builders.people import ISSUER
from tests.builders.portal import Portal, make_portal
from tests.builders.tokens import RefreshTokenHolder, make_refresh_token_holder
from tests.protocol.backchannel_logout.logout_receiver import make_logout_sender
from tests.storage.plans.query_plans import grow, growing_tables, plan_of, recorded, superuser, whole_tables_read
from tests.storage.plans.work_pages import WorkPages

pytestmark = pytest.mark.whole
ROWS = 4_000
SECOND = timedelta(seconds=1)
LIMITS = SessionLimits(idle_timeout=timedelta(minutes=15), absolute_timeout=timedelta(hours=8))
PAGES = (
    "/ik-help/vragen",
    "/helpers/vraag",
    "/machtigingen",
    "/machtigingen/{machtiging}",
    "/berichten",
    "/wie-keek-mee",
    "/ik-help",
    "/apps",
    "/",
    "/aan-de-balie",
    "/verzoeken",
    "/controleren",
    "/controleren/nieuw/{machtiging}",
)
# Most rows of a table are finished.
DONE = "to_jsonb(now())"
MOST_ARE = {
    "agency_pseudonym": {"pseudonym": "'pseudonym-of-twenty-' || n"},
    "verification_code_try": {"asker": "n::text"},
    "client_search_key": {"search_key": r"'\x' || md5(n::text)"},
    "login_session": {"ended_at": DONE},
    "notification": {"sent_at": DONE},
    "logout_notice": {"sent_at": DONE},
    "bericht": {"sender_reference": "n || random()::text"},
    "journal": {"seq": "n + 1000000"},
    "journal_head": {"seq": "n + 1000000"},
    "organisation": {"oin": "lpad(n::text, 20, '0')", "kvk": "NULL"},
    "employee": {"state": "'vertrokken'", "ends_at": DONE},
    "team_membership": {"ends_at": DONE},
    "person": {"broker_subject": "n::text", "broker_issuer": "'https://inloggen.test'"},
    "backchannel_request": {"state": "'expired'"},
    "meldcode": {"used_at": DONE},
    "machtigingscode": {"used_at": DONE},
    "register_event": {"source_event_id": "n::text", "sequence_number": "n + 1"},
    "statutory_relation": {"relation_reference": "n::text"},
    "task": {"finished_at": DONE},
    "task_item": {"state": "'gedaan'", "done_at": DONE},
}


# Tables in which the set-up leaves no row.
FIRST_ROWS = """
INSERT INTO login_attempt SELECT sha256('s'), sha256('b'), 'n', 'v', '/', 'x', AT, AT + interval '10 minutes', true;
INSERT INTO kept_form VALUES (sha256('b'), sha256('p'), gen_random_uuid(), 'x', AT, AT + interval '10 minutes');
INSERT INTO form_draft VALUES (gen_random_uuid(), gen_random_uuid(), 'x', AT, AT, AT + interval '4 hours');
INSERT INTO helper_name VALUES (gen_random_uuid(), 'x');
INSERT INTO saved_filter VALUES (gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'x', AT);
INSERT INTO agency_pseudonym VALUES ('00000099000000001000', 'pseudonym-of-twenty-', gen_random_uuid(), AT);
INSERT INTO helper_note VALUES (gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), gen_random_uuid(),
    gen_random_uuid(), AT, 'x');
INSERT INTO client_search_key VALUES (gen_random_uuid(), substring(sha256('k') FOR 16), gen_random_uuid());
INSERT INTO emergency_stop (person_id, started_at) VALUES (gen_random_uuid(), AT);
INSERT INTO help_request
    (id, requester_id, requester_assurance, code_hash, words_sealed, scope, last_day, state, created_at, expires_at)
VALUES (gen_random_uuid(), gen_random_uuid(), 'hoog', sha256('h'), 'x', '{}', AT::date, 'waiting', AT,
    AT + interval '14 days');
INSERT INTO verification_code (id, code_hash, machtiging_id, vertegenwoordigde_id, maker_id, oin, purpose, created_at,
    expires_at)
VALUES (gen_random_uuid(), sha256('v'), gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'x', 'balie', AT,
    AT + interval '1 day');
INSERT INTO verification_code_try VALUES (gen_random_uuid(), 'x', AT);
INSERT INTO code_try VALUES (gen_random_uuid(), gen_random_uuid(), AT);
INSERT INTO used_proof VALUES (sha256('p'), AT + interval '5 minutes');
INSERT INTO meldcode VALUES (sha256('c'), gen_random_uuid(), AT, AT + interval '15 minutes');
INSERT INTO logout_notice (id, client_id, uri, person_id, session_id, created_at, next_try_at)
VALUES (gen_random_uuid(), 'app', 'https://app.example', gen_random_uuid(), gen_random_uuid(), AT, AT);
INSERT INTO backchannel_request
    (request_hash, client_id, person_id, params, binding_message, state, created_at, expires_at, interval_seconds)
VALUES (sha256('r'), 'app', gen_random_uuid(), '{}', 'x', 'expired', AT, AT + interval '5 minutes', 5);
INSERT INTO organisation (id, oin, name, kind, ceiling_sensitivity, ceiling_days, created_at)
VALUES (gen_random_uuid(), '00000099000000099000', 'x', 'overheid', 'gewoon', 1, AT);
INSERT INTO recognition (organisation_id, number, status, ground, decision_reference, proposed_at, confirmed_at)
VALUES (gen_random_uuid(), 1, 'aangevraagd', 'x', '', AT, AT);
INSERT INTO four_eyes_proposal (id, organisation_id, proposed_by, proposed_at)
VALUES (gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), AT);
INSERT INTO employee (id, organisation_id, person_id, display_name_sealed, roles, state, starts_at, invited_at)
VALUES (gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'x', '{}', 'actief', AT, AT);
INSERT INTO invitation_link (id, organisation_id, invited_by, email_index, email_sealed, display_name_sealed, roles,
    minimum_level, link_number, token_hash, invited_at, expires_at, mail_next_at)
VALUES (gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'x', 'x', 'x', '{balie}', 'hoog', 1, sha256('u'),
    AT - interval '9 days', AT, AT + interval '1 hour');
INSERT INTO team VALUES (gen_random_uuid(), gen_random_uuid(), AT::text);
INSERT INTO team_membership VALUES (gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), AT);
INSERT INTO stand_in VALUES (gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), AT,
    AT + interval '1 day', gen_random_uuid());
INSERT INTO handover VALUES (gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'vertrek', AT);
INSERT INTO handover_item VALUES (gen_random_uuid(), gen_random_uuid(), 'wacht', AT);
INSERT INTO assignment (machtiging_id, kind, assigned_at) VALUES (gen_random_uuid(), 'vast', AT);
INSERT INTO machtigingsverzoek
    (id, organisation_id, requested_by, purpose, channel, state, scope, created_at, expires_at)
VALUES (gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'post bijhouden', 'brief', 'verstuurd', '{}', AT,
    AT + interval '21 days');
INSERT INTO statutory_relation (id, vertegenwoordigde_id, vertegenwoordiger_id, kind, extent, register_name,
    relation_reference, evidence_reference, registered_at, starts_at, professional)
VALUES (gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'bewind', 'alles', 'CCBR', 'r', 'x', AT, AT, true);
INSERT INTO register_event (id, source, source_event_id, sequence_number, type, kind, relation_reference,
    vertegenwoordigde_id, is_organisation, effective_on, evidence_reference, registered_on, body_hash, received_at,
    applied_at, outcome)
VALUES (gen_random_uuid(), 'x', 'g', 1, 'begin', 'bewind', 'r', gen_random_uuid(), false, '2026-01-01', 'x',
    '2026-01-01', 'x', AT, AT, 'verwerkt');
INSERT INTO majority_notice VALUES (gen_random_uuid(), 'achttien_over_een_week', AT);
INSERT INTO record_opening (id, purpose, case_number, asked_by, asker_role, asked_at)
VALUES (gen_random_uuid(), 'klacht', 'ZAAK-1', gen_random_uuid(), 'auditor', AT);
INSERT INTO task (id, kind, organisation_id, employee_id, person_id, assurance, total, request_digest, created_at)
VALUES (gen_random_uuid(), 'toewijzen', gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'hoog', 1, 'x', AT);
INSERT INTO task_item VALUES (gen_random_uuid(), 0, gen_random_uuid(), 'x', 'wacht', NULL, NULL, NULL, 0, AT);
INSERT INTO organisation_stop_notice VALUES (gen_random_uuid(), 1, AT);
"""


@dataclass
class Grown:
    """Every part of the service on one database with rows."""

    database: Any
    oauth: OAuthWorld
    portal: Portal
    box: BerichtenboxWorld
    holder: RefreshTokenHolder
    flow: Flow
    work: WorkPages
    letter: str
    token: str


async def _open_page(grown_database: Grown, path: str) -> None:
    for browser in (await grown_database.portal.mother(), await grown_database.portal.son()):
        await browser.open_page(ISSUER + path.replace("{machtiging}", str(grown_database.holder.machtiging.id)))


async def _open_notes(grown_database: Grown) -> None:
    mother = await grown_database.portal.mother()
    await mother.open_page(f"{ISSUER}/helpers/{grown_database.holder.machtiging.id}/notities")
    await mother.open_page(f"{ISSUER}/brieven/{grown_database.letter}")


async def _open_with_names(grown_database: Grown) -> None:
    son = await grown_database.portal.son()
    for path in ("/ik-help", "/brieven", f"/ik-help/{grown_database.holder.machtiging.id}/wat-ik-deed"):
        await son.open_page(ISSUER + path)


async def _ask(grown_database: Grown, path: str) -> None:
    async with grown_database.box.client(grown_database.token) as client:
        answer = await client.get("/api/v1" + path.replace("{bericht}", grown_database.letter))
    assert answer.status_code == 200, answer.text


async def _no_address(_session: Any, _person: Any) -> None:
    return None


async def _end_sessions(grown_database: Grown) -> None:
    async with unit_of_work(grown_database.oauth.sessions) as session:
        person, at = grown_database.oauth.committed.people.son, grown_database.oauth.clock.now()
        await load_active_sessions(session, person, LIMITS, at=at)
        await end_all_sessions(session, person, at=at)


async def _invite(grown_database: Grown) -> None:
    office, at, keys = grown_database.work.office, grown_database.oauth.clock.now(), load_keyring()
    actor = ActingEmployee(office.worker, office.employee, office.organisation)
    invitation = LinkInvitation("noor@x.example", "Noor Nieuw", frozenset({EmployeeRole.CARE_WORKER}), Assurance.HIGH)
    async with unit_of_work(grown_database.oauth.sessions) as session:
        invited = await invite_by_link(session, keys, actor, invitation, at=at)
        mother = grown_database.oauth.committed.people.mother
        login = InvitedLogin(mother, office.kvk, Assurance.HIGH, at)
        await preview_invitation(session, keys, login, derive_link_token(keys, invited, 1), at=at)


Work = Callable[[Grown], Awaitable[Any]]
WORKLOADS: dict[str, Work] = {
    "log in": lambda it: it.oauth.world.browser().log_in("naaste"),
    "look up a session": lambda it: it.flow.browser.get("/ik"),
    "push a request": lambda it: it.flow.pushed(),
    "agree and redeem": lambda it: it.flow.tokens(),
    "refresh": lambda it: it.holder.refreshed(),
    "introspect": lambda it: it.holder.active(it.holder.access),
    "revoke": lambda it: it.holder.app.post("/revoke", {"token": it.holder.access}),
    "list": lambda it: _ask(it, "/berichten"),
    "read": lambda it: _ask(it, "/berichten/{bericht}"),
    **{f"page {path}": lambda it, path=path: _open_page(it, path) for path in PAGES},
    "notes of a helper": lambda it: _open_notes(it),
    "names in the header": lambda it: _open_with_names(it),
    "pages of an organisation and of the operator": lambda it: it.work.open_all(),
    "sweep": lambda it: delete_expired_rows(it.oauth.sessions, it.oauth.clock, expired_delegation_rows_sweep),
    "expire sessions": lambda it: expire_sessions(it.oauth.sessions, LIMITS, it.oauth.clock),
    "send mail": lambda it: send_due_notifications(
        it.oauth.sessions,
        _no_address,
        Mailer("127.0.0.1", 1, False, "x@machtigen.example", MAIL_CONTACT),
        it.oauth.clock,
    ),
    "invite by a link": _invite,
    "do items of tasks": lambda it: run_due_items(it.oauth.sessions, load_keyring(), it.oauth.clock, asyncio.Event()),
    "tell apps": lambda it: logout.send_due_notices(make_logout_sender(it.oauth)),
    "sessions of a person": _end_sessions,
}


@pytest.fixture
async def grown_database(database, clock):
    """A database with thousands of rows in each table that grows, and its users."""
    oauth, portal, box = (
        await make_oauth_world(database, clock),
        await make_portal(database, clock),
        await make_api_world(database, clock),
    )
    holder = await make_refresh_token_holder(oauth)
    flow = await oauth.start_flow()
    await flow.tokens()
    letter = await box.deliver_letter(("brief.pdf", make_pdf(), "application/pdf"))
    token = await box.issue_helper_token()
    work = await WorkPages.make(box, portal)
    made = Grown(database, oauth, portal, box, holder, flow, work, letter, token)
    await _ask(made, "/berichten/{bericht}")
    await seal_intake(database.sealer, box.keyring, clock)
    await _ask(made, "/berichten/{bericht}")  # a line that waits
    async with superuser(database.url) as connection:
        await connection.execute("SET session_replication_role = replica")
        for statement in FIRST_ROWS.split(";")[:-1]:
            instants = [clock.now()] if "AT" in statement else []
            await connection.execute(statement.replace("AT", "$1::timestamptz"), *instants)
        for table in sorted(await growing_tables(connection)):
            await grow(connection, table, ROWS, **MOST_ARE.get(table, {}))
        await connection.execute("ANALYZE")
    yield made
    await portal.close()
    await oauth.close()


async def test_hot_statement_does_no_sequential_scan(grown_database):
    found: dict[str, set[str]] = {}
    plans = 0
    async with superuser(grown_database.database.url) as connection:
        growing = await growing_tables(connection)
        empty = {one for one in growing if await connection.fetchval(f"SELECT count(*) FROM {one}") <= ROWS}
        assert empty == set(), "give these a row in FIRST_ROWS, or put them in DO_NOT_GROW"
        for name, work in WORKLOADS.items():
            with recorded(grown_database.database.service, grown_database.database.sealer) as heard:
                await work(grown_database)
            assert heard, name
            for said in {one.statement: one for one in heard}.values():
                if said.statement.split(" ", 1)[0].upper().rstrip(";") in (
                    "SELECT",
                    "INSERT",
                    "UPDATE",
                    "DELETE",
                    "WITH",
                ):
                    plans += 1
                    if whole := whole_tables_read(await plan_of(connection, said)) & growing:
                        found[f"{name}: {said.statement}"] = whole
    assert found == {}
    assert plans > 50


async def test_sequential_scan_without_index_is_detected(grown_database):
    async with superuser(grown_database.database.url) as connection:
        await connection.execute("DROP INDEX ix_login_session_over")
        with recorded(grown_database.database.service) as heard:
            await delete_expired_rows(grown_database.oauth.sessions, grown_database.oauth.clock)
        plans = [await plan_of(connection, said) for said in heard if "login_session" in said.statement]
        assert {"login_session"} <= set().union(*map(whole_tables_read, plans))
