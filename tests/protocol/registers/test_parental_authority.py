"""A parent reads over the API; the age of the child decides at every request."""

from datetime import date, datetime, timedelta

import pytest

from machtiging.kernel.clock import AMSTERDAM
from tests.builders.letters import HELPING, SVB

BORN = date(2015, 6, 1)
CARE, BENEFIT = {"dienst": "pgb-trekkingsrecht", "oin": SVB}, {"dienst": "ww-uitkering"}
# The instant, and whether a parent reads letters about care, and other ones.
AGES = [
    (datetime(2027, 5, 31, 23, 59, tzinfo=AMSTERDAM), True, True),
    (datetime(2027, 6, 1, tzinfo=AMSTERDAM), True, True),
    (datetime(2031, 5, 31, 23, 59, tzinfo=AMSTERDAM), True, True),
    (datetime(2031, 6, 1, tzinfo=AMSTERDAM), False, True),
    (datetime(2033, 5, 31, 23, 59, tzinfo=AMSTERDAM), False, True),
    (datetime(2033, 6, 1, tzinfo=AMSTERDAM), False, False),
]


@pytest.fixture
async def parent(world):
    """The machtiging of a parent, as the register event would leave it, and two letters."""
    machtiging_id = await world.grant_machtiging(
        capacity="parent",
        channel="register",
        agreed_by=None,
        represented_born_on=BORN,
        ends_at=datetime(2033, 6, 1, tzinfo=AMSTERDAM),
    )
    return machtiging_id, await world.deliver_letter(**CARE), await world.deliver_letter(**BENEFIT)


@pytest.mark.parametrize(("at", "reads_care", "reads_other"), AGES)
async def test_age_of_the_child_decides_what_a_parent_reads_and_lists(world, parent, at, reads_care, reads_other):
    machtiging_id, care, other = parent
    world.clock.advance(at - world.clock.now())
    token = await world.issue_token(world.helper, under=machtiging_id, acts=HELPING)
    async with world.client(token) as client:
        answers = [await client.get(f"/api/v1/berichten/{letter}") for letter in (care, other)]
        listing = await client.get("/api/v1/berichten")
    assert [answer.status_code == 200 for answer in answers] == [reads_care, reads_other]
    listed = {one["berichtId"] for one in listing.json().get("berichten", [])}
    assert listed == {letter for letter, may in ((care, reads_care), (other, reads_other)) if may}


async def test_letter_about_care_looks_unknown_to_the_parent_of_a_sixteen_year_old(world, parent):
    machtiging_id, care, _ = parent
    world.clock.advance(datetime(2031, 6, 1, tzinfo=AMSTERDAM) + timedelta(hours=1) - world.clock.now())
    token = await world.issue_token(world.helper, under=machtiging_id, acts=HELPING)
    async with world.client(token) as client:
        answer = await client.get(f"/api/v1/berichten/{care}")
    assert (answer.status_code, answer.json()["code"]) == (404, "bericht_onbekend")


async def test_parent_of_a_child_of_unknown_age_reads_no_letter_about_care(world):
    machtiging_id = await world.grant_machtiging(capacity="parent", channel="register", agreed_by=None)
    care = await world.deliver_letter(**CARE)
    token = await world.issue_token(world.helper, under=machtiging_id, acts=HELPING)
    async with world.client(token) as client:
        assert (await client.get(f"/api/v1/berichten/{care}")).status_code == 404
