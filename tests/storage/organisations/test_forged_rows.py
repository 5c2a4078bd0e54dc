"""A row of an organisation that was changed without the key opens nothing."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from machtiging.kernel.assurance import Assurance
from machtiging.kernel.errors import Refusal
from machtiging.organisations.employees import invite_employee, load_administrator
from machtiging.organisations.queries import lock_recognition
from machtiging.organisations.recognition import confirm_recognition, propose_recognition
from machtiging.organisations.tables import SEALED_EMPLOYEE, SEALED_ORGANISATION, SEALED_RECOGNITION
from tests.builders.database import bypass_triggers
from tests.builders.keys import NOON, load_keyring
from tests.storage.organisations.organisation_world import (
    ADMINISTRATOR,
    COMMAND_LINE,
    KVK,
    LISTING,
    RECOGNISED,
    make_invitation,
)

EARLIER = NOON - timedelta(seconds=1)
OTHER_VALUES = {
    "organisation": {
        "vestiging": "000012345678",
        "rsin": "123456782",
        "oin": "00000001123456782000",
        "name": "x",
        "kind": "zorg",
        "contact_sealed": b"x",
        "ceiling_themes": ["gezin"],
        "ceiling_afzenders": [],
        "ceiling_sensitivity": "vertrouwelijk",
        "ceiling_days": 1826,
        "minimum_level": "laag",
        "four_eyes_from": "gewoon",
        "epoch": 9,
        "recognition_number": 2,
        "kvk": "90000009",
        "created_at": EARLIER,
    },
    "recognition": {
        "status": "opgeschort",
        "ground": "x",
        "decision_reference": "x",
        "proposed_by": None,
        "proposed_at": EARLIER,
        "confirmed_by": None,
        "confirmed_at": EARLIER,
        "dropped_at": EARLIER,
    },
    "employee": {
        "broker_issuer": "https://x.test",
        "broker_subject": "x",
        "display_name_sealed": b"x",
        "roles": ["organisatiebeheerder", "teamleider"],
        "starts_at": EARLIER,
        "ends_at": NOON,
        "invited_at": EARLIER,
    },
}
# Columns by which the row is found: with another value it is another row, or none.
FOUND_BY = {
    "organisation": {"id"},
    "recognition": {"organisation_id", "number"},
    "employee": {"id", "organisation_id", "person_id", "state"},
}
SEALED = {sealed.table.name: sealed for sealed in (SEALED_ORGANISATION, SEALED_RECOGNITION, SEALED_EMPLOYEE)}


def test_every_covered_column_of_the_tables_is_tried():
    for name, sealed in SEALED.items():
        assert {*OTHER_VALUES[name], *FOUND_BY[name]} == set(sealed.covered), name


async def change_column(database, table, column, value, where="true", **together):
    async with bypass_triggers(database) as connection:
        changed = SEALED[table].table.update().where(text(where)).values({column: value, **together})
        await connection.execute(changed)


async def assert_rejected(world, table, act, *values, **named):
    """The act is refused because of the row, and the journal names the table."""
    with pytest.raises(Refusal) as refused:
        await world.do(act, *values, **named)
    assert refused.value.code in {"rij_ongeldig", "geen_medewerker"}
    assert {line.object_kind for line in await world.lines("rij:geweigerd")} == {table}


@pytest.mark.parametrize("column", OTHER_VALUES["organisation"])
async def test_forged_column_of_an_organisation_is_rejected(world, database, column):
    organisation = await world.register()
    await change_column(database, "organisation", column, OTHER_VALUES["organisation"][column])
    await assert_rejected(world, "organisation", propose_recognition, world.operators[0], organisation, RECOGNISED)


@pytest.mark.parametrize("column", OTHER_VALUES["recognition"])
async def test_forged_column_of_a_proposal_is_rejected(world, database, column):
    organisation = await world.register()
    number = await world.do(propose_recognition, world.operators[0], organisation, RECOGNISED)
    value, together = OTHER_VALUES["recognition"][column], {}
    if column == "confirmed_by":
        value, together = world.operators[1].person_id, {"confirmed_at": NOON}
    await change_column(database, "recognition", column, value, f"number = {number}", **together)
    confirming = (confirm_recognition, load_keyring(), world.operators[1], organisation, number)
    await assert_rejected(world, "recognition", *confirming, practice=False)


async def test_forged_current_recognition_is_rejected(world, database):
    organisation = await world.register()
    await change_column(database, "recognition", "status", "erkend")
    invitation = make_invitation("jan", ADMINISTRATOR)
    inviting = (invite_employee, load_keyring(), COMMAND_LINE, organisation, invitation)
    await assert_rejected(world, "recognition", *inviting)


@pytest.mark.parametrize("column", OTHER_VALUES["employee"])
async def test_forged_column_of_an_employee_is_rejected(world, database, column):
    administrator = await world.administer(await world.recognise())
    await change_column(database, "employee", column, OTHER_VALUES["employee"][column])
    person = administrator.person_id
    await assert_rejected(world, "employee", load_administrator, LISTING, person, KVK, Assurance.HIGH)


async def test_employee_made_active_or_moved_by_sql_is_rejected(world, database):
    organisation = await world.recognise()
    administrator = await world.administer(organisation)
    person = await world.add_person("Vreemde")
    await change_column(database, "employee", "person_id", person)
    await assert_rejected(world, "employee", load_administrator, LISTING, person, KVK, Assurance.HIGH)
    await change_column(database, "employee", "person_id", administrator.person_id)
    assert await world.do(load_administrator, LISTING, administrator.person_id, KVK, Assurance.HIGH) == administrator


async def test_recognition_of_another_organisation_does_not_verify(world, database):
    first, second = await world.register(), await world.register("90000002")
    number = await world.do(propose_recognition, world.operators[0], first, RECOGNISED)
    async with bypass_triggers(database) as connection:
        moved = text("UPDATE recognition SET organisation_id = :to WHERE organisation_id = :of AND number = :number")
        await connection.execute(moved, {"to": second, "of": first, "number": number})
    await assert_rejected(world, "recognition", lock_recognition, second, number)
