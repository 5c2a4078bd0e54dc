"""POST /api/v1/verificaties: what an agency learns, and what it does not."""

from datetime import timedelta

import pytest

from tests.builders.database import record_queries
from tests.builders.letters import SVB, UWV
from tests.builders.organisations import KVK, OTHER_KVK
from tests.builders.rows import PERSONS
from tests.protocol.verification.conftest import BELASTINGDIENST, make_question, read_claims

STRANGER_BSN = "999990056"
NO_ANSWER = {"resultaat": "beantwoord", "antwoord": False, "reden": "geen_geldige_machtiging"}
ANSWER_OF_NO = {*NO_ANSWER, "verificatieId", "op", "bewijs", "zout"}
ACTS = [{"handeling": act, "niveau": "laag"} for act in ("lijst", "lezen", "downloaden")]


async def test_helper_with_machtiging_is_yes_with_acts_and_levels(agency):
    machtiging_id = await agency.world.grant_machtiging()
    result = await agency.ask(kenmerk="zaak 12")
    assert (result["resultaat"], result["antwoord"], result["kenmerk"]) == ("beantwoord", True, "zaak 12")
    assert (result["machtigingId"], result["hoedanigheid"]) == (str(machtiging_id), "naaste")
    assert result["handelingen"] == ACTS
    assert "reden" not in result


async def test_sensitive_dienst_needs_a_higher_login_in_the_answer(agency):
    await agency.world.grant_machtiging()
    result = await agency.ask(dienst="invordering")
    assert {one["niveau"] for one in result["handelingen"]} == {"substantieel"}


async def test_helper_of_an_organisation_is_yes_through_the_organisation(agency):
    await agency.world.grant_machtiging(KVK, capacity="professional")
    result = await agency.ask()
    assert (result["antwoord"], result["organisatie"]["kvkNummer"]) == (True, KVK)


async def test_organisation_itself_is_asked_by_its_kvk_number(agency):
    await agency.world.grant_machtiging(KVK, capacity="professional")
    result = await agency.ask(gemachtigde={"type": "KVK", "waarde": KVK})
    assert (result["antwoord"], result["hoedanigheid"]) == (True, "hulpverlener")
    other = await agency.ask(gemachtigde={"type": "KVK", "waarde": OTHER_KVK})
    assert other["antwoord"] is False


async def test_machtiging_is_asked_by_its_number(agency):
    machtiging_id = await agency.world.grant_machtiging()
    named = {"machtigingId": str(machtiging_id), "vertegenwoordigde": ..., "gemachtigde": ...}
    assert (await agency.ask(**named))["antwoord"] is True
    assert (await agency.ask(**named, oin=SVB, dienst="aow"))["antwoord"] is True
    other = {"type": "BSN", "waarde": STRANGER_BSN}
    assert (await agency.ask(machtigingId=str(machtiging_id), gemachtigde=other))["antwoord"] is False


async def test_pseudonyms_of_a_yes_can_be_asked_again_by_this_agency_only(agency):
    await agency.world.grant_machtiging()
    first = await agency.ask()
    parties = {name: {"type": "PSEUDONIEM", "waarde": first[name]} for name in ("vertegenwoordigde", "gemachtigde")}
    again = await agency.ask(**parties)
    assert (again["antwoord"], again["gemachtigde"]) == (True, first["gemachtigde"])
    other = await agency.ask(**parties, oin=UWV, dienst="ww-uitkering")
    assert other["antwoord"] is False


NO_CASES = {
    "no machtiging": {},
    "unknown helper": {"gemachtigde": {"type": "BSN", "waarde": STRANGER_BSN}},
    "unknown citizen": {"vertegenwoordigde": {"type": "BSN", "waarde": STRANGER_BSN}},
    "unknown pseudonym": {"gemachtigde": {"type": "PSEUDONIEM", "waarde": "x" * 43}},
    "unknown organisation": {"gemachtigde": {"type": "KVK", "waarde": OTHER_KVK}},
    "unknown machtiging": {"machtigingId": "01890000-0000-7000-8000-000000000000"},
}


@pytest.mark.parametrize("changes", NO_CASES.values(), ids=NO_CASES)
async def test_unknown_party_and_missing_machtiging_get_the_same_answer(agency, changes):
    result = await agency.ask(**changes)
    assert {name: result[name] for name in NO_ANSWER} == NO_ANSWER
    assert result.keys() == ANSWER_OF_NO


