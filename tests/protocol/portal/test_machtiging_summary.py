"""The PDF summary of one machtiging, and printing a letter."""

import pytest

from machtiging.kernel.ids import uuid7
from machtiging.message_catalogue import get_sentence
from tests.builders.helping import open_helper_session
from tests.builders.letters import UWV
from tests.builders.pdf import read_pdf, read_structure_types, read_text
from tests.builders.portal import make_offer
from tests.builders.rows import MACHTIGINGEN

KVK = "90000002"
NAMES = ("Ans Voorbeeld", "Bram Voorbeeld")


@pytest.fixture
async def sessions(world, portal):
    """The sessions of giver and helper, under one machtiging."""
    box = await world.grant_machtiging(afzenders=[UWV], purpose="de post van UWV")
    giver = await open_helper_session(portal, portal.people.mother, box)
    return {"helpers": giver, "ik-help": await open_helper_session(portal, portal.people.son, box)}


def path_of(place, box):
    return f"/{place}/{box}/overzicht.pdf"


EACH_PARTY = pytest.mark.parametrize("place", ["helpers", "ik-help"])


@EACH_PARTY
async def test_summary_names_both_people_and_all_terms_for_either_party(sessions, place):
    session = sessions[place]
    answer = await session.request(path_of(place, session.box))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
    assert answer.headers["content-disposition"].startswith('attachment; filename="machtiging-20')
    words = read_text(answer.content)
    for one in (*NAMES, "de post van UWV", "UWV", "Geldig", "De helper mag", "Niet over", str(session.box)):
        assert one in words
    assert read_pdf(answer.content).trailer["/Root"]["/Lang"] == "nl"
    assert {"H1", "H2", "L", "LI"} <= read_structure_types(answer.content)


@EACH_PARTY
async def test_summary_in_english_is_english(sessions, place):
    session = sessions[place]
    session.headers["Accept-Language"] = "en"
    content = (await session.request(path_of(place, session.box))).content
    assert "Summary of a machtiging" in read_text(content)
    assert read_pdf(content).trailer["/Root"]["/Lang"] == "en"


@EACH_PARTY
async def test_page_of_the_machtiging_links_to_its_summary(sessions, place):
    session = sessions[place]
    page = await session.request(f"/{place}/{session.box}")
    assert f'href="{path_of(place, session.box)}"' in page.text


@EACH_PARTY
async def test_summary_of_an_ended_machtiging_says_that_it_ended(world, sessions, place):
    session = sessions[place]
    await world.revoke(session.box)
    words = read_text((await session.request(path_of(place, session.box))).content)
    assert "Gestopt op" in words
    assert "Hoe het nu is: " + get_sentence("labels.ended.ingetrokken") in words


async def test_summary_of_an_offer_has_the_name_that_the_giver_wrote_and_no_code(portal):
    mother = await portal.mother()
    code = await make_offer(mother)
    box = await MACHTIGINGEN.read_value(portal.world, "id")
    session = await open_helper_session(portal, portal.people.mother, box)
    words = read_text((await session.request(path_of("helpers", box))).content)
    assert "mijn zoon Bram" in words
    assert code not in words


@EACH_PARTY
async def test_idor_summary_of_another_is_refused_as_one_that_does_not_exist(sessions, place):
    """The other party, a random id, no id."""
    other = sessions["ik-help" if place == "helpers" else "helpers"]
    for session, box in ((other, other.box), (other, uuid7()), (sessions[place], uuid7()), (other, "nul")):
        answer = await session.request(path_of(place, box))
        assert answer.status_code in (400, 404)
        assert answer.headers["content-type"].startswith("text/html")


async def test_summary_is_hidden_from_a_login_for_another_organisation(world, portal):
    box = await world.grant_machtiging(KVK, capacity="professional")
    employee = await open_helper_session(portal, world.helper, box, kvk=KVK)
    answer = await employee.request(path_of("ik-help", box))
    assert KVK in read_text(answer.content)
    private = await open_helper_session(portal, world.helper, box)
    assert (await private.request(path_of("ik-help", box))).status_code == 404


@EACH_PARTY
async def test_summary_without_login_redirects_to_login(portal, sessions, place):
    session = sessions[place]
    session.headers["Cookie"] = "x=y"
    assert (await session.request(path_of(place, session.box))).status_code == 303


async def test_letter_can_be_printed_with_and_without_script(world, sessions):
    letter = await world.deliver_letter()
    helper = sessions["ik-help"]
    for session, path in ((sessions["helpers"], f"/brieven/{letter}"), (helper, helper.path(letter))):
        page = await session.request(path)
        assert page.status_code == 200
        assert "data-print hidden" in page.text
        assert "Ctrl en P" in page.text
