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
from tests.builders.ciba import MESSAGE, read_binding_message, register_counter
from tests.builders.client import make_authorization_details
from tests.builders.database import wait_until_blocked
from tests.builders.rows import BACKCHANNEL_REQUESTS, GRANTS, MELDCODES, NOTIFICATIONS

VARY = {"x-request-id", "dpop-nonce", "date", "content-length", "verzoek-id"}


async def assert_refused(counter, error, *, reason, code=None, **changes) -> None:
    """Assert a rejection with this error, nothing stored, and the exact reason journalled."""
    kept, told = await BACKCHANNEL_REQUESTS.count(counter.oauth), await counter.reasons("verzoek:geweigerd")
    response = await counter.asks(code, **changes)
    assert (response.status_code, response.json()["error"]) == (400, error), (changes, response.text)
    assert await BACKCHANNEL_REQUESTS.count(counter.oauth) == kept, changes
    assert await counter.reasons("verzoek:geweigerd") == [*told, reason], changes


async def test_ciba_request_returns_auth_req_id_expiry_and_interval(counter) -> None:
    response = await counter.asks()
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    body = response.json()
    assert body.keys() == {"auth_req_id", "expires_in", "interval"}
    assert len(body["auth_req_id"]) == 43
    assert (body["expires_in"], body["interval"]) == (300, 5)


async def test_auth_req_id_and_meldcode_are_stored_hashed(counter) -> None:
    code = await counter.create_meldcode()
    request = await counter.start_request(code)
    (row,) = await counter.rows()
    assert request not in str(row._mapping)
    assert code not in str(row._mapping)
    assert code.replace("-", "") not in str(row._mapping)
    assert row.person_id == counter.mother


async def test_ciba_request_by_public_or_other_client_is_rejected(counter) -> None:
    form = {"scope": "openid", "login_hint": await counter.create_meldcode(), "binding_message": MESSAGE}
    reading = await counter.oauth.register_reading_app()
    assert (await reading.post("/bc-authorize", form)).json()["error"] == "unauthorized_client"
    public = await counter.oauth.register_public_app()
    response = await public.post("/bc-authorize", form)
    assert (response.status_code, response.json()["error"]) == (401, "invalid_client")
    assert await BACKCHANNEL_REQUESTS.count(counter.oauth) == 0


async def test_ciba_client_in_other_grant_types_is_rejected(counter) -> None:
    response = await counter.app.post("/par", {"response_type": "code", "scope": "openid", "nonce": "n"})
    assert response.status_code == 400
    for grant in ("authorization_code", "client_credentials", "refresh_token"):
        response = await counter.app.post("/token", {"grant_type": grant, "code": "x", "refresh_token": "x"})
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


async def test_binding_message_ambiguous_is_rejected(counter) -> None:
    code = await counter.create_meldcode()
    for message in MISLEADING:
        response = await counter.asks(code, binding_message=message)
        assert response.status_code == 400, ascii(message)
        assert response.json()["error"] in ("invalid_binding_message", "invalid_request"), ascii(message)
        if message is None or message.isprintable():
            assert response.json()["error"] == "invalid_binding_message", ascii(message)
        assert await BACKCHANNEL_REQUESTS.count(counter.oauth) == 0, ascii(message)
    # the meldcode is not consumed
    assert (await counter.asks(code)).status_code == 200


@pytest.mark.parametrize("message", ["1", "W4X-7KP", "x" * 40, "Balie 3, rij 2", "Loket A - 17"])
async def test_binding_message_plain_is_shown_unchanged(counter, message) -> None:
    await counter.start_request(binding_message=message)
    page = await (await counter.citizen()).get("/verzoeken")
    assert read_binding_message(page.text) == message


NOT_ONE_HINT = [
    {"login_hint": None},
    {"id_token_hint": "x.y.z"},
    {"login_hint": None, "id_token_hint": "x.y.z", "login_hint_token": "x.y.z"},
    {"login_hint_token": "x.y.z"},
]


