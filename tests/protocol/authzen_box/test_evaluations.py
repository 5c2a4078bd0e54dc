"""Evaluations of an agency about the box, and what they do not tell."""

from datetime import timedelta
from uuid import UUID

import pytest

from machtiging.berichtenbox.decision_point.sender_letters import SenderLetters
from machtiging.identity.people import find_or_create_by_bsn
from machtiging.kernel.bsn import Bsn
from machtiging.verification.parties import compute_pseudonym, save_pseudonyms
from tests.builders.database import record_queries
from tests.builders.letters import CITIZEN, HELPER, STRANGER, SVB, UWV
from tests.builders.machtiging import insert_relative_machtiging
from tests.builders.organisations import KVK
from tests.protocol.authzen_box.conftest import (
    BELASTINGDIENST,
    CITIZEN_NAMED,
    COLLECTION,
    HELPER_SUBJECT,
    SUBSTANTIAL,
    TAX,
    about_dienst,
    about_letter,
)

NOBODY = {"type": "bsn", "id": "999990056"}
NO = {"decision": False, "context": {"reason": "geen_geldige_machtiging"}}
AOW = {"dienst": "aow"}
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


async def test_helper_with_machtiging_may_act_in_a_dienst(pep):
    await pep.world.grant_machtiging()
    assert await pep.ask(about_dienst()) == {"decision": True, "context": {}}


async def test_helper_with_machtiging_may_read_a_letter_of_the_agency(pep):
    letter = await pep.world.deliver_letter(oin=BELASTINGDIENST, dienst=TAX)
    await pep.world.grant_machtiging()
    assert await pep.decide(about_letter(letter))


async def test_citizen_may_read_her_own_letter(pep):
    letter = await pep.world.deliver_letter(oin=BELASTINGDIENST, dienst=TAX)
    assert await pep.decide(about_letter(letter, subject=CITIZEN_NAMED))


async def test_own_box_of_an_unknown_person_gets_the_answer_of_one_that_exists(pep):
    answers = []
    for person in (CITIZEN_NAMED, NOBODY):
        asked = about_dienst(subject=person)
        asked["context"] = asked["context"] | {"vertegenwoordigde": person}
        answers.append(await pep.ask(asked))
        answers.append(await pep.search("action", {name: asked[name] for name in ("subject", "resource", "context")}))
    assert answers[:2] == answers[2:]
    assert [line.for_person_id for line in await pep.read_lines()] == [pep.world.citizen] * 2 + [None] * 2


async def test_helper_without_machtiging_is_denied_as_an_unknown_person(pep):
    letter = await pep.world.deliver_letter(oin=BELASTINGDIENST, dienst=TAX)
    for subject in (HELPER_SUBJECT, NOBODY):
        assert (await pep.ask(about_dienst(subject=subject, doel="balie"))) == NO
        assert not await pep.decide(about_letter(letter, subject=subject))


@pytest.mark.parametrize("end", ["revoke", "pause"])
async def test_ended_or_paused_machtiging_is_denied_at_once(pep, end):
    letter = await pep.world.deliver_letter(oin=BELASTINGDIENST, dienst=TAX)
    machtiging_id = await pep.world.grant_machtiging()
    assert await pep.decide(about_letter(letter))
    await getattr(pep.world, end)(machtiging_id)
    assert not await pep.decide(about_letter(letter))
    assert not await pep.decide(about_dienst())


async def test_properties_of_a_caller_decide_nothing(pep):
    claims = {"properties": {"role": "admin", "machtiging": "ja", "acr": SUBSTANTIAL, "hoedanigheid": "self"}}
    question = about_dienst() | {"subject": HELPER_SUBJECT | claims, "action": {"name": "lezen"} | claims}
    assert not await pep.decide(question | {"resource": {"type": "dienst", "id": TAX} | claims})


async def test_letter_of_another_agency_is_denied_as_one_that_does_not_exist(pep):
    await pep.world.grant_machtiging()
    foreign = await pep.world.deliver_letter(oin=UWV)
    absent = "01890000-0000-7000-8000-000000000000"
    answers = [await pep.ask(about_letter(letter)) for letter in (foreign, absent, "", "x", absent.upper())]
    assert answers[:2] == [NO, NO]
    assert [one["decision"] for one in answers] == [False] * 5


async def test_dienst_of_another_agency_is_denied_without_a_lookup(pep):
    await pep.world.grant_machtiging()
    for code in ("ww-uitkering", f"{UWV}/ww-uitkering", "*"):
        answer = await pep.ask(about_dienst(code))
        assert answer == {"decision": False, "context": {"reason": "dienst_niet_van_u"}}
    assert {line.for_person_id for line in await pep.read_lines()} == {None}


