"""Four eyes on an offer that an employee accepted with a code: it waits as every other assignment."""

import pytest

from machtiging.delegation.acceptance import CodeHolder
from machtiging.delegation.authority.queries import load_authority
from machtiging.delegation.rules import Capacity
from machtiging.kernel.assurance import Assurance
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.organisations import KVK, add_employee, add_organisation, change_organisation
from tests.builders.people import ISSUER

CLIENT = "Ans Voorbeeld"


@pytest.fixture
async def accepted(portal):
    """The authority of the son, who accepted it for an organisation with four eyes."""
    sessions = portal.app.state.services.sessions
    async with unit_of_work(sessions) as session:
        organisation_id = await add_organisation(session, KVK)
        await change_organisation(session, organisation_id, four_eyes_from="gewoon")
        await add_employee(session, organisation_id, portal.people.son, roles=["hulpverlener", "teamleider"])
    offered = await portal.world.offer(capacity=Capacity.PROFESSIONAL)
    helper = CodeHolder(portal.people.son, Assurance.SUBSTANTIAL, KVK)
    machtiging = await portal.world.accept(offered.code, helper=helper, at=portal.clock.now())
    async with unit_of_work(sessions) as session:
        return await load_authority(session, machtiging.id)


async def test_accepted_offer_waits_for_a_second_person(portal, accepted):
    assert accepted.awaits_second_person
    son = await portal.son(kvk=KVK)
    for path in ("/ik-help", "/werk", "/werk/clienten", f"/ik-help/{accepted.machtiging_id}"):
        assert CLIENT not in (await son.open_page(ISSUER + path)).text, path
    assert CLIENT in (await son.open_page(ISSUER + "/organisatie/vier-ogen")).text


async def test_accepting_employee_cannot_confirm(portal, accepted):
    son = await portal.son(kvk=KVK)
    form = (await son.open_page(ISSUER + "/organisatie/vier-ogen")).find_form("vier-ogen")
    page = await son.submit_form(form, {"voorstel": form.choices["voorstel"], "besluit": "bevestigen"})
    assert "U deed dit voorstel zelf" in page.text
    assert CLIENT not in (await son.open_page(ISSUER + "/werk/clienten")).text


async def test_proposed_reader_is_hidden_from_the_client(portal, accepted):
    mother = await portal.mother()
    page = await mother.open_page(f"{ISSUER}/helpers/{accepted.root.id}/medewerkers")
    assert "Bram" not in page.text
