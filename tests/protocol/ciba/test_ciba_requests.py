"""POST /bc-authorize: the requests an app may send; it learns nothing about persons."""

from __future__ import annotations

import asyncio
import json
from uuid import uuid4

import pytest
from sqlalchemy import text

from machtiging.oauth.ciba import rules
from machtiging.oauth.retention import delete_expired_rows
from machtiging.oauth.suspend_client import resume_client, suspend_client
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.ciba import MESSAGE, read_binding_message, register_ciba_desk
from tests.builders.client import make_authorization_details
from tests.builders.database import wait_until_blocked
from tests.builders.rows import BACKCHANNEL_REQUESTS, GRANTS, MELDCODES, NOTIFICATIONS

VARY = {"x-request-id", "dpop-nonce", "date", "content-length", "verzoek-id"}


async def assert_refused(ciba_desk, error, *, reason, code=None, **changes) -> None:
    """Assert a rejection with this error, nothing stored, and the exact reason journalled."""
    kept, told = await BACKCHANNEL_REQUESTS.count(ciba_desk.oauth), await ciba_desk.reasons("verzoek:geweigerd")
    response = await ciba_desk.asks(code, **changes)
    assert (response.status_code, response.json()["error"]) == (400, error), (changes, response.text)
    assert await BACKCHANNEL_REQUESTS.count(ciba_desk.oauth) == kept, changes
    assert await ciba_desk.reasons("verzoek:geweigerd") == [*told, reason], changes


async def test_ciba_request_returns_auth_req_id_expiry_and_interval(ciba_desk) -> None:
    response = await ciba_desk.asks()
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    body = response.json()
    assert body.keys() == {"auth_req_id", "expires_in", "interval"}
    assert len(body["auth_req_id"]) == 43
    assert (body["expires_in"], body["interval"]) == (300, 5)


async def test_auth_req_id_and_meldcode_are_stored_hashed(ciba_desk) -> None:
    code = await ciba_desk.create_meldcode()
    request = await ciba_desk.start_request(code)
    (row,) = await ciba_desk.rows()
    assert request not in str(row._mapping)
    assert code not in str(row._mapping)
    assert code.replace("-", "") not in str(row._mapping)
    assert row.person_id == ciba_desk.mother


async def test_ciba_request_by_public_or_other_client_is_rejected(ciba_desk) -> None:
    form = {"scope": "openid", "login_hint": await ciba_desk.create_meldcode(), "binding_message": MESSAGE}
    reading = await ciba_desk.oauth.register_reading_app()
    assert (await reading.post("/bc-authorize", form)).json()["error"] == "unauthorized_client"
    public = await ciba_desk.oauth.register_public_app()
    response = await public.post("/bc-authorize", form)
    assert (response.status_code, response.json()["error"]) == (401, "invalid_client")
    assert await BACKCHANNEL_REQUESTS.count(ciba_desk.oauth) == 0


async def test_ciba_client_in_other_grant_types_is_rejected(ciba_desk) -> None:
    response = await ciba_desk.app.post("/par", {"response_type": "code", "scope": "openid", "nonce": "n"})
    assert response.status_code == 400
    for grant in ("authorization_code", "client_credentials", "refresh_token"):
        response = await ciba_desk.app.post("/token", {"grant_type": grant, "code": "x", "refresh_token": "x"})
        assert response.json()["error"] in ("unauthorized_client", "invalid_grant"), grant


MISLEADING = [
    None,
    "",
    "x" * 41,
    "Balie\t3",
    "Balie 3\u200b",
    "Balie \u0417",  # a Cyrillic letter that looks like a 3
    "\uff22alie 3",
    "Bali\u00eb 3",
    "Balie  3",
    " Balie 3",
    "Balie 3 ",
    "-",
    "<b>3</b>",
    "http://kwaad.example",
    "bel 0900, of mail ons@kwaad.example",
    "\u202e3 eilaB",
]