@pytest.mark.parametrize(
    ("oin", "code", "context"),
    [
        (SVB, "aow", {}),
        (UWV, "ww-uitkering", {"doel": "balie"}),
        (UWV, "ziektewet", {}),
        ("00000099000000004000", "zorgtoeslag", {}),
    ],
)
async def test_question_without_entitlement_is_denied_without_a_lookup(pep, oin, code, context):
    await pep.world.grant_machtiging()
    answer = await pep.as_agency(oin).ask(about_dienst(code, **context))
    assert answer["decision"] is False
    assert answer["context"]["reason"] in ("niet_bevoegd", "dienst_niet_van_u")
    assert [line.for_person_id for line in await pep.read_lines()] == [None]


async def test_unknown_agency_is_forbidden(pep):
    answer = await pep.as_agency("00000099000000009999").post("evaluation", about_dienst())
    assert (answer.status_code, "afnemer_niet_actief" in answer.json()) == (403, True)


async def test_token_for_another_use_is_forbidden(pep):
    answer = await pep.post("evaluation", about_dienst(), await pep.issue_token(scope="aanleveringen:schrijven"))
    assert (answer.status_code, type(answer.json())) == (403, str)


async def test_login_of_unknown_level_gets_a_step_up_when_a_higher_one_is_enough(pep):
    await pep.world.grant_machtiging()
    for acr in (..., "http://eidas.europa.eu/LoA/low", "urn:unknown"):
        answer = await pep.ask(about_dienst(COLLECTION, acr=acr))
        assert answer["decision"] is False
        context = answer["context"]
        assert (context["reason"], context["acr_values"]) == ("niveau_te_laag", SUBSTANTIAL)
        (obligation,) = context["obligations"]
        assert (obligation["type"], obligation["properties"]) == ("step-up", {"acr_value": SUBSTANTIAL})
    assert await pep.decide(about_dienst(COLLECTION))


async def test_login_of_any_level_without_machtiging_gets_no_step_up(pep):
    assert await pep.ask(about_dienst(COLLECTION, acr=..., doel="balie")) == NO


async def test_reason_of_a_denial_is_told_to_the_enforcement_point_only(pep):
    machtiging_id = await pep.world.grant_machtiging()
    await pep.world.pause(machtiging_id)
    assert (await pep.ask(about_dienst()))["context"] == {"reason": "machtiging_gepauzeerd"}
    assert (await pep.ask(about_dienst(doel="behandelen")))["context"] == NO["context"]


async def test_helper_of_an_organisation_and_the_organisation_itself_may_act(pep):
    await pep.world.grant_machtiging(KVK, capacity="professional")
    assert await pep.decide(about_dienst())
    assert await pep.decide(about_dienst(subject={"type": "organisatie", "id": KVK}))
    letter = await pep.world.deliver_letter(oin=BELASTINGDIENST, dienst=TAX)
    assert await pep.decide(about_letter(letter))
    assert not await pep.decide(about_letter(letter, subject={"type": "organisatie", "id": KVK}))


async def test_pseudonyms_name_a_party_for_their_own_agency_only(pep):
    await pep.world.grant_machtiging()
    async with pep.world.sessions.begin() as session:
        parties = [pep.world.citizen, pep.world.helper]
        for oin in (BELASTINGDIENST, UWV):
            await save_pseudonyms(session, pep.world.keyring, oin, parties, at=pep.world.clock.now())
    named = {
        oin: [compute_pseudonym(pep.world.keyring, oin, party) for party in parties] for oin in (BELASTINGDIENST, UWV)
    }
    for oin, expected in ((BELASTINGDIENST, True), (UWV, False)):
        citizen, helper = ({"type": "gemachtigde", "id": name} for name in named[oin])
        assert await pep.decide(about_dienst(subject=helper, vertegenwoordigde=citizen)) is expected
        box = about_dienst(act="lijst", subject=helper) | {"resource": {"type": "berichtenbox", "id": citizen["id"]}}
        assert await pep.decide(box) is expected


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"vertegenwoordigde": ...}, 400),
        ({"vertegenwoordigde": CITIZEN}, 400),
        ({"vertegenwoordigde": {"type": "bsn"}}, 400),
        ({"vertegenwoordigde": {"type": "bsn", "id": "123456789"}}, 400),
        ({"doel": "nieuwsgierig"}, 400),
        ({"doel": 1}, 400),
        ({"acr": 3}, 400),
        ({"vertegenwoordigde": {"type": "naam", "id": "J. Jansen"}}, 200),
        ({"vertegenwoordigde": {"type": "gemachtigde", "id": "a\u0000b"}}, 200),
        ({"subject": {"type": "bsn", "id": "12"}}, 400),
        ({"subject": {"type": "organisatie", "id": "1"}}, 400),
        ({"subject": {"type": "user", "id": HELPER}}, 200),
        ({"act": "markeren"}, 200),
        ({"act": "verwijderen"}, 200),
    ],
)
async def test_question_about_an_unknown_party_or_act_is_refused_or_denied(pep, changes, status):
    await pep.world.grant_machtiging()
    answer = await pep.post("evaluation", about_dienst(**changes))
    assert answer.status_code == status
    if status == 200:
        assert answer.json()["decision"] is False
        assert {line.for_person_id for line in await pep.read_lines()} == {None}


