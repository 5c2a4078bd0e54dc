"""The setting of four eyes: more by one administrator, less only by two people."""

import asyncio
from datetime import timedelta

import pytest
from asyncpg.exceptions import CheckViolationError
from sqlalchemy import text

from machtiging.agencies.rules import Sensitivity
from machtiging.identity.people import save_profile
from machtiging.identity.profile_claims import Profile
from machtiging.kernel.errors import Refusal
from machtiging.organisations.rules import ActingEmployee
from machtiging.organisations.second_person.threshold import (
    change_four_eyes,
    decide_proposal,
    demands_less,
    find_open_proposal,
    load_threshold,
)
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.database import bypass_triggers
from tests.builders.keys import NOON, load_keyring
from tests.builders.organisations import OTHER_KVK, add_employee, add_organisation, change_employee, decide_recognition
from tests.builders.people import BORN, add_person_without_bsn
from tests.builders.rows import JOURNAL_INTAKE

HOURS_72 = timedelta(hours=72)
ACT = "organisatie:vier_ogen"


class Council:
    """A recognised organisation with two administrators."""

    def __init__(self, database):
        self.database = database

    async def begin(self, kvk="90000001"):
        async with unit_of_work(self.database.sessions) as session:
            self.organisation = await add_organisation(session, kvk)
            self.first = await self.hire(session, f"Eerste {kvk}")
            self.second = await self.hire(session, f"Tweede {kvk}")
        return self

    async def hire(self, session, name, roles=("organisatiebeheerder",)):
        person = await add_person_without_bsn(session, name, None)
        employee = await add_employee(session, self.organisation, person, roles=list(roles))
        return ActingEmployee(person, employee, self.organisation)

    async def change(self, threshold, actor=None, at=NOON):
        try:
            async with unit_of_work(self.database.sessions) as session:
                return await change_four_eyes(session, actor or self.first, threshold, at=at)
        except Refusal as refusal:
            return refusal.code

    async def decide(self, proposal, actor=None, *, confirm=True, at=NOON, practice=True):
        try:
            async with unit_of_work(self.database.sessions) as session:
                acting = actor or self.second
                how = {"is_confirmed": confirm, "practice": practice, "at": at}
                await decide_proposal(session, load_keyring(), acting, proposal, **how)
        except Refusal as refusal:
            return refusal.code
        return None

    async def threshold(self):
        async with self.database.sessions() as session:
            return await load_threshold(session, self.organisation, at=NOON)

    async def open_proposal(self, at=NOON):
        async with self.database.sessions() as session:
            return await find_open_proposal(session, self.organisation, at=at)

    async def outcomes(self):
        return [(line.outcome, line.reason) for line in await JOURNAL_INTAKE.read(self.database, act=ACT)]


@pytest.fixture
async def council(database):
    return await Council(database).begin()


@pytest.mark.parametrize(
    ("new", "old", "less"),
    [
        (None, Sensitivity.VERTROUWELIJK, True),
        (Sensitivity.VERTROUWELIJK, Sensitivity.GEWOON, True),
        (Sensitivity.GEVOELIG, Sensitivity.GEWOON, True),
        (Sensitivity.GEWOON, None, False),
        (Sensitivity.GEVOELIG, Sensitivity.GEVOELIG, False),
        (None, None, False),
    ],
)
def test_threshold_that_lets_more_pass_demands_less(new, old, less):
    assert demands_less(new, old) is less


async def test_stricter_setting_counts_at_once(council):
    assert await council.change(Sensitivity.GEVOELIG) is None
    assert await council.threshold() is Sensitivity.GEVOELIG
    assert await council.change(Sensitivity.GEVOELIG) is None
    assert await council.outcomes() == [("done", "strenger")]


async def test_weaker_setting_counts_after_a_second_administrator_confirms(council):
    await council.change(Sensitivity.GEWOON)
    proposal = await council.change(None)
    assert await council.threshold() is Sensitivity.GEWOON
    assert (await council.open_proposal()).four_eyes_from is None
    assert await council.decide(proposal) is None
    assert await council.threshold() is None
    assert await council.open_proposal() is None
    assert await council.outcomes() == [("done", "strenger"), ("done", "voorgesteld"), ("done", "bevestigd")]


async def test_weaker_setting_confirmed_by_its_proposer_is_refused(council):
    await council.change(Sensitivity.GEWOON)
    assert await council.decide(await council.change(None), council.first) == "eigen_voorstel"
    assert await council.threshold() is Sensitivity.GEWOON
    assert (await council.outcomes())[-1] == ("refused", "eigen_voorstel")


async def test_weaker_setting_confirmed_under_a_second_login_is_refused(council):
    await council.change(Sensitivity.GEWOON)
    async with unit_of_work(council.database.sessions) as session:
        for actor in (council.first, council.second):
            await save_profile(session, load_keyring(), actor.person_id, Profile("Dubbele Dina", BORN, None))
    assert await council.decide(await council.change(None)) == "eigen_voorstel"
    assert await council.threshold() is Sensitivity.GEWOON