async def test_binding_message_ambiguous_is_rejected(ciba_desk) -> None:
    code = await ciba_desk.create_meldcode()
    for message in MISLEADING:
        response = await ciba_desk.asks(code, binding_message=message)
        assert response.status_code == 400, ascii(message)
        assert response.json()["error"] in ("invalid_binding_message", "invalid_request"), ascii(message)
        if message is None or message.isprintable():
            assert response.json()["error"] == "invalid_binding_message", ascii(message)
        assert await BACKCHANNEL_REQUESTS.count(ciba_desk.oauth) == 0, ascii(message)
    # the meldcode is not consumed
    assert (await ciba_desk.asks(code)).status_code == 200


@pytest.mark.parametrize("message", ["1", "W4X-7KP", "x" * 40, "Balie 3, rij 2", "Loket A - 17"])
async def test_binding_message_plain_is_shown_unchanged(ciba_desk, message) -> None:
    await ciba_desk.start_request(binding_message=message)
    page = await (await ciba_desk.citizen()).get("/verzoeken")
    assert read_binding_message(page.text) == message


NOT_ONE_HINT = [
    {"login_hint": None},
    {"id_token_hint": "x.y.z"},
    {"login_hint": None, "id_token_hint": "x.y.z", "login_hint_token": "x.y.z"},
    {"login_hint_token": "x.y.z"},
]


async def test_ciba_request_without_exactly_one_hint_is_rejected(ciba_desk) -> None:
    for hints in NOT_ONE_HINT:
        await assert_refused(ciba_desk, "invalid_request", reason="niet_precies_een_hint", **hints)


async def test_id_token_hint_and_login_hint_token_are_rejected(ciba_desk) -> None:
    for hint in ("id_token_hint", "login_hint_token"):
        await assert_refused(
            ciba_desk, "invalid_request", reason="hint_niet_ondersteund", login_hint=None, **{hint: "x.y.z"}
        )


async def test_login_hint_that_is_no_meldcode_returns_unknown_user_id(ciba_desk) -> None:
    for hint in ("999990019", "Ans Voorbeeld", "a@voorbeeld.example", "ABCD-EFGH", "0000-0001", "1"):
        await assert_refused(ciba_desk, "unknown_user_id", reason="meldcode_vormfout", login_hint=hint)


@pytest.mark.parametrize("paste", ["\u201c{}\u201d", "{}.", "'{}'", "\u202a{}\u202c", "{}\u200b", "({})!"])
async def test_meldcode_pasted_with_odd_punctuation_is_accepted(ciba_desk, paste) -> None:
    code = await ciba_desk.create_meldcode()
    await ciba_desk.start_request(paste.format(code.replace("-", "\u2013")))
    (row,) = await ciba_desk.rows()
    assert row.person_id == ciba_desk.mother


async def test_meldcode_in_full_width_letters_is_accepted(ciba_desk) -> None:
    code = await ciba_desk.create_meldcode()
    await ciba_desk.start_request("".join(letter if letter == "-" else chr(ord(letter) + 0xFEE0) for letter in code))
    (row,) = await ciba_desk.rows()
    assert row.person_id == ciba_desk.mother


async def test_meldcode_typed_loosely_is_accepted(ciba_desk) -> None:
    code = await ciba_desk.create_meldcode()
    await ciba_desk.start_request(" " + code.lower().replace("-", " ").replace("0", "o").replace("1", "l"))
    (row,) = await ciba_desk.rows()
    assert row.person_id == ciba_desk.mother


async def unknown_code(_counter):
    return "0000-0000"


async def used_code(ciba_desk):
    code = await ciba_desk.create_meldcode(ciba_desk.son)
    await ciba_desk.start_request(code)
    return code


async def old_code(ciba_desk):
    code = await ciba_desk.create_meldcode()
    ciba_desk.oauth.later(minutes=10)
    return code


async def replaced_code(ciba_desk):
    code = await ciba_desk.create_meldcode()
    await ciba_desk.create_meldcode()
    return code


