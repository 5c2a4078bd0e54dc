"""Refusals of unauthenticated clients are logged with a code and never journalled."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.client import make_client_assertion, make_client_keys
from tests.builders.messages import ASSERTION_TYPE
from tests.builders.rows import JOURNAL_INTAKE

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
FORM_PARAMETERS = {"grant_type": "client_credentials", "token": "x"}
PATHS = ["/token", "/par", "/introspect", "/revoke"]


async def count_journal_lines(oauth) -> int:
    async with unit_of_work(oauth.sessions) as session:
        return await JOURNAL_INTAKE.count(session)


def codes(logged) -> list[str]:
    warnings = [entry for entry in logged if entry["event"] == "oauth_refused"]
    assert all(entry.keys() == {"event", "log_level", "code"} for entry in warnings), warnings
    assert {entry["log_level"] for entry in warnings} <= {"warning"}
    return [entry["code"] for entry in warnings]


@pytest.mark.parametrize("path", PATHS)
async def test_garbage_and_unknown_clients_are_logged_and_not_journalled(oauth, path) -> None:
    app, agency = await oauth.register_reading_app(), await oauth.register_agency()
    http, before = oauth.connection(), await count_journal_lines(oauth)
    forged = make_client_assertion(make_client_keys(), agency.client_id, oauth.clock)
    with capture_logs() as logged:
        answers = [
            await http.post(path, data=FORM_PARAMETERS | {"client_id": "bestaat-niet"}),
            await http.post(path, data=FORM_PARAMETERS | {"client_id": app.client_id, "client_secret": "geheim"}),
            await http.post(
                path, data=FORM_PARAMETERS | {"client_assertion_type": ASSERTION_TYPE, "client_assertion": forged}
            ),
            await http.post(
                path, data=FORM_PARAMETERS | {"client_assertion_type": ASSERTION_TYPE, "client_assertion": "onzin"}
            ),
            await http.post(path, content=b"a=%FF", headers=FORM),
            await http.post(path, json={"a": 1}),
            await http.post(path, content=b"a=" + b"b" * 70_000, headers=FORM),
        ]
    assert [answer.status_code for answer in answers] == [401, 401, 401, 401, 400, 400, 413]
    assert await count_journal_lines(oauth) == before
    assert codes(logged)[1:] == [
        "geheim_niet_ondersteund",
        "bewijs_ondertekening",
        "bewijs_vormfout",
        "parameters_onleesbaar",
        "geen_formulier",
        "verzoek_te_groot",
    ]


async def test_public_client_without_code_is_logged_and_not_journalled(oauth) -> None:
    app = await oauth.register_public_app()
    before = await count_journal_lines(oauth)
    with capture_logs() as logged:
        await app.post("/par", {"response_type": "code"})
        await app.post("/token", {"grant_type": "authorization_code", "code": "geraden", "redirect_uri": "x"})
        await app.post("/revoke")
    assert codes(logged) == ["redirect_uri_onbekend", "code_onbekend", "token_ontbreekt"]
    assert await count_journal_lines(oauth) == before


async def test_client_assertion_replayed_is_logged_and_not_journalled(oauth) -> None:
    agency = await oauth.register_agency()
    proof = make_client_assertion(agency.keys, agency.client_id, oauth.clock)
    assert (
        await agency.post("/token", {"grant_type": "client_credentials"}, client_assertion=proof)
    ).status_code == 200
    before = await count_journal_lines(oauth)
    with capture_logs() as logged:
        await agency.post("/token", {"grant_type": "client_credentials"}, client_assertion=proof)
    assert codes(logged) == ["bewijs_hergebruikt"]
    assert await count_journal_lines(oauth) == before


async def test_authenticated_client_refusal_is_journalled_with_its_exact_reason(oauth) -> None:
    app = await oauth.register_reading_app()
    with capture_logs() as logged:
        await app.post("/token", {"grant_type": "client_credentials"})
        await app.post("/revoke")
        await app.post("/introspect")
        await app.post("/par")
    assert codes(logged) == []
    lines = [*await oauth.lines("token:geweigerd"), *await oauth.lines("grant:geweigerd")]
    assert [line.reason for line in lines] == [
        "client_niet_bevoegd",
        "token_ontbreekt",
        "token_ontbreekt",
        "response_type_ontbreekt",
    ]
    assert {line.client_id for line in lines} == {app.client_id}


async def test_code_holder_of_public_client_is_journalled(oauth) -> None:
    flow = await oauth.start_flow(await oauth.register_public_app())
    code = await flow.code()
    await flow.redeem(code, code_verifier="a" * 43)
    await flow.redeem(code)
    lines = await oauth.lines("token:geweigerd")
    assert [line.reason for line in lines] == ["pkce_klopt_niet", "code_hergebruikt"]
    assert {line.client_id for line in lines} == {flow.app.client_id}


async def test_code_replayed_repeatedly_is_journalled_once(oauth) -> None:
    flow = await oauth.start_flow(await oauth.register_public_app())
    code = await flow.code()
    await flow.redeem(code)
    for _ in range(4):
        await flow.redeem(code)
    assert [line.reason for line in await oauth.lines("token:geweigerd")] == ["code_hergebruikt"]


async def test_request_uri_unknown_or_expired_is_logged_and_not_journalled(oauth) -> None:
    flow = await oauth.request()
    uri = await flow.pushed()
    oauth.later(seconds=60)
    before = await count_journal_lines(oauth)
    with capture_logs() as logged:
        for reference in (uri, "urn:ietf:params:oauth:request_uri:onbekend", "https://kwaad.example/", ""):
            assert (await flow.authorize(reference)).status_code == 400
        assert (await flow.browser.get("/authorize?client_id=a&client_id=b")).status_code == 400
    assert codes(logged) == ["verzoek_onbekend"] * 4 + ["parameter_dubbel"]
    assert await count_journal_lines(oauth) == before
