"""GET, PUT and DELETE /register/{client_id}. By the client itself, with a token rotated at each change."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text

from machtiging.__main__ import main
from machtiging.kernel.errors import Conflict
from machtiging.oauth.suspend_client import resume_client, suspend_client
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.client import (
    REDIRECT,
    approve_program,
    create_invitation,
    make_app_metadata,
    make_bearer_header,
    make_client_keys,
    post_registration,
    register_approved_program,
    register_program,
)
from tests.builders.database import seal_rows, wait_until_blocked
from tests.builders.keys import make_key_directory
from tests.builders.rows import CLIENTS, ISSUED_TOKENS
from tests.builders.tokens import make_refresh_token_holder

OTHER = make_client_keys()


@pytest.fixture
async def program(production_oauth):
    """A self-registered, approved client."""
    return await register_approved_program(production_oauth)


async def state(oauth, client_id) -> str:
    async with unit_of_work(oauth.sessions) as session:
        return await CLIENTS.read_value(session, "state", client_id=client_id)


async def token_of(oauth, program) -> str:
    """An access token of a person."""
    return (await make_refresh_token_holder(oauth, program.app)).access


async def test_registration_is_read_by_its_client(program) -> None:
    answer = await program.ask("GET")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert answer.json() == program.app.registration


async def test_proposed_client_manages_its_registration(production_oauth) -> None:
    proposed = await register_program(production_oauth)
    assert (await proposed.ask("GET")).status_code == 200
    assert (await proposed.put(client_name="Beter leesbaar")).status_code == 200
    assert (await proposed.ask("DELETE")).status_code == 204


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_enumeration_unknown_client_looks_like_wrong_registration_token(
    production_oauth, program, method
) -> None:
    other = await register_program(production_oauth)
    by_hand = await production_oauth.register_reading_app()
    http = program.app.http
    answers = [
        await http.request(method, path, headers=make_bearer_header(token), json=program.metadata)
        for path, token in (
            (program.place, "A" * 43),
            (program.place, other.token),
            ("/register/bestaat-niet-hier", program.token),
            (f"/register/{by_hand.client_id}", program.token),
            (f"/register/{by_hand.client_id}", "A" * 43),
            ("/register/%00", program.token),
            ("/register/" + "a" * 500, program.token),
        )
    ]
    answers.append(await http.request(method, program.place, json=program.metadata))
    assert {(answer.status_code, answer.text) for answer in answers} == {(401, answers[0].text)}
    assert all("invalid_token" in answer.headers["www-authenticate"] for answer in answers)
    assert await program.works()


async def test_invitation_and_access_token_are_rejected_at_management(production_oauth, program) -> None:
    invitation = await create_invitation(production_oauth)
    access_token = await token_of(production_oauth, program)
    for token in (invitation, access_token):
        assert (await program.ask("GET", token)).status_code == 401
    assert (await post_registration(production_oauth, program.token, make_app_metadata(OTHER))).status_code == 401


async def test_registration_update_rotates_the_registration_token(program) -> None:
    first = program.token
    answer = await program.put(contacts=["beheer@voorbeeld.example"])
    assert answer.status_code == 200
    assert answer.json()["contacts"] == ["beheer@voorbeeld.example"]
    assert program.token != first
    assert (await program.ask("GET", first)).status_code == 401
    assert (await program.ask("GET")).json()["contacts"] == ["beheer@voorbeeld.example"]


async def test_concurrent_registration_updates_succeed_once(production_oauth, program) -> None:
    bodies = [program.metadata | {"contacts": [f"{name}@voorbeeld.example"]} for name in ("een", "twee")]
    async with unit_of_work(production_oauth.sessions) as session:
        await session.execute(text("SELECT 1 FROM oauth_client FOR UPDATE"))
        under_way = [asyncio.create_task(program.ask("PUT", json=body)) for body in bodies]
        await wait_until_blocked(production_oauth.sessions, *under_way)
    assert sorted([(await one).status_code for one in under_way]) == [200, 401]


async def test_registration_update_rejected_does_not_consume_the_token(program) -> None:
    first = program.token
    assert (await program.put(client_name="<b>")).status_code == 400
    assert (await program.ask("GET", first)).status_code == 200
    assert await program.works()


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"client_id": "ander"}, "invalid_client_metadata"),
        ({"client_id": None}, "invalid_client_metadata"),
        ({"grant_types": ["client_credentials"]}, "invalid_client_metadata"),
        ({"grant_types": ["urn:openid:params:grant-type:ciba"]}, "invalid_client_metadata"),
        ({"registration_access_token": "x"}, "invalid_client_metadata"),
        ({"client_id_issued_at": 0}, "invalid_client_metadata"),
        ({"client_secret": "x"}, "invalid_client_metadata"),
        ({"resource_server": True}, "invalid_client_metadata"),
        ({"scope": "aanleveringen:schrijven"}, "invalid_client_metadata"),
        ({"software_statement": "x"}, "invalid_software_statement"),
        ({"redirect_uris": ["https://kwaad.example\\@app.voorbeeld.example/"]}, "invalid_redirect_uri"),
    ],
)
async def test_registration_update_of_fixed_metadata_is_rejected(production_oauth, program, changes, error) -> None:
    answer = await program.put(**changes)
    assert (answer.status_code, answer.json()["error"]) == (400, error), answer.text
    assert (await program.ask("GET")).json() == program.app.registration
    (line,) = await production_oauth.lines("client:geweigerd")
    assert line.client_id == program.client_id


async def test_registration_update_with_unknown_metadata_is_ignored(program) -> None:
    before = program.app.registration
    answer = await program.put(application_type="web", onbekend=1)
    assert answer.status_code == 200, answer.text
    changing = {"registration_access_token"}
    same = {name: value for name, value in answer.json().items() if name not in changing}
    assert same == {name: value for name, value in before.items() if name not in changing}
    assert await program.works()


@pytest.mark.parametrize(
    "changes",
    [
        {"contacts": ["wij@voorbeeld.example"]},
        {"software_version": "2.0"},
        {"tos_uri": "https://app.voorbeeld.example/voorwaarden"},
        {"redirect_uris": [REDIRECT, REDIRECT + "/anders"]},
    ],
)
async def test_registration_update_of_harmless_metadata_needs_no_approval(production_oauth, program, changes) -> None:
    assert (await program.put(**changes)).status_code == 200
    assert await program.works()
    (line,) = await production_oauth.lines("client:gewijzigd")
    assert (line.reason, line.client_id) == ("gewijzigd", program.client_id)


WEIGHED = [
    {"client_name": "De Belastingdienst"},
    {"redirect_uris": ["https://ander.voorbeeld.example/terug"]},
    {"redirect_uris": ["https://app.voorbeeld.example:8443/terug"]},
    {"jwks": OTHER.jwks},
    {"jwks": None, "jwks_uri": "https://app.voorbeeld.example/jwks"},
    {"jwks": None, "token_endpoint_auth_method": "none"},
    {"client_uri": "https://app.voorbeeld.example/"},
    {"scope": ""},
    {"id_token_signed_response_alg": "ES256"},
]


@pytest.mark.parametrize("changes", WEIGHED)
async def test_registration_update_of_names_or_keys_needs_approval(production_oauth, program, changes) -> None:
    token = await token_of(production_oauth, program)
    assert (await program.put(**changes)).status_code == 200
    assert await state(production_oauth, program.client_id) == "proposed"
    assert not await program.works()
    async with unit_of_work(production_oauth.sessions) as session:
        assert await ISSUED_TOKENS.count(session, revoked_at=None) == 0
    (line,) = await production_oauth.lines("client:gewijzigd")
    assert (line.reason, line.facts) == ("opnieuw_voorgesteld", {"tokens": 1})
    await approve_program(production_oauth, program.client_id)
    agency = await production_oauth.add(make_app_metadata(OTHER, client_name="Lezer", resource_server=True), OTHER)
    assert (await agency.post("/introspect", {"token": token})).json() == {"active": False}


async def test_registration_update_in_practice_needs_no_approval(oauth) -> None:
    program = await register_program(oauth)
    assert (await program.put(client_name="Andere naam")).status_code == 200
    assert await program.works()


async def test_registration_update_of_jwks_uri_discards_fetched_keys(production_oauth) -> None:
    program = await register_program(production_oauth, jwks=None, jwks_uri="https://app.voorbeeld.example/jwks")
    async with unit_of_work(production_oauth.sessions) as session:
        await session.execute(text("UPDATE oauth_client SET fetched_jwks = '{\"keys\": []}', fetched_at = now()"))
        await seal_rows(session)
    assert (await program.put(jwks_uri="https://app.voorbeeld.example/nieuw")).status_code == 200
    async with unit_of_work(production_oauth.sessions) as session:
        row = await CLIENTS.read_one(session, "fetched_jwks", "fetched_at")
    assert tuple(row) == (None, None)


async def test_registration_deletion_ends_everything(production_oauth, program) -> None:
    await token_of(production_oauth, program)
    assert (await program.ask("DELETE")).status_code == 204
    assert not await program.works()
    for method in ("GET", "PUT", "DELETE"):
        assert (await program.ask(method, json=program.metadata)).status_code == 401
    async with unit_of_work(production_oauth.sessions) as session:
        assert await ISSUED_TOKENS.count(session, revoked_at=None) == 0
    (line,) = await production_oauth.lines("client:teruggetrokken")
    assert line.facts == {"tokens": 1}
    with pytest.raises(Conflict, match="client_teruggetrokken"):
        async with unit_of_work(production_oauth.sessions) as session:
            await resume_client(session, program.client_id, at=production_oauth.clock.now())
    assert not await program.works()


async def test_suspended_client_cannot_manage_its_registration(production_oauth, program) -> None:
    async with unit_of_work(production_oauth.sessions) as session:
        await suspend_client(session, program.client_id, at=production_oauth.clock.now())
    for method in ("GET", "PUT", "DELETE"):
        assert (await program.ask(method, json=program.metadata)).status_code == 401


async def test_approval_is_accepted_once_and_for_proposed_clients_only(production_oauth, program) -> None:
    with pytest.raises(Conflict, match="client_niet_voorgesteld"):
        await approve_program(production_oauth, program.client_id)
    async with unit_of_work(production_oauth.sessions) as session:
        await suspend_client(session, program.client_id, at=production_oauth.clock.now())
    with pytest.raises(Conflict, match="client_niet_voorgesteld"):
        await approve_program(production_oauth, program.client_id)


async def test_client_commands_invite_show_list_and_approve(
    production_oauth, database, monkeypatch, capsys, tmp_path
) -> None:
    monkeypatch.setenv("MACHTIGING_KEYS_DIR", str(make_key_directory(tmp_path / "keys")))
    monkeypatch.setenv("MACHTIGING_DATABASE_URL", database.url)
    assert await asyncio.to_thread(main, ["clients", "invite", "--note", "Gemeente", "--uses", "2", "--days", "3"]) == 0
    token = capsys.readouterr().out.strip()
    production_oauth.clock.advance(
        production_oauth.clock.now().now(production_oauth.clock.now().tzinfo) - production_oauth.clock.now()
    )
    answer = await post_registration(production_oauth, token, make_app_metadata(OTHER))
    assert answer.status_code == 201, answer.text
    client_id = answer.json()["client_id"]
    assert await asyncio.to_thread(main, ["clients", "show", client_id]) == 0
    shown = capsys.readouterr().out
    assert '"state": "proposed"' in shown
    assert '"registered_by": "program"' in shown
    seen = shown.split('"seen_as": "')[1][:64]
    assert await asyncio.to_thread(main, ["clients", "approve", client_id, seen]) == 0
    assert await asyncio.to_thread(main, ["clients", "list"]) == 0
    capsys.readouterr()
    assert await state(production_oauth, client_id) == "active"
    for command in (["approve", client_id, seen], ["approve", "bestaat-niet", seen], ["show", "bestaat-niet"]):
        assert await asyncio.to_thread(main, ["clients", *command]) == 1
    assert await asyncio.to_thread(main, ["clients", "invite", "--note", " "]) == 1
    assert "uitnodiging_ongeldig" in capsys.readouterr().err
