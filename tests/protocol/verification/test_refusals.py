"""POST /api/v1/verificaties: questions that are refused, each with its code."""

import json

import pytest

from tests.builders.bearer import assert_forbidden, assert_unauthenticated
from tests.builders.letters import SVB, UWV
from tests.builders.rows import AGENCIES
from tests.protocol.verification.conftest import BELASTINGDIENST, make_question

DIENST_TOESLAGEN = "00000099000000004000"
MACHTIGING = "01890000-0000-7000-8000-000000000000"

MALFORMED = [
    ({"dienst": ...}, "verificatie_ongeldig"),
    ({"dienst": ""}, "verificatie_ongeldig"),
    ({"dienst": 1}, "verificatie_ongeldig"),
    ({"doel": "nieuwsgierig"}, "verificatie_ongeldig"),
    ({"doel": ...}, "verificatie_ongeldig"),
    ({"extra": True}, "verificatie_ongeldig"),
    ({"handeling": "markeren"}, "verificatie_ongeldig"),
    ({"handeling": ["lezen"]}, "verificatie_ongeldig"),
    ({"kenmerk": "a\u0000b"}, "verificatie_ongeldig"),
    ({"kenmerk": "x" * 101}, "verificatie_ongeldig"),
    ({"op": "gisteren"}, "verificatie_ongeldig"),
    ({"op": "2026-01-01T12:00:00"}, "verificatie_ongeldig"),
    ({"op": "9999-12-31T00:00:00Z"}, "op_in_toekomst"),
    ({"machtigingId": "geen nummer"}, "verificatie_ongeldig"),
    ({"gemachtigde": ...}, "partijen_ontbreken"),
    ({"vertegenwoordigde": ...}, "partijen_ontbreken"),
    ({"gemachtigde": ..., "vertegenwoordigde": ...}, "partijen_ontbreken"),
    ({"gemachtigde": {"type": "BSN"}}, "verificatie_ongeldig"),
    ({"gemachtigde": {"type": "NAAM", "waarde": "J. Jansen"}}, "verificatie_ongeldig"),
    ({"gemachtigde": {"type": "BSN", "waarde": "123456789"}}, "bsn_ongeldig"),
    ({"gemachtigde": {"type": "BSN", "waarde": "12"}}, "bsn_ongeldig"),
    ({"gemachtigde": {"type": "KVK", "waarde": "1234567"}}, "kvk_ongeldig"),
    ({"gemachtigde": "999990020"}, "verificatie_ongeldig"),
]


@pytest.mark.parametrize(("changes", "code"), MALFORMED)
async def test_malformed_question_is_refused_with_its_code_without_a_lookup(agency, changes, code):
    result = await agency.ask(**changes)
    assert (result["resultaat"], result["code"]) == ("geweigerd", code)
    assert result["melding"]
    assert not {"antwoord", "bewijs", "verificatieId"} & result.keys()
    (line,) = await agency.read_lines()
    assert (line.outcome, line.reason, line.for_person_id) == ("refused", code, None)


async def test_dienst_of_another_agency_is_refused(agency):
    await agency.world.grant_machtiging()
    for dienst in ("ww-uitkering", f"{UWV}/ww-uitkering", "*", "inkomstenbelasting/"):
        assert (await agency.ask(dienst=dienst))["code"] == "dienst_niet_van_u"


ENTITLEMENTS = [
    (BELASTINGDIENST, {"doel": "toegang"}, None),
    (BELASTINGDIENST, {"doel": "balie"}, None),
    (UWV, {"dienst": "ww-uitkering"}, None),
    (UWV, {"dienst": "wia-uitkering"}, "niet_bevoegd"),
    (UWV, {"dienst": "ww-uitkering", "doel": "balie"}, "niet_bevoegd"),
    (SVB, {"dienst": "aow", "doel": "telefoon"}, "niet_bevoegd"),
    (DIENST_TOESLAGEN, {"dienst": "zorgtoeslag"}, "niet_bevoegd"),
    (DIENST_TOESLAGEN, {"dienst": "zorgtoeslag", "machtigingId": MACHTIGING}, "niet_bevoegd"),
    (
        DIENST_TOESLAGEN,
        {"dienst": "zorgtoeslag", "machtigingId": MACHTIGING, "vertegenwoordigde": ..., "gemachtigde": ...},
        None,
    ),
]


@pytest.mark.parametrize(("oin", "changes", "code"), ENTITLEMENTS)
async def test_agency_asks_only_by_the_identifier_dienst_and_purpose_of_its_entitlement(agency, oin, changes, code):
    result = await agency.ask(oin=oin, **changes)
    assert result.get("code") == code
    if code == "niet_bevoegd":
        assert "een BSN" in result["melding"]


@pytest.mark.parametrize("size", [0, 1001])
async def test_call_with_no_question_or_too_many_is_refused_as_a_whole(agency, size):
    answer = await agency.post(*[make_question()] * size)
    assert (answer.status_code, answer.json()["code"]) == (400, "ongeldige_invoer")
    assert await agency.read_lines() == []


async def test_thousand_questions_fit_in_one_call(agency):
    await agency.world.grant_machtiging()
    long = {"kenmerk": "k" * 100, "dienst": f"{BELASTINGDIENST}/inkomstenbelasting"}
    answer = await agency.post(*[make_question(**long)] * 1000)
    assert answer.status_code == 200
    assert {one["antwoord"] for one in answer.json()["resultaten"]} == {True}
    assert len(await agency.read_lines()) == 1000


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"verificaties": {}}', b'{"verificaties": [1]}', b"\xff"])
async def test_body_that_is_no_call_is_a_problem(agency, body):
    answer = await agency.post(content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (400, "ongeldige_invoer")


async def test_other_content_type_is_unsupported(agency):
    answer = await agency.post(content=json.dumps({}), headers={"Content-Type": "text/plain"})
    assert answer.status_code == 415


async def test_body_over_the_limit_is_too_large(agency):
    answer = await agency.post(content=b" " * (1024 * 1024 + 1), headers={"Content-Type": "application/json"})
    assert answer.status_code == 413


async def test_token_without_the_scope_for_verifications_is_forbidden(agency):
    token = await agency.issue_token(scope="aanleveringen:schrijven")
    assert_forbidden(await agency.post(make_question(), token=token), "token_voor_ander_gebruik")


async def test_token_of_a_person_is_forbidden(agency):
    token = await agency.issue_token(oin=None, person_id=agency.world.helper)
    assert_forbidden(await agency.post(make_question(), token=token), "token_voor_ander_gebruik")


async def test_call_without_a_valid_token_is_unauthenticated(agency):
    assert_unauthenticated(await agency.post(make_question(), token="x.y.z"), "token_ongeldig")


async def test_agency_that_is_no_longer_active_asks_nothing(agency):
    async with agency.world.sessions.begin() as session:
        await session.execute(AGENCIES.table.update().values(active=False).where(AGENCIES.c.oin == BELASTINGDIENST))
    answer = await agency.post(make_question())
    assert (answer.status_code, answer.json()["code"]) == (403, "afnemer_niet_actief")


async def test_refusal_names_the_own_reference_of_the_agency(agency):
    assert (await agency.ask(kenmerk="zaak 7", doel="x"))["kenmerk"] == "zaak 7"
    assert "kenmerk" not in await agency.ask(kenmerk={"a": 1})