async def test_ciba_request_without_exactly_one_hint_is_rejected(counter) -> None:
    for hints in NOT_ONE_HINT:
        await assert_refused(counter, "invalid_request", reason="niet_precies_een_hint", **hints)


async def test_id_token_hint_and_login_hint_token_are_rejected(counter) -> None:
    for hint in ("id_token_hint", "login_hint_token"):
        await assert_refused(
            counter, "invalid_request", reason="hint_niet_ondersteund", login_hint=None, **{hint: "x.y.z"}
        )


async def test_login_hint_that_is_no_meldcode_returns_unknown_user_id(counter) -> None:
    for hint in ("999990019", "Ans Voorbeeld", "a@voorbeeld.example", "ABCD-EFGH", "0000-0001", "1"):
        await assert_refused(counter, "unknown_user_id", reason="meldcode_vormfout", login_hint=hint)


@pytest.mark.parametrize("paste", ["\u201c{}\u201d", "{}.", "'{}'", "\u202a{}\u202c", "{}\u200b", "({})!"])
async def test_meldcode_pasted_with_odd_punctuation_is_accepted(counter, paste) -> None:
    code = await counter.create_meldcode()
    await counter.start_request(paste.format(code.replace("-", "\u2013")))
    (row,) = await counter.rows()
    assert row.person_id == counter.mother


async def test_meldcode_in_full_width_letters_is_accepted(counter) -> None:
    code = await counter.create_meldcode()
    await counter.start_request("".join(letter if letter == "-" else chr(ord(letter) + 0xFEE0) for letter in code))
    (row,) = await counter.rows()
    assert row.person_id == counter.mother


async def test_meldcode_typed_loosely_is_accepted(counter) -> None:
    code = await counter.create_meldcode()
    await counter.start_request(" " + code.lower().replace("-", " ").replace("0", "o").replace("1", "l"))
    (row,) = await counter.rows()
    assert row.person_id == counter.mother


async def unknown_code(_counter):
    return "0000-0000"


async def used_code(counter):
    code = await counter.create_meldcode(counter.son)
    await counter.start_request(code)
    return code


async def old_code(counter):
    code = await counter.create_meldcode()
    counter.oauth.later(minutes=10)
    return code


async def replaced_code(counter):
    code = await counter.create_meldcode()
    await counter.create_meldcode()
    return code


async def test_enumeration_invalid_meldcode_looks_like_unanswered_request(counter) -> None:
    codes = [await made(counter) for made in (old_code, unknown_code, used_code, replaced_code)]
    answers = [await counter.asks(code) for code in [*codes, None]]
    assert {each.status_code for each in answers} == {200}
    lengths = [{name: len(str(value)) for name, value in each.json().items()} for each in answers]
    assert lengths == [lengths[-1]] * 5
    headers = [{name: value for name, value in each.headers.items() if name not in VARY} for each in answers]
    assert headers == [headers[-1]] * 5
    references = [each.json()["auth_req_id"] for each in answers]
    assert [row.person_id for row in await counter.rows()][-5:] == [None] * 4 + [counter.mother]
    for waits, errors in ((0, "authorization_pending"), (1, "slow_down"), (11, "authorization_pending")):
        counter.oauth.later(seconds=waits)
        polled = [(await counter.polls(each)).json() for each in references]
        assert polled == [polled[-1]] * 5
        assert polled[0]["error"] == errors
    counter.oauth.later(minutes=6)
    assert [await counter.hears(each) for each in references] == ["expired_token"] * 5
    assert await NOTIFICATIONS.count(counter.oauth) >= 1


async def test_ciba_request_with_unknown_meldcode_reaches_no_person_and_is_journalled(counter) -> None:
    before = await NOTIFICATIONS.count(counter.oauth)
    await counter.start_request("0000-0000")
    assert await NOTIFICATIONS.count(counter.oauth) == before
    (row,) = await counter.rows()
    assert row.person_id is None
    assert await counter.reasons("verzoek:gedaan") == ["meldcode_onbekend"]
    (line,) = await counter.oauth.lines("verzoek:gedaan")
    assert (line.outcome, line.for_person_id, line.client_id) == ("refused", None, counter.app.client_id)


