"""Four eyes on an offer that an employee accepted with a code: it waits as every other assignment."""

import pytest

from machtiging.delegation.acceptance import CodeHolder
from machtiging.delegation.authority.queries import load_authority
from machtiging.delegation.rules import Capacity
from machtiging.kernel.assurance import Assurance
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.organisations import KVK, add_employee, add_organisation, change_organisation
from tests.builders.people import ISSUER, add_person_without_bsn
from tests.builders.rows import NOTIFICATIONS

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


async def load_mails(portal, *kinds):
    """The kind and recipient of each mail of these kinds."""
    async with portal.app.state.services.sessions() as session:
        return [(row.kind, row.person_id) for row in await NOTIFICATIONS.read(session) if row.kind in kinds]


async def test_waiting_accepted_offer_is_told_to_the_client_alone(portal, accepted):
    mother, kinds = portal.people.mother, ("machtiging_aangenomen", "machtiging_aangenomen_door_u")
    assert await load_mails(portal, *kinds, "aanbod_ingetrokken_door_u") == []
    kind = "machtiging_aangenomen_door_organisatie"
    assert await load_mails(portal, kind) == [(kind, mother)]
    son = await portal.son(kvk=KVK)
    page = await son.open_page(f"{ISSUER}/ik-help/{accepted.machtiging_id}?gedaan=aangenomen")
    assert "U heeft de machtiging aangenomen" not in page.text


async def test_accepted_offer_is_told_to_both_when_confirmed(portal, accepted):
    async with unit_of_work(portal.app.state.services.sessions) as session:
        person = await add_person_without_bsn(session, "Tweede Persoon", None)
        await add_employee(session, accepted.organisation_id, person, roles=["teamleider"])
    second = await portal.browser_of(person, assurance=Assurance.SUBSTANTIAL, kvk=KVK)
    form = (await second.open_page(ISSUER + "/organisatie/vier-ogen")).find_form("vier-ogen")
    await second.submit_form(form, {"voorstel": form.choices["voorstel"], "besluit": "bevestigen"})
    told = await load_mails(portal, "toewijzing_gemaakt", "toewijzing_gemaakt_aan_u")
    assert sorted(told) == [
        ("toewijzing_gemaakt", portal.people.mother),
        ("toewijzing_gemaakt_aan_u", portal.people.son),
    ]
