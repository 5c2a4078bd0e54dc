"""RFC 9396: authorization_details of our one type, limited to the machtiging, with one error text."""

from __future__ import annotations

import json
from uuid import uuid4

from machtiging.delegation.rules import Act
from machtiging.delegation.termination import revoke_machtiging
from machtiging.oauth.authorization_details.parsing import parse_authorization_details
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.applications import BOX_HANDLER
from tests.builders.client import make_authorization_details
from tests.builders.messages import read_claims, read_query

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
    make_authorization_details(UUID, onbekend=1),
    make_authorization_details(UUID, locations=["https://x.example"]),
    make_authorization_details("geen-uuid"),
    make_authorization_details(UUID.upper()),
    make_authorization_details(UUID.replace("-", "")),
    make_authorization_details("{" + UUID + "}"),
    make_authorization_details("urn:uuid:" + UUID),
    make_authorization_details(machtiging=7),
    make_authorization_details(machtiging=None),
    make_authorization_details(machtiging="\ud800"),
    make_authorization_details(machtiging="\0"),
    make_authorization_details(UUID, "verwijderen"),
    make_authorization_details(UUID, "markeren"),
    make_authorization_details(UUID, "lezen", "lezen"),
    make_authorization_details(UUID, "Lezen"),
    make_authorization_details(UUID, actions=[]),
    make_authorization_details(UUID, actions="lezen"),
    make_authorization_details(UUID, actions=None),
    make_authorization_details(UUID, actions=[["lezen"]]),
    make_authorization_details(UUID, actions={"lezen": True}),
    '[{"type":"berichtenbox","machtiging":NaN}]',
    "[" * 5000,
    make_authorization_details(UUID) + " " * 5000,
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
    told = read_query(response.headers["location"])
    assert told.pop("state") == flow.state
    assert told.pop("iss")
    return told


async def test_enumeration_unknown_ended_and_foreign_machtiging_look_alike(oauth) -> None:
    ended, held = await oauth.grant_machtiging(), await oauth.grant_machtiging()
    async with unit_of_work(oauth.sessions) as session:
        await revoke_machtiging(session, ended.id, oauth.committed.people.mother, at=oauth.clock.now())
    offered = (await oauth.committed.offer()).machtiging_id
    flow = await oauth.start_flow(machtiging=held)
    answers = [
        await refusal(oauth, flow, authorization_details=make_authorization_details(one))
        for one in (uuid4(), ended.id, offered)
    ]
    flow.browser = await oauth.logged_in("raadslid")
    answers.append(await refusal(oauth, flow, authorization_details=make_authorization_details(held.id)))
    flow.browser = await oauth.logged_in("vertegenwoordigde")  # the giver is not the helper
    answers.append(await refusal(oauth, flow, authorization_details=make_authorization_details(held.id)))
    oauth.later(days=91)
    flow.browser = await oauth.logged_in()
    answers.append(await refusal(oauth, flow, authorization_details=make_authorization_details(held.id)))
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
    held = await oauth.grant_machtiging()
    flow = await oauth.start_flow(None, held, "lezen", "lijst")
    tokens = await flow.tokens()
    granted = [{"type": "berichtenbox", "machtiging": str(held.id), "actions": ["lijst", "lezen"]}]
    assert tokens["authorization_details"] == granted
    assert read_claims(tokens["access_token"])["authorization_details"] == granted


async def test_actions_beyond_the_machtiging_are_narrowed_and_shown(oauth) -> None:
    held = await oauth.grant_machtiging(acts=frozenset({Act.LIST, Act.READ}))
    flow = await oauth.start_flow(None, held, "lijst", "lezen", "downloaden")
    uri = await flow.pushed()
    shown = (await flow.authorize(uri)).text
    assert "bijlagen opslaan. Dat krijgt de app niet: het staat niet in uw machtiging." in shown
    code = read_query((await flow.approve(uri)).headers["location"])["code"]
    assert (await flow.redeem(code)).json()["authorization_details"][0]["actions"] == ["lijst", "lezen"]