async def test_meldcode_reused_reaches_no_person(counter) -> None:
    code = await counter.create_meldcode()
    await counter.start_request(code)
    other = await register_counter(counter.oauth, client_name="Gemeente West")
    counter.oauth.later(seconds=1)  # rows of one instant have no order
    await other.start_request(code)
    assert [row.person_id for row in await counter.rows()] == [counter.mother, None]


async def test_enumeration_machtiging_of_another_or_ended_is_not_revealed(counter) -> None:
    held = await counter.oauth.grant_machtiging()
    hers = await counter.asks(
        await counter.create_meldcode(), authorization_details=make_authorization_details(held.id)
    )
    unknown = await counter.asks(
        await counter.create_meldcode(), authorization_details=make_authorization_details(uuid4())
    )
    his = await counter.asks(
        await counter.create_meldcode(counter.son), authorization_details=make_authorization_details(held.id)
    )
    assert [each.status_code for each in (hers, unknown, his)] == [200, 200, 200]
    assert [row.person_id for row in await counter.rows()] == [None, None, counter.son]
    assert await counter.reasons("verzoek:gedaan") == ["machtiging_geldt_niet", "machtiging_geldt_niet", "gevraagd"]


async def test_ciba_request_while_one_is_pending_reaches_no_person(counter) -> None:
    await counter.start_request()
    await counter.start_request()
    assert [row.person_id for row in await counter.rows()] == [counter.mother, None]
    other = await register_counter(counter.oauth, client_name="Gemeente West")
    assert (await other.asks(await counter.create_meldcode())).status_code == 200
    assert (await counter.asks(await counter.create_meldcode(counter.son))).status_code == 200


async def test_ciba_request_after_answer_or_expiry_is_accepted(counter) -> None:
    await counter.start_request(requested_expiry="60")
    counter.oauth.later(seconds=60)
    again = await counter.start_request()
    await counter.answers(await counter.citizen(), "weigeren")
    assert await counter.hears(again) == "access_denied"
    assert (await counter.asks()).status_code == 200
    assert [row.state for row in await counter.rows()] == ["expired", "denied", "pending"]


async def test_meldcode_used_concurrently_reaches_the_person_once(counter) -> None:
    code = await counter.create_meldcode()
    answers = await asyncio.gather(*(counter.asks(code) for _ in range(4)))
    # one request reaches the person, the others look pending
    assert {each.status_code for each in answers} == {200}
    assert sorted(str(row.person_id) for row in await counter.rows()) == sorted([str(counter.mother), *["None"] * 3])