async def test_enumeration_invalid_meldcode_looks_like_unanswered_request(ciba_desk) -> None:
    codes = [await made(ciba_desk) for made in (old_code, unknown_code, used_code, replaced_code)]
    answers = [await ciba_desk.asks(code) for code in [*codes, None]]
    assert {each.status_code for each in answers} == {200}
    lengths = [{name: len(str(value)) for name, value in each.json().items()} for each in answers]
    assert lengths == [lengths[-1]] * 5
    headers = [{name: value for name, value in each.headers.items() if name not in VARY} for each in answers]
    assert headers == [headers[-1]] * 5
    references = [each.json()["auth_req_id"] for each in answers]
    assert [row.person_id for row in await ciba_desk.rows()][-5:] == [None] * 4 + [ciba_desk.mother]
    for waits, errors in ((0, "authorization_pending"), (1, "slow_down"), (11, "authorization_pending")):
        ciba_desk.oauth.later(seconds=waits)
        polled = [(await ciba_desk.polls(each)).json() for each in references]
        assert polled == [polled[-1]] * 5
        assert polled[0]["error"] == errors
    ciba_desk.oauth.later(minutes=6)
    assert [await ciba_desk.hears(each) for each in references] == ["expired_token"] * 5
    assert await NOTIFICATIONS.count(ciba_desk.oauth) >= 1


async def test_ciba_request_with_unknown_meldcode_reaches_no_person_and_is_journalled(ciba_desk) -> None:
    before = await NOTIFICATIONS.count(ciba_desk.oauth)
    await ciba_desk.start_request("0000-0000")
    assert await NOTIFICATIONS.count(ciba_desk.oauth) == before
    (row,) = await ciba_desk.rows()
    assert row.person_id is None
    assert await ciba_desk.reasons("verzoek:gedaan") == ["meldcode_onbekend"]
    (line,) = await ciba_desk.oauth.lines("verzoek:gedaan")
    assert (line.outcome, line.for_person_id, line.client_id) == ("refused", None, ciba_desk.app.client_id)


async def test_meldcode_reused_reaches_no_person(ciba_desk) -> None:
    code = await ciba_desk.create_meldcode()
    await ciba_desk.start_request(code)
    other = await register_ciba_desk(ciba_desk.oauth, client_name="Gemeente West")
    ciba_desk.oauth.later(seconds=1)  # rows of one instant have no order
    await other.start_request(code)
    assert [row.person_id for row in await ciba_desk.rows()] == [ciba_desk.mother, None]


async def test_enumeration_machtiging_of_another_or_ended_is_not_revealed(ciba_desk) -> None:
    held = await ciba_desk.oauth.grant_machtiging()
    hers = await ciba_desk.asks(
        await ciba_desk.create_meldcode(), authorization_details=make_authorization_details(held.id)
    )
    unknown = await ciba_desk.asks(
        await ciba_desk.create_meldcode(), authorization_details=make_authorization_details(uuid4())
    )
    his = await ciba_desk.asks(
        await ciba_desk.create_meldcode(ciba_desk.son), authorization_details=make_authorization_details(held.id)
    )
    assert [each.status_code for each in (hers, unknown, his)] == [200, 200, 200]
    assert [row.person_id for row in await ciba_desk.rows()] == [None, None, ciba_desk.son]
    assert await ciba_desk.reasons("verzoek:gedaan") == ["machtiging_geldt_niet", "machtiging_geldt_niet", "gevraagd"]


async def test_ciba_request_while_one_is_pending_reaches_no_person(ciba_desk) -> None:
    await ciba_desk.start_request()
    await ciba_desk.start_request()
    assert [row.person_id for row in await ciba_desk.rows()] == [ciba_desk.mother, None]
    other = await register_ciba_desk(ciba_desk.oauth, client_name="Gemeente West")
    assert (await other.asks(await ciba_desk.create_meldcode())).status_code == 200
    assert (await ciba_desk.asks(await ciba_desk.create_meldcode(ciba_desk.son))).status_code == 200


async def test_ciba_request_after_answer_or_expiry_is_accepted(ciba_desk) -> None:
    await ciba_desk.start_request(requested_expiry="60")
    ciba_desk.oauth.later(seconds=60)
    again = await ciba_desk.start_request()
    await ciba_desk.answers(await ciba_desk.citizen(), "weigeren")
    assert await ciba_desk.hears(again) == "access_denied"
    assert (await ciba_desk.asks()).status_code == 200
    assert [row.state for row in await ciba_desk.rows()] == ["expired", "denied", "pending"]


