"""HEAD (RFC 9110 section 9.3.2) on every GET route. Same guard, same journal line, no body and no side effect."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import text

from machtiging.access_tokens.tokens import insert_token
from machtiging.storage.unit_of_work import unit_of_work
from machtiging.web.frame.assets import asset_url
from machtiging.web.framework_internals import list_routes
from tests.builders.applications import API_ISSUER
from tests.builders.bearer import make_token_facts, sign_access_token
from tests.builders.database import bypass_triggers
from tests.builders.keys import NOON, KeyHolder
from tests.builders.letters import make_pdf
from tests.builders.machtiging import update_machtiging
from tests.builders.rows import BERICHTEN, BIJLAGEN, JOURNAL_INTAKE, LOGIN_ATTEMPTS, MACHTIGINGEN, READER_MARKS
from tests.builders.server import make_full_application_world, serve_socket_pairs

API = "/api/v1/berichten"
PDF = "application/pdf"
VARY_BY_REQUEST = {"x-request-id", "content-length", "set-cookie", "location", "dpop-nonce"}
# GET of these has side effects, so HEAD is answered without doing anything.
LOGIN_ROUTES = {"/inloggen", "/inloggen/terug"}


@pytest.fixture
async def whole_world(database, clock, tmp_path):
    """The whole application, with a citizen and a helper."""
    made = await make_full_application_world(database.url, clock, tmp_path)
    yield made
    await made.app.state.services.broker.aclose()
    for engine in made.app.state.services.engines:
        await engine.dispose()


def get_paths(app):
    return sorted({path for path, route in list_routes(app) if "GET" in (getattr(route, "methods", None) or ())})


def fill_path(path):
    return re.sub(r"\{[^}]+\}", "0197c0de-0000-7000-8000-000000000000", path)


def status_and_headers(answer):
    """The status and the headers that are the same each time."""
    return answer.status_code, {name: v for name, v in answer.headers.items() if name not in VARY_BY_REQUEST}


async def read_journal_lines(sessions):
    """The journal lines: act, outcome, reason, actor, object."""
    async with unit_of_work(sessions) as session:
        return [
            tuple(row)
            for row in await JOURNAL_INTAKE.read(
                session,
                "act",
                "outcome",
                "reason",
                "actor_id",
                "capacity",
                "client_id",
                "for_person_id",
                "machtiging_id",
                "object_kind",
                "object_id",
                order_by="id",
            )
        ]


@pytest.mark.parametrize("accept", ["text/html", "application/json"])
async def test_head_of_every_get_route_is_answered_without_body(portal, accept) -> None:
    paths = get_paths(portal.app)
    assert len(paths) > 25
    for path in paths:
        got, head = [
            await portal.http.request(method, "https://machtigen.test" + fill_path(path), headers={"Accept": accept})
            for method in ("GET", "HEAD")
        ]
        assert head.content == b"", path
        assert head.status_code != 405, path
        if path not in LOGIN_ROUTES:
            assert status_and_headers(head) == status_and_headers(got), path
            assert head.headers.get("content-length") == got.headers.get("content-length"), path


async def test_head_of_login_routes_starts_and_ends_no_login(portal) -> None:
    for path in LOGIN_ROUTES:
        answer = await portal.http.head("https://machtigen.test" + path + "?state=x&code=y")
        assert (answer.status_code, answer.content, answer.headers.get("set-cookie")) == (200, b"", None)
    async with unit_of_work(portal.app.state.services.sessions) as session:
        assert await LOGIN_ATTEMPTS.count(session) == 0


@pytest.mark.parametrize("path", ["/", "/helpers", "/brieven", "/wie-keek-mee", "/apps", "/meldingen", "/verzoeken"])
async def test_head_of_page_for_citizen_has_the_headers_of_get(portal, path) -> None:
    mother = await portal.mother()
    cookie = "; ".join(f"{name}={value}" for name, value in mother.cookies["https://machtigen.test"].items())
    given = {"Cookie": cookie, "Accept": "text/html"}
    got, head = [await portal.http.request(m, "https://machtigen.test" + path, headers=given) for m in ("GET", "HEAD")]
    assert (got.status_code, head.content) == (200, b"")
    assert status_and_headers(head) == status_and_headers(got)


@pytest.mark.parametrize("path", ["/token", "/par", "/introspect", "/machtigingen/x/pauzeren", "/onbekend"])
async def test_head_of_route_without_get_is_rejected(portal, path) -> None:
    answer = await portal.http.head("https://machtigen.test" + path)
    assert answer.status_code in (404, 405)
    assert "HEAD" not in answer.headers.get("allow", "")


async def test_allow_header_names_head_beside_get(portal) -> None:
    for method in ("PUT", "OPTIONS"):
        allow = (await portal.http.request(method, f"https://machtigen.test{API}/x")).headers["allow"]
        assert allow == "DELETE, GET, HEAD, PATCH"


async def count_read_marks(whole_world):
    async with unit_of_work(whole_world.sessions) as session:
        marks = await READER_MARKS.count(session)
        read = await BERICHTEN.count(session, BERICHTEN.c.read_at.is_not(None))
        return marks, read


@pytest.mark.parametrize("who", ["helper", "citizen"])
async def test_head_of_letter_is_journalled_as_get_and_marks_nothing_read(whole_world, who) -> None:
    letter = await whole_world.deliver_letter()
    token = await (
        whole_world.issue_helper_token() if who == "helper" else whole_world.issue_token(whole_world.citizen)
    )
    async with whole_world.client(token) as http:
        before = await read_journal_lines(whole_world.sessions)
        head = await http.head(f"{API}/{letter}")
        after_head = (await read_journal_lines(whole_world.sessions))[len(before) :]
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-type"] == "application/json"
        assert "content-length" not in head.headers
        assert await count_read_marks(whole_world) == (0, 0)
        got = await http.get(f"{API}/{letter}")
        after_get = (await read_journal_lines(whole_world.sessions))[len(before) + len(after_head) :]
    assert got.status_code == 200
    assert after_head == after_get
    assert [line[:3] for line in after_head] == [("bericht:lezen", "allowed", "toegestaan")]
    assert sum(await count_read_marks(whole_world)) == 1


async def test_head_of_attachment_is_journalled_as_get(whole_world) -> None:
    letter = await whole_world.deliver_letter(("brief.pdf", make_pdf(2048), PDF))
    bijlage = (await BIJLAGEN.read(whole_world, "id"))[0].id
    async with whole_world.client(await whole_world.issue_helper_token()) as http:
        before = await read_journal_lines(whole_world.sessions)
        head = await http.head(f"{API}/{letter}/bijlagen/{bijlage}")
        after_head = (await read_journal_lines(whole_world.sessions))[len(before) :]
        got = await http.get(f"{API}/{letter}/bijlagen/{bijlage}")
        after_get = (await read_journal_lines(whole_world.sessions))[len(before) + len(after_head) :]
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", "2048")
    assert status_and_headers(head) == status_and_headers(got)
    assert after_head == after_get
    assert [line[0] for line in after_head] == ["bericht:downloaden"]


async def test_head_of_attachment_reads_no_part(whole_world, database) -> None:
    """GET fails without the stored parts; HEAD does not read them."""
    letter = await whole_world.deliver_letter(("brief.pdf", make_pdf(2048), PDF))
    bijlage = (await BIJLAGEN.read(whole_world, "id"))[0].id
    async with bypass_triggers(database) as connection:
        await connection.execute(text("DELETE FROM bijlage_part"))
    async with whole_world.client(await whole_world.issue_helper_token()) as http:
        assert (await http.head(f"{API}/{letter}/bijlagen/{bijlage}")).status_code == 200


@pytest.mark.parametrize("what", ["unknown", "no uuid", "another box", "paused", "revoked", "no token", "bad token"])
async def test_head_of_unreadable_letter_is_refused_and_journalled_as_get(whole_world, what) -> None:
    letter = await whole_world.deliver_letter()
    given = await whole_world.issue_helper_token()
    path = {"unknown": f"{API}/0197c0de-0000-7000-8000-000000000000", "no uuid": f"{API}/geen-uuid"}.get(what)
    if what == "another box":
        given = await whole_world.issue_token(whole_world.helper)
    if what in ("paused", "revoked"):
        async with unit_of_work(whole_world.sessions) as session:
            if what == "paused":
                under = await MACHTIGINGEN.read_value(session, "id", state="active")
                await update_machtiging(session, under, state="paused", paused_at=NOON)
            else:
                await session.execute(text("UPDATE issued_token SET revoked_at = now()"))
    given = {"no token": None, "bad token": "onzin"}.get(what, given)
    async with whole_world.client(given) as http:
        before = await read_journal_lines(whole_world.sessions)
        got = await http.get(path or f"{API}/{letter}")
        after_get = (await read_journal_lines(whole_world.sessions))[len(before) :]
        head = await http.head(path or f"{API}/{letter}")
        after_head = (await read_journal_lines(whole_world.sessions))[len(before) + len(after_get) :]
    assert got.status_code >= 400
    assert (status_and_headers(head), head.content) == (status_and_headers(got), b"")
    assert after_head == after_get
    assert await count_read_marks(whole_world) == (0, 0)


async def test_head_with_bound_token_requires_dpop_proof_for_head(whole_world, clock) -> None:
    """RFC 9449 section 4.2: `htm` is the method of the request."""
    letter, holder = await whole_world.deliver_letter(), KeyHolder(clock)
    facts = make_token_facts(person_id=whole_world.citizen, machtiging_id=None, jkt=holder.jkt)
    async with unit_of_work(whole_world.sessions) as session:
        await insert_token(session, facts)
    token, here = sign_access_token(facts, cnf={"jkt": holder.jkt}), f"{API_ISSUER}{API}/{letter}"
    async with whole_world.client() as http:
        for method, status in (("GET", 401), ("HEAD", 200)):
            given = {"Authorization": f"DPoP {token}", "DPoP": holder.proof(method, here, token=token)}
            assert (await http.head(here, headers=given)).status_code == status


@pytest.mark.parametrize(
    "path", ["/jwks", "/.well-known/openid-configuration", API, asset_url("portal.css"), "/inloggen"]
)
async def test_head_over_the_wire_has_no_body_and_keeps_the_connection(whole_world, path) -> None:
    """Two requests on one connection. A body after HEAD would be read as the second response."""
    asks = f"HEAD {path} HTTP/1.1\r\nHost: localhost\r\n".encode()
    answer = await serve_socket_pairs(whole_world.app).say(asks + b"\r\n" + asks + b"Connection: close\r\n\r\n")
    heads = answer.split(b"\r\n\r\n")
    assert [head.split(b" ")[0] for head in heads] == [b"HTTP/1.1", b"HTTP/1.1", b""]
