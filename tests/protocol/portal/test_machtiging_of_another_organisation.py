"""A machtiging of another organisation is listed as unusable, without its content."""

from uuid import uuid4

import pytest
from sqlalchemy import text

from machtiging.delegation.acceptance import CodeHolder
from machtiging.delegation.rules import Capacity
from machtiging.kernel.assurance import Assurance
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.machtiging import insert_machtiging
from tests.builders.organisations import add_recognised_organisation
from tests.builders.people import ISSUER
from tests.builders.rows import AGREEMENTS, MACHTIGINGEN
from tests.builders.tokens import make_refresh_token_holder, open_oauth_world, register_refreshing_app

KVK, OTHER_KVK = "90000001", "90000002"
LIST = ISSUER + "/helpers"
HELPED = ISSUER + "/ik-help"
SECRETS = ("Ans Voorbeeld", "post bijhouden", "UWV", "Sociale Verzekeringsbank", "zorg en gezondheid")
OTHERS = [(KVK, OTHER_KVK), (KVK, None), (None, KVK)]


async def accepted(portal, kvk):
    capacity = Capacity.RELATIVE if kvk is None else Capacity.PROFESSIONAL
    if kvk is not None:
        async with unit_of_work(portal.app.state.services.sessions) as session:
            await add_recognised_organisation(session, kvk, portal.people.son)
    offered = await portal.world.offer(capacity=capacity)
    helper = CodeHolder(portal.people.son, Assurance.SUBSTANTIAL, kvk)
    return await portal.world.accept(offered.code, helper=helper, at=portal.clock.now())


@pytest.mark.parametrize(("accepted_for", "used_for"), OTHERS)
async def test_machtiging_of_another_organisation_is_listed_without_its_content(portal, accepted_for, used_for):
    held = await accepted(portal, accepted_for)
    browser = await portal.son(kvk=used_for)
    for page in (HELPED, f"{HELPED}/{held.id}"):
        told = (await browser.open_page(page)).text
        assert "niet te gebruiken" in told or "niet gebruiken" in told
        assert [secret for secret in SECRETS if secret in told] == []
        where = f"KvK-nummer {accepted_for}" if accepted_for else "Log in als uzelf"
        assert where in told
    sure = await browser.open_page(f"{HELPED}/{held.id}/teruggeven")
    assert [secret for secret in SECRETS if secret in sure.text] == []


@pytest.mark.parametrize("accepted_for", [KVK, None])
async def test_machtiging_of_same_organisation_is_shown_in_full(portal, accepted_for):
    held = await accepted(portal, accepted_for)
    browser = await portal.son(kvk=accepted_for)
    for page in (HELPED, f"{HELPED}/{held.id}"):
        told = (await browser.open_page(page)).text
        assert "Ans Voorbeeld" in told
        assert "gebruiken" not in told


async def test_machtiging_of_giver_is_shown_in_full_in_any_session(portal):
    held = await accepted(portal, KVK)
    told = (await (await portal.mother(kvk=OTHER_KVK)).open_page(f"{LIST}/{held.id}")).text
    assert "Bram Voorbeeld" in told
    assert "post bijhouden" in told


async def test_machtiging_is_given_back_by_former_employee(portal):
    held = await accepted(portal, KVK)
    son = await portal.son()
    sure = await son.open_page(f"{HELPED}/{held.id}/teruggeven")
    page = await son.submit_form(sure.find_form("/teruggeven"), {})
    assert [secret for secret in SECRETS if secret in page.text] == []
    assert "Teruggegeven" in (await (await portal.son(kvk=KVK)).open_page(HELPED)).text
    # What she gave is still the organisation's, and nobody reads now.
    assert "aan niemand toegewezen" in (await (await portal.mother()).open_page(f"{ISSUER}/helpers")).text


async def test_app_under_machtiging_of_another_organisation_is_listed_without_its_content(portal):
    oauth = open_oauth_world(portal)
    await make_refresh_token_holder(
        oauth, await register_refreshing_app(oauth, client_name="Zorgassistent"), await accepted(portal, KVK)
    )
    async with unit_of_work(oauth.sessions) as session:
        for table in ("oauth_grant", "refresh_token", "issued_token"):
            await session.execute(text(f"UPDATE {table} SET organisation_kvk = :kvk"), {"kvk": KVK})
    apps = ISSUER + "/apps"
    assert "brieven van Ans Voorbeeld" in (await (await portal.son(kvk=KVK)).open_page(apps)).text
    for other in (None, OTHER_KVK):
        told = (await (await portal.son(kvk=other)).open_page(apps)).text
        assert "Zorgassistent" in told
        assert "uw eigen brieven" not in told.split("Apps waarmee een helper")[0].split("Zorgassistent")[1]
        assert [secret for secret in SECRETS if secret in told] == []
    await oauth.close()


async def test_professional_machtiging_without_organisation_is_shown_as_unusable(portal):
    held = await accepted(portal, None)
    async with unit_of_work(portal.app.state.services.sessions) as session:
        # as accepted before a professional had to log in for an organisation
        [row] = await MACHTIGINGEN.read(session, id=held.id)
        [agreement] = await AGREEMENTS.read(session, machtiging_id=held.id)
        both = dict(agreement._mapping) | dict(row._mapping) | {"id": uuid4(), "capacity": "professional"}
        del both["machtiging_id"], both["mac"]
        copied_id = await insert_machtiging(session, **both)
    told = (await (await portal.son()).open_page(f"{HELPED}/{copied_id}")).text
    assert "zonder organisatie aangenomen" in told
    assert [secret for secret in SECRETS if secret in told] == []
