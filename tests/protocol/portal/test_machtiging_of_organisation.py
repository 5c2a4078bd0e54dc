"""The pages about a machtiging of an organisation tell how the whole chain stands, to giver and employee."""

import pytest

from machtiging.delegation.acceptance import CodeHolder
from machtiging.delegation.authority.queries import load_authority
from machtiging.delegation.pause import pause_machtiging
from machtiging.delegation.rules import Capacity
from machtiging.delegation.termination import revoke_machtiging
from machtiging.kernel.assurance import Assurance
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.organisations import KVK, add_employee, add_organisation, change_employee, decide_recognition
from tests.builders.people import ISSUER

LIST = ISSUER + "/machtigingen"


@pytest.fixture
async def assigned(portal):
    """What the son holds as an employee. The chain, the organisation and the employee."""
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
        await son.open_page(f"{LIST}/{authority.machtiging_id}"),
        await son.open_page(LIST),
    )
    return [page.text for page in pages]


@pytest.mark.parametrize(
    ("act", "standing"), [(pause_machtiging, "Staat stil"), (revoke_machtiging, "Ingetrokken")], ids=["pause", "revoke"]
)
async def test_stopped_root_is_the_standing_on_the_page_of_the_employee(portal, assigned, act, standing):
    authority, *_ = assigned
    async with unit_of_work(portal.app.state.services.sessions) as session:
        await act(session, authority.root.id, portal.people.mother, at=portal.clock.now())
    for text in await open_pages(portal, authority):
        assert standing in text
        assert "Stand: Geldig" not in text


async def test_revoked_root_leaves_the_employee_nothing_to_press(portal, assigned):
    authority, *_ = assigned
    async with unit_of_work(portal.app.state.services.sessions) as session:
        await revoke_machtiging(session, authority.root.id, portal.people.mother, at=portal.clock.now())
    page = await (await portal.son(kvk=KVK)).open_page(f"{LIST}/{authority.machtiging_id}")
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


async def test_inactive_employee_reads_why_and_the_giver_that_nobody_helps(portal, assigned):
    authority, _, employee_id = assigned
    async with unit_of_work(portal.app.state.services.sessions) as session:
        await change_employee(session, employee_id, state="op_non_actief")
    hers, his, _ = await open_pages(portal, authority)
    assert "aan niemand toegewezen" in hers
    assert "U bent bij deze organisatie niet actief als medewerker." in his