async def test_meldcode_used_concurrently_reaches_the_person_once(ciba_desk) -> None:
    code = await ciba_desk.create_meldcode()
    answers = await asyncio.gather(*(ciba_desk.asks(code) for _ in range(4)))
    # one request reaches the person, the others look pending
    assert {each.status_code for each in answers} == {200}
    assert sorted(str(row.person_id) for row in await ciba_desk.rows()) == sorted(
        [str(ciba_desk.mother), *["None"] * 3]
    )


async def test_rate_limit_per_person_counts_requests_of_all_apps(ciba_desk) -> None:
    apps = [ciba_desk, await register_ciba_desk(ciba_desk.oauth, client_name="Gemeente West")]
    for each in apps:
        await each.insert_requests(rules.MAX_REQUESTS_PER_PERSON // 2 - 1, ciba_desk.mother)
        await each.start_request(await ciba_desk.create_meldcode(), requested_expiry="1")
        ciba_desk.oauth.later(seconds=2)
    assert (await ciba_desk.reasons("verzoek:gedaan")) == ["gevraagd"] * 2
    told = await NOTIFICATIONS.count(ciba_desk.oauth)
    await apps[0].start_request(await ciba_desk.create_meldcode())
    assert await NOTIFICATIONS.count(ciba_desk.oauth) == told
    assert (await ciba_desk.reasons("verzoek:gedaan"))[-1] == "te_veel_verzoeken"
    # the limit is per person and ends after an hour
    assert (await apps[0].asks(await ciba_desk.create_meldcode(ciba_desk.son))).status_code == 200
    ciba_desk.oauth.later(hours=1)
    assert (await apps[0].asks(await ciba_desk.create_meldcode())).status_code == 200


async def test_rate_limit_per_app_refuses_before_the_meldcode_is_looked_up(ciba_desk) -> None:
    await ciba_desk.insert_requests(rules.MAX_REQUESTS_PER_CLIENT)
    code = await ciba_desk.create_meldcode()
    response = await ciba_desk.asks(code)
    assert response.json() == {"error": "access_denied", "error_description": "The request was refused."}
    other = await register_ciba_desk(ciba_desk.oauth, client_name="Gemeente West")
    assert (await other.asks(code)).status_code == 200  # the meldcode is not consumed
    ciba_desk.oauth.later(hours=1)
    assert (await ciba_desk.asks()).status_code == 200


async def test_requested_expiry_is_capped_at_ten_minutes(ciba_desk) -> None:
    for asked, given in (("1", 1), ("120", 120), ("600", 600), ("601", 600), ("999999", 600)):
        assert (await ciba_desk.asks(requested_expiry=asked)).json()["expires_in"] == given, asked


async def test_requested_expiry_invalid_is_rejected(ciba_desk) -> None:
    for asked in ("0", "-1", "1.5", "1e9", "morgen", "\u0661", "9" * 30):
        await assert_refused(ciba_desk, "invalid_request", reason="looptijd_vormfout", requested_expiry=asked)


NOT_TO_BE_ASKED = [
    ({"scope": None}, "invalid_scope", "scope_ongeldig"),
    ({"scope": "aanleveringen:schrijven"}, "invalid_scope", "scope_ongeldig"),
    ({"scope": "openid openid"}, "invalid_scope", "scope_ongeldig"),
    ({"authorization_details": "[]"}, "invalid_authorization_details", "details_niet_precies_een"),
    (
        {"authorization_details": json.dumps([{"type": "bank"}])},
        "invalid_authorization_details",
        "details_soort_onbekend",
    ),
    ({"request_uri": "https://kwaad.example"}, "invalid_request", "parameter_niet_ondersteund"),
    ({"user_code": "1234"}, "invalid_request", "parameter_niet_ondersteund"),
    ({"prompt": "none"}, "invalid_request", "parameter_niet_ondersteund"),
    ({"claims": "{}"}, "invalid_request", "parameter_niet_ondersteund"),
    ({"max_age": "60"}, "invalid_request", "parameter_niet_ondersteund"),
    ({"resource": "https://elders.example"}, "invalid_request", "parameter_niet_ondersteund"),
]


async def test_ciba_request_rejected_does_not_consume_the_meldcode(ciba_desk) -> None:
    code = await ciba_desk.create_meldcode()
    for changes, error, reason in NOT_TO_BE_ASKED:
        await assert_refused(ciba_desk, error, reason=reason, code=code, **changes)
    assert (await ciba_desk.asks(code)).status_code == 200


async def test_suspended_app_cannot_request_and_its_pending_requests_end(ciba_desk) -> None:
    request = await ciba_desk.start_request()
    browser = await ciba_desk.citizen()
    assert "Bibliotheek Oost" in (await browser.get("/verzoeken")).text
    async with unit_of_work(ciba_desk.oauth.sessions) as session:
        await suspend_client(session, ciba_desk.app.client_id, at=ciba_desk.oauth.clock.now())
    assert (await ciba_desk.polls(request)).json()["error"] == "invalid_client"
    assert (await ciba_desk.asks()).json()["error"] == "invalid_client"
    assert "Bibliotheek Oost" not in (await browser.get("/verzoeken")).text
    async with unit_of_work(ciba_desk.oauth.sessions) as session:
        await resume_client(session, ciba_desk.app.client_id, at=ciba_desk.oauth.clock.now())
    assert "Bibliotheek Oost" not in (await browser.get("/verzoeken")).text
    assert await ciba_desk.hears(request) == "expired_token"


async def test_suspension_waits_for_a_concurrent_poll(ciba_desk) -> None:
    request = await ciba_desk.start_request()
    at = ciba_desk.oauth.clock.now()

    async def suspend_app() -> None:
        async with unit_of_work(ciba_desk.oauth.sessions) as session:
            await suspend_client(session, ciba_desk.app.client_id, at=at)

    async with unit_of_work(ciba_desk.oauth.sessions) as polling:
        await polling.execute(text("SELECT 1 FROM backchannel_request FOR UPDATE"))
        suspending = asyncio.create_task(suspend_app())
        await wait_until_blocked(ciba_desk.oauth.sessions, suspending)
    await suspending
    async with unit_of_work(ciba_desk.oauth.sessions) as session:
        await resume_client(session, ciba_desk.app.client_id, at=at)
    assert await ciba_desk.hears(request) == "expired_token"


async def test_expired_requests_and_meldcodes_are_deleted(ciba_desk) -> None:
    await ciba_desk.tokens(await ciba_desk.start_request())
    await ciba_desk.create_meldcode(ciba_desk.son)
    ciba_desk.oauth.later(hours=23)
    await ciba_desk.start_request()
    await delete_expired_rows(ciba_desk.oauth.sessions, ciba_desk.oauth.clock)
    assert (await BACKCHANNEL_REQUESTS.count(ciba_desk.oauth), await MELDCODES.count(ciba_desk.oauth)) == (2, 1)
    ciba_desk.oauth.later(hours=2)
    await ciba_desk.start_request("0000-0000")
    await delete_expired_rows(ciba_desk.oauth.sessions, ciba_desk.oauth.clock)
    assert (await BACKCHANNEL_REQUESTS.count(ciba_desk.oauth), await MELDCODES.count(ciba_desk.oauth)) == (2, 0)
    assert await GRANTS.count(ciba_desk.oauth) == 1


async def test_discovery_metadata_names_ciba(ciba_desk) -> None:
    http = ciba_desk.oauth.connection()
    document = (await http.get("/.well-known/oauth-authorization-server")).json()
    assert document["backchannel_authentication_endpoint"].endswith("/bc-authorize")
    assert document["backchannel_token_delivery_modes_supported"] == ["poll"]
    assert document["backchannel_user_code_parameter_supported"] is False
    assert document["backchannel_authentication_request_signing_alg_values_supported"] == ["ES256", "PS256"]
    assert "urn:openid:params:grant-type:ciba" in document["grant_types_supported"]
