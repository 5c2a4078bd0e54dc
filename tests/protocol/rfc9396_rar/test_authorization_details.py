"""RFC 9396: authorization_details of our one type, limited to the machtiging, with one error text."""

from __future__ import annotations

import json
from uuid import uuid4

from machtiging.delegation.end import revoke
from machtiging.delegation.rules import Act
from machtiging.oauth.rules import DETAIL_TYPES, wanted_from
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.black_box import claims_of, query_of
from tests.builders.clients import detail

UUID = "0199b1c2-0000-7000-8000-000000000001"
MALFORMED = [
    "onzin",
    "{}",
    "[]",
    "null",
    '"berichtenbox"',
    "[1]",
    "[null]",
    json.dumps([{"type": "berichtenbox"}, {"type": "berichtenbox"}]),
    json.dumps([{"type": "betaling"}]),
    json.dumps([{"type": "Berichtenbox"}]),
    json.dumps([{"type": ["berichtenbox"]}]),
    json.dumps([{"machtiging": UUID}]),
    '[{"type":"berichtenbox","type":"berichtenbox"}]',
    detail(UUID, onbekend=1),
    detail(UUID, locations=["https://x.example"]),
    detail("geen-uuid"),
    detail(UUID.upper()),
    detail(UUID.replace("-", "")),
    detail("{" + UUID + "}"),
    detail("urn:uuid:" + UUID),
    detail(machtiging=7),
    detail(machtiging=None),
    detail(machtiging="\ud800"),
    detail(machtiging="\0"),
    detail(UUID, "verwijderen"),
    detail(UUID, "markeren"),
    detail(UUID, "lezen", "lezen"),
    detail(UUID, "Lezen"),
    detail(UUID, actions=[]),
    detail(UUID, actions="lezen"),
    detail(UUID, actions=None),
    detail(UUID, actions=[["lezen"]]),
    detail(UUID, actions={"lezen": True}),
    '[{"type":"berichtenbox","machtiging":NaN}]',
    "[" * 5000,
    detail(UUID) + " " * 5000,
]


async def test_authorization_details_malformed_are_rejected_at_par(oauth) -> None:
    flow = await oauth.request()
    answers = set()
    for asks in MALFORMED:
        response = await flow.push(authorization_details=asks)
        assert response.status_code == 400, asks[:80]
        answers.add(response.text)
    assert len(answers) == 1
    assert json.loads(answers.pop())["error"] == "invalid_authorization_details"


async def refusal(oauth, flow, **changes) -> dict[str, str]:
    response = await flow.authorize(await flow.pushed(**changes))
    assert response.status_code == 303, response.text
    told = query_of(response.headers["location"])
    assert told.pop("state") == flow.state
    assert told.pop("iss")
    return told


async def test_enumeration_unknown_ended_and_foreign_machtiging_look_alike(oauth) -> None:
    ended, held = await oauth.machtiging(), await oauth.machtiging()
    async with unit_of_work(oauth.sessions) as session:
        await revoke(session, ended.id, oauth.committed.people.mother, at=oauth.clock.now())
    offered = (await oauth.committed.offer()).machtiging_id
    flow = await oauth.flow(machtiging=held)
    answers = [await refusal(oauth, flow, authorization_details=detail(one)) for one in (uuid4(), ended.id, offered)]
    flow.browser = await oauth.logged_in("raadslid")
    answers.append(await refusal(oauth, flow, authorization_details=detail(held.id)))
    flow.browser = await oauth.logged_in("vertegenwoordigde")  # the giver is not the helper
    answers.append(await refusal(oauth, flow, authorization_details=detail(held.id)))
    oauth.later(days=91)
    flow.browser = await oauth.logged_in()
    answers.append(await refusal(oauth, flow, authorization_details=detail(held.id)))
    assert all(answer == answers[0] for answer in answers)
    assert answers[0]["error"] == "invalid_authorization_details"
    reasons = [line.reason for line in await oauth.lines("grant:geweigerd")]
    assert reasons == [
        "machtiging_onbekend",
        "machtiging_geldt_niet",
        "machtiging_van_ander",
        "machtiging_van_ander",
        "machtiging_van_ander",
        "machtiging_geldt_niet",
    ]


