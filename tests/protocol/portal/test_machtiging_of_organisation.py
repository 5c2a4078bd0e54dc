"""Pages about a machtiging of an organisation tell how the whole chain stands."""

import pytest

from machtiging.delegation.acceptance import CodeHolder
from machtiging.delegation.authority.queries import load_authority
from machtiging.delegation.pause import pause_machtiging
from machtiging.delegation.rules import Capacity
from machtiging.delegation.termination import revoke_machtiging
from machtiging.kernel.assurance import Assurance
from machtiging.portal.labels import MACHTIGING_LEVEL_TOO_LOW, describe_stop
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.keys import NOON
from tests.builders.organisations import (
    KVK,
    add_employee,
    add_organisation,
    change_employee,
    change_organisation,
    decide_recognition,
)
from tests.builders.people import ISSUER

LIST = ISSUER + "/helpers"
HELPED = ISSUER + "/ik-help"
CLIENT, PURPOSE = "Ans Voorbeeld", "post bijhouden"


@pytest.fixture
async def assigned(portal):
    """The authority of the son as an employee, the organisation and the employee."""
    async with unit_of_work(portal.app.state.services.sessions) as session:
        organisation_id = await add_organisation(session, KVK)
        employee_id = await add_employee(session, organisation_id, portal.people.son)
    offered = await portal.world.offer(capacity=Capacity.PROFESSIONAL)
    helper = CodeHolder(portal.people.son, Assurance.SUBSTANTIAL, KVK)
    machtiging = await portal.world.accept(offered.code, helper=helper, at=portal.clock.now())
    async with unit_of_work(portal.app.state.services.sessions) as session:
        authority = await load_authority(session, machtiging.id)
    return authority, organisation_id, employee_id


async def open_pages(portal, authority):
    """The page of the giver, and the page and list of the employee, as texts."""
    mother, son = await portal.mother(), await portal.son(kvk=KVK)
    pages = (
        await mother.open_page(f"{LIST}/{authority.root.id}"),
        await son.open_page(f"{HELPED}/{authority.machtiging_id}"),
        await son.open_page(HELPED),
    )
    return [page.text for page in pages]


@pytest.mark.parametrize(
    ("act", "standing"), [(pause_machtiging, "Op pauze"), (revoke_machtiging, "Gestopt")], ids=["pause", "revoke"]
)
async def test_stopped_root_is_the_standing_on_the_page_of_the_employee(portal, assigned, act, standing):
    authority, *_ = assigned
    async with unit_of_work(portal.app.state.services.sessions) as session:
        await act(session, authority.root.id, portal.people.mother, at=portal.clock.now())
    for text in await open_pages(portal, authority):
        assert standing in text
        assert "Stand: Werkt nu" not in text
        assert "Deze machtiging werkt nu." not in text


async def test_revoked_root_leaves_the_employee_nothing_to_press(portal, assigned):
    authority, *_ = assigned
    async with unit_of_work(portal.app.state.services.sessions) as session:
        await revoke_machtiging(session, authority.root.id, portal.people.mother, at=portal.clock.now())
    page = await (await portal.son(kvk=KVK)).open_page(f"{HELPED}/{authority.machtiging_id}")
    assert [form.action for form in page.forms if "teruggeven" in form.action] == []
    assert "U mocht post lezen van" in page.text


async def test_suspended_organisation_is_told_to_both_in_their_own_words(portal, assigned):
    authority, organisation_id, _ = assigned
    async with unit_of_work(portal.app.state.services.sessions) as session:
        await decide_recognition(session, organisation_id, 3, "opgeschort")
    hers, his, his_list = await open_pages(portal, authority)
    assert "De erkenning van de organisatie is opgeschort. Daarom kan nu niemand" in hers
    for text in (his, his_list):
        assert "De erkenning van uw organisatie is opgeschort." in text


async def test_every_page_says_of_a_stopped_organisation_that_it_does_not_work_now(portal, assigned):
    authority, organisation_id, _ = assigned
    async with unit_of_work(portal.app.state.services.sessions) as session:
        await decide_recognition(session, organisation_id, 3, "opgeschort")
    overview = (await (await portal.mother()).open_page(ISSUER + "/")).text
    for text in (overview, *await open_pages(portal, authority)):
        assert "Werkt nu niet" in text
        assert "Werkt nu " not in text.replace("Werkt nu niet", "")


async def test_page_of_inactive_employee_tells_the_reason_to_employee_and_giver(portal, assigned):
    authority, _, employee_id = assigned
    async with unit_of_work(portal.app.state.services.sessions) as session:
        await change_employee(session, employee_id, state="op_non_actief")
    hers, his, _ = await open_pages(portal, authority)
    assert "aan niemand toegewezen" in hers
    assert f"Deze organisatie heeft KvK-nummer {KVK}." in hers
    assert "helpt namens" not in hers
    assert "U bent bij deze organisatie niet actief als medewerker." in his


async def test_machtiging_below_the_minimum_level_gives_nothing_on_the_card_of_the_giver(portal, assigned):
    authority, organisation_id, employee_id = assigned
    async with unit_of_work(portal.app.state.services.sessions) as session:
        await raise_minimum_level(session, organisation_id, employee_id)
    mother = await portal.mother()
    for path in (f"{LIST}/{authority.root.id}", f"{ISSUER}/helpers"):
        assert describe_stop(MACHTIGING_LEVEL_TOO_LOW, is_giver=True) in (await mother.open_page(path)).text


async def depart(session, organisation_id, employee_id):
    await change_employee(session, employee_id, state="vertrokken", ends_at=NOON)


async def suspend(session, organisation_id, employee_id):
    await change_employee(session, employee_id, state="op_non_actief")


async def give_other_role(session, organisation_id, employee_id):
    await change_employee(session, employee_id, roles=["organisatiebeheerder"])


async def withdraw_recognition(session, organisation_id, employee_id):
    await decide_recognition(session, organisation_id, 3, "ingetrokken")


async def raise_minimum_level(session, organisation_id, employee_id):
    await change_organisation(session, organisation_id, minimum_level="hoog")


HIDING_CHANGES = {
    "medewerker_vertrokken": depart,
    "medewerker_niet_actief": suspend,
    "medewerker_geen_hulpverlener": give_other_role,
    "erkenning_ingetrokken": withdraw_recognition,
    "niveau_te_laag": raise_minimum_level,
}


@pytest.mark.parametrize("code", HIDING_CHANGES)
async def test_employee_without_right_to_help_sees_neither_client_nor_terms(portal, assigned, code):
    authority, organisation_id, employee_id = assigned
    son = await portal.son(kvk=KVK)
    paths = (f"{HELPED}/{authority.machtiging_id}", HELPED)
    for path in paths:
        assert CLIENT in (await son.open_page(path)).text
    async with unit_of_work(portal.app.state.services.sessions) as session:
        await HIDING_CHANGES[code](session, organisation_id, employee_id)
    for path in paths:
        page = await son.open_page(path)
        assert CLIENT not in page.text
        assert PURPOSE not in page.text
        assert describe_stop(code, is_giver=False) in page.text