@pytest.mark.parametrize("change", ["revoke", "pause"])
async def test_machtiging_that_stopped_is_the_same_no_at_the_next_question(agency, change):
    machtiging_id = await agency.world.grant_machtiging()
    assert (await agency.ask())["antwoord"] is True
    await getattr(agency.world, change)(machtiging_id)
    result = await agency.ask()
    assert (result["antwoord"], result["reden"]) == (False, "geen_geldige_machtiging")
    named = await agency.ask(machtigingId=str(machtiging_id))
    assert (named["antwoord"], named["reden"]) == (False, "geen_geldige_machtiging")


async def test_expired_machtiging_is_no(agency):
    await agency.world.grant_machtiging()
    agency.world.clock.advance(timedelta(days=366))
    assert (await agency.ask())["antwoord"] is False


@pytest.mark.parametrize(
    "scope",
    [
        {"afzenders": [UWV]},
        {"diensten": [f"{BELASTINGDIENST}/voorlopige-aanslag"]},
        {"themes": ["zorg"]},
        {"excluded_themes": ["belastingen"]},
    ],
)
async def test_dienst_outside_the_agreement_is_no(agency, scope):
    await agency.world.grant_machtiging(**scope)
    assert (await agency.ask())["antwoord"] is False


async def test_act_that_was_not_given_is_no(agency):
    await agency.world.grant_machtiging(acts=["lijst"])
    assert (await agency.ask(handeling="lijst"))["antwoord"] is True
    assert (await agency.ask(handeling="lezen"))["antwoord"] is False


async def test_answers_come_in_the_order_of_the_questions(agency):
    machtiging_id = await agency.world.grant_machtiging()
    questions = [make_question(kenmerk=str(number), machtigingId=str(machtiging_id)) for number in range(20)]
    questions[7] = make_question(kenmerk="7", doel="nieuwsgierig")
    questions[8] = make_question(kenmerk="8", gemachtigde={"type": "BSN", "waarde": STRANGER_BSN})
    answer = await agency.post(*questions)
    results = answer.json()["resultaten"]
    assert [one["kenmerk"] for one in results] == [str(number) for number in range(20)]
    assert [one["resultaat"] for one in results].count("geweigerd") == 1
    assert [one.get("antwoord") for one in results[6:9]] == [True, None, False]
    ids = {one["verificatieId"] for one in results if "verificatieId" in one}
    assert len(ids) == 19


async def test_number_of_statements_is_the_same_for_one_and_forty_questions_yes_or_no(agency, database):
    await agency.world.grant_machtiging()
    nobody = {"type": "BSN", "waarde": STRANGER_BSN}
    counts = []
    await agency.ask()  # the first one of a process asks more
    for questions in ([make_question()], [make_question()] * 40, [make_question(gemachtigde=nobody)]):
        token = await agency.issue_token()
        with record_queries(database) as queries:
            await agency.post(*questions, token=token)
        counts.append(len(queries))
    assert counts == [counts[0]] * 3


async def test_journal_has_a_line_for_each_question_with_the_id_of_the_answer(agency):
    machtiging_id = await agency.world.grant_machtiging()
    yes, no = await agency.ask(), await agency.ask(dienst="motorrijtuigenbelasting", handeling="lezen", doel="telefoon")
    lines = await agency.read_lines()
    assert [str(line.id) for line in lines] == [yes["verificatieId"], no["verificatieId"]]
    assert {line.for_person_id for line in lines} == {agency.world.citizen}
    assert lines[0].machtiging_id == machtiging_id
    assert (lines[0].reason, lines[0].facts["afzender"], lines[0].facts["antwoord"]) == ("ja", BELASTINGDIENST, True)
    assert len({line.trace_id for line in lines}) == 2


async def test_question_about_an_unknown_person_is_journalled_without_a_person(agency):
    before = await PERSONS.count(agency.world)
    await agency.ask(vertegenwoordigde={"type": "BSN", "waarde": STRANGER_BSN})
    (line,) = await agency.read_lines()
    assert (line.for_person_id, line.reason) == (None, "nee")
    assert await PERSONS.count(agency.world) == before


async def test_bsn_is_in_no_journal_line_and_no_answer(agency):
    await agency.world.grant_machtiging()
    answer = await agency.post(make_question())
    lines = await agency.read_lines()
    claims = read_claims(answer.json()["resultaten"][0]["bewijs"])
    for number in ("999990019", "999990020"):
        assert number not in answer.text
        assert number not in str(claims)
        assert number not in str(lines)