async def test_authorization_details_are_granted_and_returned_in_response_and_token(oauth) -> None:
    held = await oauth.machtiging()
    flow = await oauth.flow(None, held, "lezen", "lijst")
    tokens = await flow.tokens()
    granted = [{"type": "berichtenbox", "machtiging": str(held.id), "actions": ["lijst", "lezen"]}]
    assert tokens["authorization_details"] == granted
    assert claims_of(tokens["access_token"])["authorization_details"] == granted


async def test_actions_beyond_the_machtiging_are_narrowed_and_shown(oauth) -> None:
    held = await oauth.machtiging(acts=frozenset({Act.LIST, Act.READ}))
    flow = await oauth.flow(None, held, "lijst", "lezen", "downloaden")
    uri = await flow.pushed()
    shown = (await flow.authorize(uri)).text
    assert "vroeg ook, maar krijgt niet" in shown
    assert "bijlagen opslaan" in shown
    code = query_of((await flow.approve(uri)).headers["location"])["code"]
    assert (await flow.redeem(code)).json()["authorization_details"][0]["actions"] == ["lijst", "lezen"]


async def test_authorization_details_without_remaining_action_are_rejected(oauth) -> None:
    held = await oauth.machtiging(acts=frozenset({Act.LIST}))
    flow = await oauth.flow(None, held, "downloaden")
    assert (await refusal(oauth, flow))["error"] == "invalid_authorization_details"


async def test_authorization_details_without_machtiging_are_for_own_box_without_represents(oauth) -> None:
    flow = await oauth.flow()
    flow.asks = detail()
    tokens = await flow.tokens()
    claims = claims_of(tokens["access_token"])
    assert claims["authorization_details"] == [{"type": "berichtenbox", "actions": ["lijst", "lezen", "downloaden"]}]
    assert "represents" not in claims


async def test_scope_openid_alone_grants_no_authorization_details(oauth) -> None:
    flow = await oauth.flow()
    tokens = await flow.tokens(authorization_details=None)
    assert "authorization_details" not in tokens
    assert "authorization_details" not in claims_of(tokens["access_token"])


# Token request (section 6)


async def test_token_request_with_fewer_actions_is_narrowed(oauth) -> None:
    held = await oauth.machtiging()
    flow = await oauth.flow(None, held, "lijst", "lezen")
    response = await flow.redeem(await flow.code(), authorization_details=detail(held.id, "lijst"))
    fewer = [{"type": "berichtenbox", "machtiging": str(held.id), "actions": ["lijst"]}]
    tokens = response.json()
    assert tokens["authorization_details"] == fewer
    assert claims_of(tokens["access_token"])["authorization_details"] == fewer
    told = await flow.app.post("/introspect", {"token": tokens["access_token"]})
    assert told.json()["authorization_details"] == fewer


async def test_token_request_with_more_actions_is_rejected(oauth) -> None:
    held, other = await oauth.machtiging(), await oauth.machtiging()
    flow = await oauth.flow(None, held, "lijst")
    code = await flow.code()
    for wider in (
        detail(held.id, "lijst", "lezen"),
        detail(held.id, "downloaden"),
        detail(other.id, "lijst"),
        detail(None, "lijst"),
        detail(held.id, "lijst", locations=["https://x.example"]),
        "onzin",
        "[]",
    ):
        response = await flow.redeem(await flow.unused(code), authorization_details=wider)
        assert (response.status_code, response.json()["error"]) == (400, "invalid_authorization_details"), wider
    assert (await flow.redeem(await flow.unused(code))).status_code == 200


async def test_token_request_with_details_for_login_only_consent_is_rejected(oauth) -> None:
    flow = await oauth.flow()
    code = await flow.code(authorization_details=None)
    response = await flow.redeem(code, authorization_details=detail())
    assert (response.status_code, response.json()["error"]) == (400, "invalid_authorization_details")


def test_discovery_detail_types_have_a_validator() -> None:
    for kind in DETAIL_TYPES:
        assert wanted_from(json.dumps([{"type": kind}])) is not None