async def test_weaker_setting_confirmed_by_an_unknown_person_is_refused_outside_practice(council):
    await council.change(Sensitivity.GEWOON)
    assert await council.decide(await council.change(None), practice=False) == "persoon_niet_zeker"


async def test_weaker_setting_confirmed_after_72_hours_is_refused(council):
    await council.change(Sensitivity.GEWOON)
    proposal = await council.change(None)
    assert await council.open_proposal(NOON + HOURS_72) is None
    assert await council.decide(proposal, at=NOON + HOURS_72) == "voorstel_verlopen"
    again = await council.change(None, at=NOON + HOURS_72)
    assert await council.decide(again, at=NOON + HOURS_72) is None
    assert await council.threshold() is None


async def test_weaker_setting_confirmed_twice_is_refused(council):
    await council.change(Sensitivity.GEWOON)
    proposal = await council.change(None)
    assert await council.decide(proposal, confirm=False, actor=council.first) is None
    assert await council.decide(proposal) == "voorstel_afgehandeld"
    assert await council.threshold() is Sensitivity.GEWOON


async def test_weaker_setting_confirmed_from_another_organisation_is_unknown(council, database):
    other = await Council(database).begin(OTHER_KVK)
    await council.change(Sensitivity.GEWOON)
    proposal = await council.change(None)
    for confirm in (True, False):
        assert await other.decide(proposal, confirm=confirm) == "voorstel_onbekend"
    assert await council.threshold() is Sensitivity.GEWOON
    assert ("refused", "niet_van_u") in await council.outcomes()


async def test_second_proposal_beside_an_open_one_is_refused(council):
    await council.change(Sensitivity.GEWOON)
    await council.change(None)
    assert await council.change(Sensitivity.GEVOELIG, council.second) == "voorstel_loopt_al"


async def test_stricter_setting_drops_the_open_proposal(council):
    await council.change(Sensitivity.GEVOELIG)
    proposal = await council.change(None)
    assert await council.change(Sensitivity.GEWOON, council.second) is None
    assert await council.decide(proposal) == "voorstel_afgehandeld"
    assert await council.threshold() is Sensitivity.GEWOON


@pytest.mark.parametrize(
    "changes", [{"roles": ["teamleider"]}, {"state": "op_non_actief"}, {"state": "vertrokken", "ends_at": NOON}]
)
async def test_former_administrator_is_refused(council, changes):
    await council.change(Sensitivity.GEWOON)
    proposal = await council.change(None)
    async with unit_of_work(council.database.sessions) as session:
        await change_employee(session, council.second.employee_id, **changes)
    assert await council.decide(proposal) == "alleen_voor_organisatiebeheerder"
    assert await council.change(None, council.second) == "alleen_voor_organisatiebeheerder"


async def test_suspended_organisation_demands_more_and_not_less(council):
    await council.change(Sensitivity.GEVOELIG)
    proposal = await council.change(None)
    async with unit_of_work(council.database.sessions) as session:
        await decide_recognition(session, council.organisation, 3, "opgeschort")
    assert await council.decide(proposal) == "organisatie_opgeschort"
    assert await council.change(None) == "organisatie_opgeschort"
    assert await council.change(Sensitivity.GEWOON) is None


async def test_two_decisions_at_once_count_once(council):
    await council.change(Sensitivity.GEWOON)
    proposal = await council.change(None)
    async with unit_of_work(council.database.sessions) as session:
        third = await council.hire(session, "Derde")
    results = await asyncio.gather(council.decide(proposal), council.decide(proposal, third))
    assert sorted(map(str, results)) == ["None", "voorstel_afgehandeld"]


async def test_weaker_setting_without_a_confirmed_proposal_is_rejected_by_the_database(council, superuser_connection):
    await council.change(Sensitivity.GEWOON)
    await council.change(None)
    for weaker in ("NULL", "'gevoelig'"):
        with pytest.raises(CheckViolationError, match="needs a second person"):
            await superuser_connection.execute(f"UPDATE organisation SET epoch = epoch + 1, four_eyes_from = {weaker}")
    with pytest.raises(CheckViolationError, match="confirmed_by_another"):
        await superuser_connection.execute(
            "UPDATE four_eyes_proposal SET is_confirmed = true, decided_by = proposed_by, decided_at = now()"
        )


async def test_forged_proposal_is_refused(council):
    await council.change(Sensitivity.GEWOON)
    proposal = await council.change(Sensitivity.GEVOELIG)
    async with bypass_triggers(council.database) as connection:
        await connection.execute(text("UPDATE four_eyes_proposal SET four_eyes_from = NULL"))
    assert await council.open_proposal() is None
    assert await council.decide(proposal) == "rij_ongeldig"
    assert await council.threshold() is Sensitivity.GEWOON


async def test_forged_setting_is_read_as_the_strictest(council):
    async with bypass_triggers(council.database) as connection:
        await connection.execute(text("UPDATE organisation SET four_eyes_from = 'vertrouwelijk'"))
    assert await council.threshold() is Sensitivity.GEWOON
    assert await council.change(None) == "rij_ongeldig"