async def test_authorization_details_without_remaining_action_are_rejected(oauth) -> None:
    held = await oauth.grant_machtiging(acts=frozenset({Act.LIST}))
    flow = await oauth.start_flow(None, held, "downloaden")
    assert (await refusal(oauth, flow))["error"] == "invalid_authorization_details"


async def test_authorization_details_without_machtiging_are_for_own_box_without_represents(oauth) -> None:
    flow = await oauth.start_flow()
    flow.asks = make_authorization_details()
    tokens = await flow.tokens()
    claims = read_claims(tokens["access_token"])
    assert claims["authorization_details"] == [{"type": "berichtenbox", "actions": ["lijst", "lezen", "downloaden"]}]
    assert "represents" not in claims


async def test_scope_openid_alone_grants_no_authorization_details(oauth) -> None:
    flow = await oauth.start_flow()
    tokens = await flow.tokens(authorization_details=None)
    assert "authorization_details" not in tokens
    assert "authorization_details" not in read_claims(tokens["access_token"])


# Token request (section 6)


async def test_token_request_with_fewer_actions_is_narrowed(oauth) -> None:
    held = await oauth.grant_machtiging()
    flow = await oauth.start_flow(None, held, "lijst", "lezen")
    response = await flow.redeem(await flow.code(), authorization_details=make_authorization_details(held.id, "lijst"))
    fewer = [{"type": "berichtenbox", "machtiging": str(held.id), "actions": ["lijst"]}]
    tokens = response.json()
    assert tokens["authorization_details"] == fewer
    assert read_claims(tokens["access_token"])["authorization_details"] == fewer
    told = await flow.app.post("/introspect", {"token": tokens["access_token"]})
    assert told.json()["authorization_details"] == fewer


async def test_token_request_without_machtiging_gives_the_granted_one(oauth) -> None:
    held = await oauth.grant_machtiging()
    flow = await oauth.start_flow(None, held, "lijst", "lezen")
    response = await flow.redeem(await flow.code(), authorization_details=make_authorization_details(None, "lijst"))
    granted = [{"type": "berichtenbox", "machtiging": str(held.id), "actions": ["lijst"]}]
    assert response.json()["authorization_details"] == granted


async def test_token_request_with_more_actions_is_rejected(oauth) -> None:
    held, other = await oauth.grant_machtiging(), await oauth.grant_machtiging()
    flow = await oauth.start_flow(None, held, "lijst")
    code = await flow.code()
    for wider in (
        make_authorization_details(held.id, "lijst", "lezen"),
        make_authorization_details(held.id, "downloaden"),
        make_authorization_details(other.id, "lijst"),
        make_authorization_details(held.id, "lijst", locations=["https://x.example"]),
        "onzin",
        "[]",
    ):
        response = await flow.redeem(await flow.unused(code), authorization_details=wider)
        assert (response.status_code, response.json()["error"]) == (400, "invalid_authorization_details"), wider
    assert (await flow.redeem(await flow.unused(code))).status_code == 200


async def test_token_request_with_details_for_login_only_consent_is_rejected(oauth) -> None:
    flow = await oauth.start_flow()
    code = await flow.code(authorization_details=None)
    response = await flow.redeem(code, authorization_details=make_authorization_details())
    assert (response.status_code, response.json()["error"]) == (400, "invalid_authorization_details")


async def test_discovery_detail_types_have_a_validator(oauth) -> None:
    document = (await oauth.connection().get("/.well-known/oauth-authorization-server")).json()
    assert document["authorization_details_types_supported"] == ["berichtenbox"]
    for kind in document["authorization_details_types_supported"]:
        assert parse_authorization_details(BOX_HANDLER, json.dumps([{"type": kind}])) is not None