async def test_every_question_of_a_batch_has_one_journal_line_with_its_id_and_the_trace(pep):
    await pep.world.grant_machtiging()
    batch = about_dienst(traceparent=TRACE) | {
        "evaluations": [{}, {"subject": NOBODY}, {"subject": {"type": "bsn", "id": "1"}}, {"action": {"name": "lijst"}}]
    }
    answers = (await pep.post("evaluations", batch)).json()["evaluations"]
    assert [one["decision"] for one in answers] == [True, False, False, True]
    lines = await pep.read_lines()
    assert [str(line.id) for line in lines] == [one["context"]["evaluation_id"] for one in (*answers[:2], answers[3])]
    assert {line.trace_id for line in lines} == {"4bf92f3577b34da6a3ce929d0e0e4736"}
    assert {line.for_person_id for line in lines} == {pep.world.citizen}
    assert [line.reason for line in lines] == ["ja", "nee", "ja"]


async def test_batch_about_two_helpers_gives_each_its_own_answer(pep):
    await pep.world.grant_machtiging()
    async with pep.world.sessions.begin() as session:
        other = await find_or_create_by_bsn(session, pep.world.keyring, Bsn(STRANGER), at=pep.world.clock.now())
        await insert_relative_machtiging(session, other, pep.world.helper, pep.world.clock.now())
        await insert_relative_machtiging(session, pep.world.helper, other, pep.world.clock.now())
    stranger = {"type": "bsn", "id": STRANGER}
    named = [{"vertegenwoordigde": one, "acr": SUBSTANTIAL} for one in (CITIZEN_NAMED, stranger, HELPER_SUBJECT)]
    items = [{"subject": subject, "context": context} for subject in (HELPER_SUBJECT, stranger) for context in named]
    answers = (await pep.post("evaluations", about_dienst() | {"evaluations": items})).json()["evaluations"]
    # Each opens the own box too: the third and the fifth.
    assert [one["decision"] for one in answers] == [True, True, True, False, True, True]


async def test_letters_of_another_sender_do_not_exist_in_the_source(pep):
    letters = [UUID(await pep.world.deliver_letter(oin=oin, **changes)) for oin, changes in ((UWV, {}), (SVB, AOW))]
    at, source = pep.world.clock.now(), SenderLetters()
    async with pep.world.sessions() as session:
        found = await source.find_letters(session, UWV, letters, at)
        boxes, diensten = [pep.world.citizen], ["ww-uitkering", "aow"]
        listed = await source.list_box_letters(session, UWV, diensten, boxes, after=None, limit=9, at=at)
        early = await source.find_letters(session, UWV, letters, at - timedelta(days=1))
    assert (list(found), list(listed), list(early)) == ([letters[0]], [letters[0]], [])


async def test_batch_that_ends_early_records_only_what_was_answered(pep):
    options = {"evaluations_semantic": "deny_on_first_deny"}
    answers = (await pep.post("evaluations", about_dienst() | {"options": options, "evaluations": [{}, {}]})).json()
    assert len(answers["evaluations"]) == len(await pep.read_lines()) == 1


async def test_number_of_statements_of_a_call_is_the_same_for_every_question(pep, database):
    letter = await pep.world.deliver_letter(oin=BELASTINGDIENST, dienst=TAX)
    await pep.world.grant_machtiging()
    absent = "01890000-0000-7000-8000-000000000000"
    questions = [
        about_letter(letter),
        about_letter(letter, subject=NOBODY),
        about_letter(absent),
        about_dienst(),
        about_dienst(subject=NOBODY, vertegenwoordigde=NOBODY),
    ]
    await pep.decide(about_dienst())  # the driver looks up the types of parameters once
    numbers = set()
    for members in (*questions, {"evaluations": questions}):
        token = await pep.issue_token()
        with record_queries(database) as queries:
            assert (await pep.post("evaluations", members, token)).status_code == 200
        numbers.add(len(queries))
    assert len(numbers) == 1