async def test_rate_limit_per_person_counts_requests_of_all_apps(counter) -> None:
    apps = [counter, await register_counter(counter.oauth, client_name="Gemeente West")]
    for each in apps:
        await each.insert_requests(rules.MAX_REQUESTS_PER_PERSON // 2 - 1, counter.mother)
        await each.start_request(await counter.create_meldcode(), requested_expiry="1")
        counter.oauth.later(seconds=2)
    assert (await counter.reasons("verzoek:gedaan")) == ["gevraagd"] * 2
    told = await NOTIFICATIONS.count(counter.oauth)
    await apps[0].start_request(await counter.create_meldcode())
    assert await NOTIFICATIONS.count(counter.oauth) == told
    assert (await counter.reasons("verzoek:gedaan"))[-1] == "te_veel_verzoeken"
    # the limit is per person and ends after an hour
    assert (await apps[0].asks(await counter.create_meldcode(counter.son))).status_code == 200
    counter.oauth.later(hours=1)
    assert (await apps[0].asks(await counter.create_meldcode())).status_code == 200


async def test_rate_limit_per_app_refuses_before_the_meldcode_is_looked_up(counter) -> None:
    await counter.insert_requests(rules.MAX_REQUESTS_PER_CLIENT)
    code = await counter.create_meldcode()
    response = await counter.asks(code)
    assert response.json() == {"error": "access_denied", "error_description": "The request was refused."}
    other = await register_counter(counter.oauth, client_name="Gemeente West")
    assert (await other.asks(code)).status_code == 200  # the meldcode is not consumed
    counter.oauth.later(hours=1)
    assert (await counter.asks()).status_code == 200


async def test_requested_expiry_is_capped_at_ten_minutes(counter) -> None:
    for asked, given in (("1", 1), ("120", 120), ("600", 600), ("601", 600), ("999999", 600)):
        assert (await counter.asks(requested_expiry=asked)).json()["expires_in"] == given, asked


async def test_requested_expiry_invalid_is_rejected(counter) -> None:
    for asked in ("0", "-1", "1.5", "1e9", "morgen", "\u0661", "9" * 30):
        await assert_refused(counter, "invalid_request", reason="looptijd_vormfout", requested_expiry=asked)


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


async def test_ciba_request_rejected_does_not_consume_the_meldcode(counter) -> None:
    code = await counter.create_meldcode()
    for changes, error, reason in NOT_TO_BE_ASKED:
        await assert_refused(counter, error, reason=reason, code=code, **changes)
    assert (await counter.asks(code)).status_code == 200


async def test_suspended_app_cannot_request_and_its_pending_requests_end(counter) -> None:
    request = await counter.start_request()
    browser = await counter.citizen()
    assert "Bibliotheek Oost" in (await browser.get("/verzoeken")).text
    async with unit_of_work(counter.oauth.sessions) as session:
        await suspend_client(session, counter.app.client_id, at=counter.oauth.clock.now())
    assert (await counter.polls(request)).json()["error"] == "invalid_client"
    assert (await counter.asks()).json()["error"] == "invalid_client"
    assert "Bibliotheek Oost" not in (await browser.get("/verzoeken")).text
    async with unit_of_work(counter.oauth.sessions) as session:
        await resume_client(session, counter.app.client_id, at=counter.oauth.clock.now())
    assert "Bibliotheek Oost" not in (await browser.get("/verzoeken")).text
    assert await counter.hears(request) == "expired_token"


async def test_suspension_waits_for_a_concurrent_poll(counter) -> None:
    request = await counter.start_request()
    at = counter.oauth.clock.now()

    async def suspend_app() -> None:
        async with unit_of_work(counter.oauth.sessions) as session:
            await suspend_client(session, counter.app.client_id, at=at)

    async with unit_of_work(counter.oauth.sessions) as polling:
        await polling.execute(text("SELECT 1 FROM backchannel_request FOR UPDATE"))
        suspending = asyncio.create_task(suspend_app())
        await wait_until_blocked(counter.oauth.sessions, suspending)
    await suspending
    async with unit_of_work(counter.oauth.sessions) as session:
        await resume_client(session, counter.app.client_id, at=at)
    assert await counter.hears(request) == "expired_token"


async def test_expired_requests_and_meldcodes_are_deleted(counter) -> None:
    await counter.tokens(await counter.start_request())
    await counter.create_meldcode(counter.son)
    counter.oauth.later(hours=23)
    await counter.start_request()
    await delete_expired_rows(counter.oauth.sessions, counter.oauth.clock)
    assert (await BACKCHANNEL_REQUESTS.count(counter.oauth), await MELDCODES.count(counter.oauth)) == (2, 1)
    counter.oauth.later(hours=2)
    await counter.start_request("0000-0000")
    await delete_expired_rows(counter.oauth.sessions, counter.oauth.clock)
    assert (await BACKCHANNEL_REQUESTS.count(counter.oauth), await MELDCODES.count(counter.oauth)) == (2, 0)
    assert await GRANTS.count(counter.oauth) == 1


async def test_discovery_metadata_names_ciba(counter) -> None:
    http = counter.oauth.connection()
    document = (await http.get("/.well-known/oauth-authorization-server")).json()
    assert document["backchannel_authentication_endpoint"].endswith("/bc-authorize")
    assert document["backchannel_token_delivery_modes_supported"] == ["poll"]
    assert document["backchannel_user_code_parameter_supported"] is False
    assert document["backchannel_authentication_request_signing_alg_values_supported"] == ["ES256", "PS256"]
    assert "urn:openid:params:grant-type:ciba" in document["grant_types_supported"]
