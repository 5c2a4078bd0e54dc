"""Searches of an agency in the box: its own diensten and letters, never people."""

import pytest

from machtiging.agencies.queries import find_active_agency
from tests.builders.letters import CITIZEN, UWV
from tests.protocol.authzen_box.conftest import (
    BELASTINGDIENST,
    CITIZEN_NAMED,
    COLLECTION,
    TAX,
    about_dienst,
    about_letter,
)

NOBODY = {"type": "bsn", "id": "999990056"}
TAX_DIENSTEN = [COLLECTION, TAX]


def search_for(kind, **changes):
    """A search for diensten or letters of the citizen."""
    return about_dienst(**changes) | {"resource": {"type": kind}}


@pytest.mark.parametrize("type_", ["gemachtigde", "bsn", "organisatie", "user"])
async def test_subject_search_never_lists_the_helpers_of_a_person(pep, type_):
    letter = await pep.world.deliver_letter(oin=BELASTINGDIENST, dienst=TAX)
    await pep.world.grant_machtiging()
    for question in (about_dienst(), about_letter(letter)):
        assert await pep.search("subject", question | {"subject": {"type": type_}}) == []


async def test_dienst_search_finds_own_diensten_that_evaluate_to_true(pep):
    await pep.world.grant_machtiging()
    found = await pep.search("resource", search_for("dienst"))
    assert set(TAX_DIENSTEN) <= set(found)
    assert found == [code for code in await list_own_diensten(pep) if await pep.decide(about_dienst(code))]
    low = await pep.search("resource", search_for("dienst", acr=...))
    assert low == [code for code in found if await pep.decide(about_dienst(code, acr=...))]
    assert COLLECTION not in low


async def list_own_diensten(pep):
    async with pep.world.sessions() as session:
        agency = await find_active_agency(session, BELASTINGDIENST)
    return sorted(one.code for one in agency.diensten)


async def test_search_about_a_person_without_machtiging_or_unknown_finds_nothing(pep):
    for changes in ({}, {"subject": NOBODY}, {"vertegenwoordigde": NOBODY}):
        for kind in ("dienst", "bericht"):
            assert await pep.search("resource", search_for(kind, **changes)) == []


async def test_letter_search_finds_own_letters_that_evaluate_to_true(pep):
    letters = [await pep.world.deliver_letter(oin=BELASTINGDIENST, dienst=code) for code in (TAX, COLLECTION, TAX)]
    await pep.world.deliver_letter(oin=UWV)
    await pep.world.grant_machtiging()
    for acr in ({}, {"acr": ...}):
        found = await pep.search("resource", search_for("bericht", **acr))
        assert found == sorted([one for one in letters if await pep.decide(about_letter(one, **acr))])
    assert len(found) == 2


async def test_letter_search_in_pages_gives_every_letter_once(pep):
    letters = [await pep.world.deliver_letter(oin=BELASTINGDIENST, dienst=TAX) for _ in range(5)]
    await pep.world.grant_machtiging()
    token, found, question = "", [], search_for("bericht")
    for _ in range(3):
        page = {"limit": 2} | ({"token": token} if token else {})
        answer = (await pep.post("search/resource", question | {"page": page})).json()
        token = answer["page"]["next_token"]
        found += [one["id"] for one in answer["results"]]
    assert (found, token) == (sorted(letters), "")


async def test_page_token_of_another_agency_is_refused(pep):
    for _ in range(2):
        await pep.world.deliver_letter(oin=BELASTINGDIENST, dienst=TAX)
    await pep.world.grant_machtiging()
    question = search_for("bericht")
    answer = (await pep.post("search/resource", question | {"page": {"limit": 1}})).json()
    page = {"token": answer["page"]["next_token"]}
    assert page["token"]
    stolen = await pep.as_agency(UWV).post("search/resource", question | {"page": page})
    assert stolen.status_code == 400


async def test_letter_search_without_its_entitlement_finds_nothing(pep):
    await pep.world.deliver_letter()
    await pep.world.grant_machtiging()
    other = pep.as_agency(UWV)
    assert await other.search("resource", search_for("dienst")) == ["scholing", "ww-uitkering"]
    assert await other.search("resource", search_for("bericht")) == []
    lines = await other.read_lines()
    assert [(line.outcome, line.reason, line.for_person_id) for line in lines[1:]] == [
        ("refused", "niet_bevoegd", None)
    ]
    # The purpose of the entitlement is to guard access.
    await pep.world.deliver_letter(oin=BELASTINGDIENST, dienst=TAX)
    assert await pep.search("resource", search_for("bericht", doel="behandelen")) == []


async def test_action_search_finds_the_acts_that_evaluate_to_true(pep):
    letter = await pep.world.deliver_letter(oin=BELASTINGDIENST, dienst=TAX)
    await pep.world.grant_machtiging(acts=["lijst", "lezen"])
    for question in (about_dienst(), about_letter(letter)):
        found = await pep.search("action", {name: value for name, value in question.items() if name != "action"})
        assert found == ["lezen", "lijst"]
        assert found == [
            act for act in ("downloaden", "lezen", "lijst") if await pep.decide(question | {"action": {"name": act}})
        ]


@pytest.mark.parametrize("type_", ["berichtenbox", "spaceship"])
async def test_search_for_another_type_of_resource_finds_nothing(pep, type_):
    await pep.world.grant_machtiging()
    assert await pep.search("resource", search_for(type_)) == []


@pytest.mark.parametrize("kind", ["dienst", "bericht"])
async def test_search_that_names_no_person_is_bad_request(pep, kind):
    for changes in ({"vertegenwoordigde": ...}, {"vertegenwoordigde": {"type": "bsn", "id": CITIZEN[:-1]}}):
        answer = await pep.post("search/resource", search_for(kind, **changes))
        assert answer.status_code == 400


async def test_search_has_one_journal_line_about_the_person(pep):
    await pep.world.grant_machtiging()
    answer = (await pep.post("search/resource", search_for("dienst"))).json()
    (line,) = await pep.read_lines()
    assert str(line.id) == answer["context"]["evaluation_id"]
    assert (line.for_person_id, line.reason) == (pep.world.citizen, "ja")
    assert CITIZEN_NAMED["id"] not in str(line.facts)
