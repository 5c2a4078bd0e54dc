"""Four eyes in an organisation: demand them, and decide as somebody."""

from datetime import timedelta

from machtiging.agencies.rules import Sensitivity
from machtiging.delegation.assignments.confirmation import decide_proposals
from machtiging.kernel.errors import Refusal
from machtiging.organisations.rules import ActingEmployee
from machtiging.organisations.second_person.threshold import change_four_eyes
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.keys import NOON, load_keyring
from tests.builders.machtiging import is_usable_by

HOURS_72 = timedelta(hours=72)


async def demand(office, threshold=Sensitivity.GEWOON):
    """An administrator of the organisation demands four eyes."""
    person, employee = await office.hire("Astrid", roles=["organisatiebeheerder"])
    actor = ActingEmployee(person, employee, office.organisation)
    async with unit_of_work(office.database.sessions) as session:
        await change_four_eyes(session, actor, threshold, at=NOON)
    return person, employee


async def decide(office, *ids, person=None, confirm=True, at=NOON, practice=True, **login):
    """Decide about some. Returns the id of each, or the code of its refusal."""
    try:
        async with unit_of_work(office.database.sessions) as session:
            results = await decide_proposals(
                session,
                load_keyring(),
                office.login(person, **login),
                ids,
                is_confirmed=confirm,
                practice=practice,
                at=at,
            )
    except Refusal as refusal:
        return refusal.code
    codes = [one.code if isinstance(one, Refusal) else one for one in results]
    return codes[0] if len(codes) == 1 else codes


async def hire_second(office):
    """A second teamleider."""
    person, _ = await office.hire("Tweede", roles=["teamleider"])
    return person


async def reads(office, assignment, at=NOON):
    return is_usable_by(await office.authority(assignment), office.worker, office.kvk, at)
