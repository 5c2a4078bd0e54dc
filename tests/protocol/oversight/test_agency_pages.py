"""The pages `/beheer/afnemers`: the agencies, and what each may ask about machtigingen."""

import pytest

from machtiging.access.entitlements.engine import Entitlements
from machtiging.agencies.catalogue import upsert_catalogue
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.applications import POLICIES, copy_application
from tests.builders.people import join_simulator
from tests.builders.portal import assemble_service

PATH = "/beheer/afnemers"
UWV = "00000099000000001000"


@pytest.fixture
async def service(database, clock):
    async with unit_of_work(database.sessions) as session:
        await upsert_catalogue(session)
    app = copy_application(
        assemble_service(),
        clock=clock,
        sessions=database.sessions,
        engines=(database.service, database.sealer),
        sealer_engine=database.sealer,
        entitlements=Entitlements.load(POLICIES),
    )
    return join_simulator(app, clock)


async def test_agencies_are_listed_with_their_rows_and_the_digest(service):
    shown = (await (await service.logged_in("beheerder")).get(PATH)).text
    assert f'href="{PATH}/{UWV}"' in shown
    assert service.service.state.services.entitlements.digest in shown


async def test_agency_page_says_what_it_may_ask_and_what_never(service):
    shown = " ".join((await (await service.logged_in("beheerder")).get(f"{PATH}/{UWV}")).text.split())
    for words in (
        "uwv-bsn",
        "geen-bsn-aan-telefoon-of-balie",
        "vragen of iemand mag handelen",
        "een BSN",
        "WW-uitkering",
    ):
        assert words in shown
    assert "belastingdienst-bsn" not in shown


async def test_agency_page_without_own_rows_shows_the_rows_of_every_agency(service):
    agencies = {row.id for row in service.service.state.services.entitlements.rows if row.afnemers is None}
    shown = (await (await service.logged_in("auditor")).get(f"{PATH}/00000099000000005000")).text
    assert agencies
    assert all(row in shown for row in agencies)


@pytest.mark.parametrize("oin", ["00000099000000099000", "uwv", "%2e%2e", "0" * 300])
async def test_unknown_agency_is_not_found(service, oin):
    assert (await (await service.logged_in("beheerder")).get(f"{PATH}/{oin}")).status_code == 404


@pytest.mark.parametrize("path", [PATH, f"{PATH}/{UWV}"])
@pytest.mark.parametrize("persona", ["vertegenwoordigde", "raadslid", "controleur"])
async def test_citizen_and_employee_see_no_entitlements(service, persona, path):
    assert (await (await service.logged_in(persona)).get(path)).status_code == 403
