"""Questions with a code: it works once, for one agency and purpose."""

import pytest

from machtiging.kernel.ids import uuid7
from machtiging.verification.codes.rules import CodeLife, CodePurpose
from tests.builders.letters import SVB, UWV
from tests.protocol.verification.conftest import BELASTINGDIENST, make_question
from tests.storage.verification.verification_codes import CODES, add_code

ALONE = {"vertegenwoordigde": ..., "gemachtigde": ...}


@pytest.fixture
async def code(agency):
    """A code of the citizen for the Belastingdienst at the counter."""
    machtiging_id = await agency.world.grant_machtiging()
    return await make_code(agency, machtiging_id)


async def make_code(agency, machtiging_id, **changes):
    wanted = {"oin": BELASTINGDIENST, "purpose": CodePurpose.COUNTER, "life": CodeLife.DAY} | changes
    async with agency.world.sessions.begin() as session:
        at = agency.world.clock.now()
        made = await add_code(session, agency.world.citizen, machtiging_id, str(uuid7()), at=at, **wanted)
    return made.code


async def ask_with(agency, code, **changes):
    return await agency.ask(code=code, **{"doel": "balie", **ALONE, **changes})


async def test_code_answers_once_for_the_machtiging_that_it_was_made_for(agency, code):
    first = await ask_with(agency, code)
    assert (first["antwoord"], first["hoedanigheid"]) == (True, "naaste")
    again = await ask_with(agency, code)
    assert (again["resultaat"], again["code"]) == ("geweigerd", "code_niet_geldig")


async def test_answer_to_a_code_is_saved_with_the_decision_id(agency, code):
    result = await ask_with(agency, code)
    row = await CODES.read_one(agency.world)
    assert (str(row.answer_id), row.is_yes, row.used_client) == (result["verificatieId"], True, "afnemer")


async def test_code_of_a_machtiging_that_ended_is_no_and_used(agency, code):
    row = await CODES.read_one(agency.world)
    await agency.world.revoke(row.machtiging_id)
    assert (await ask_with(agency, code))["antwoord"] is False
    assert (await ask_with(agency, code))["code"] == "code_niet_geldig"


@pytest.mark.parametrize(
    ("oin", "changes"),
    [(SVB, {"dienst": "aow"}), (UWV, {"dienst": "ww-uitkering"}), (BELASTINGDIENST, {"doel": "telefoon"})],
)
async def test_code_for_another_agency_or_purpose_is_the_same_refusal_and_stays_open(agency, code, oin, changes):
    refused = await agency.ask(oin=oin, code=code, **{"doel": "balie", **ALONE, **changes})
    assert refused["code"] == "code_niet_geldig"
    assert (await ask_with(agency, code))["antwoord"] is True


@pytest.mark.parametrize("typed", ["", "0000-0000", "x" * 40, "abc", "1234-5678"])
async def test_guessed_code_is_refused(agency, code, typed):
    assert (await ask_with(agency, typed))["code"] == "code_niet_geldig"


@pytest.mark.parametrize("beside", [{"machtigingId": str(uuid7())}, {"op": "2026-01-01T00:00:00Z"}])
async def test_code_beside_a_number_or_instant_is_refused_and_stays_open(agency, code, beside):
    assert (await ask_with(agency, code, **beside))["code"] == "code_staat_alleen"
    parties = make_question()
    beside_party = await ask_with(agency, code, gemachtigde=parties["gemachtigde"])
    assert beside_party["code"] == "code_staat_alleen"
    assert (await ask_with(agency, code))["antwoord"] is True


async def test_more_than_ten_codes_in_one_call_are_refused(agency):
    questions = [make_question(code="0000-0000", doel="balie", **ALONE) for _ in range(12)]
    results = (await agency.post(*questions)).json()["resultaten"]
    assert [one["code"] for one in results] == ["code_niet_geldig"] * 10 + ["te_veel_codes"] * 2


async def test_code_is_in_no_journal_line(agency, code):
    await ask_with(agency, code)
    assert code not in str(await agency.read_lines())
