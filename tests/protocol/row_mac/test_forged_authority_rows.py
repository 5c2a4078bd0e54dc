"""Rows of an authority that were changed without the key open nothing."""

import pytest
import structlog
from sqlalchemy import text

from machtiging.delegation.authority.queries import AUTHORITY_COLUMNS
from machtiging.delegation.tables import SEALED_AGREEMENT, SEALED_MACHTIGING
from machtiging.organisations.tables import SEALED_EMPLOYEE, SEALED_ORGANISATION, SEALED_RECOGNITION
from tests.builders.database import bypass_triggers
from tests.builders.letters import HELPING
from tests.builders.organisations import KVK
from tests.builders.rows import JOURNAL_INTAKE, MACHTIGINGEN

LETTERS = "/api/v1/berichten"
# A value that the checks of the table let through. A column that is not named gets the next one of its own kind.
CHANGES = {
    "machtiging": {
        "id": None,
        "vertegenwoordigde_id": "gen_random_uuid()",
        "gemachtigde_id": "gen_random_uuid()",
        "parent_id": None,
        "employee_id": None,
        "team_id": None,
        "stand_in_id": None,
        "capacity": "'curator'",
        "purpose": "'iets anders'",
        "legal_ground": "'BW 1:441'",
        "state": "CASE state WHEN 'paused' THEN 'active' ELSE 'paused' END, paused_at = now()",
        "accepted_assurance": "'hoog'",
        "offered_at": "offered_at - interval '1 day'",
        "accepted_at": "accepted_at - interval '1 day'",
        "paused_at": None,
        "stopped_at": None,
        "offered_to": None,
        "ended_at": None,
        "end_reason": None,
        "agreement_number": None,
    },
    "agreement": {
        "machtiging_id": None,
        "number": None,
        "afzenders": "'{00000099000000003000}'",
        "diensten": "'{a/b}'",
        "themes": "'{zorg}'",
        "excluded_themes": "'{zorg}'",
        "highest_sensitivity": "'vertrouwelijk'",
        "letters_from": "'2020-01-01'",
        "letters": "ARRAY[gen_random_uuid()]",
        "acts": "'{lijst}'",
        "assurance": "'hoog'",
        "starts_at": "starts_at - interval '1 hour'",
        "ends_at": "ends_at + interval '1 day'",
        "only_employee_id": None,
        "excluded_team_ids": "ARRAY[gen_random_uuid()]",
        "bundle_version": "'1'",
        "channel": "'balie'",
        "text_version": "'9'",
        "agreed_by": "NULL",
        "agreed_at": "now()",
        "witness_id": None,
        "cooling_off_until": "now() - interval '1 day'",
        "needs_confirmation": "true",
        "confirmed_by": None,
        "represented_born_on": "'2010-01-01', channel = 'register'",
    },
    "organisation": {
        "id": None,
        "kvk": None,
        "vestiging": "'000012345678'",
        "rsin": "'999990019'",
        "oin": "'00000099000000009999'",
        "name": "'Dief'",
        "kind": "'bewind'",
        "contact_sealed": r"'\\x00'",
        "ceiling_themes": "'{zorg}'",
        "ceiling_afzenders": "'{}'",
        "ceiling_sensitivity": "'gewoon'",
        "ceiling_days": "1825",
        "four_eyes_from": "'gewoon'",
        "minimum_level": "'laag'",
        "recognition_number": None,
        "epoch": "epoch + 1",
        "created_at": "now()",
    },
    "recognition": {
        "organisation_id": None,
        "number": None,
        "status": "'opgeschort'",
        "ground": "'niets'",
        "decision_reference": "'X'",
        "proposed_by": None,
        "proposed_at": "now()",
        "confirmed_by": None,
        "confirmed_at": "now()",
        "dropped_at": "now(), confirmed_at = NULL",
    },
    "employee": {
        "id": None,
        "organisation_id": None,
        "person_id": None,
        "broker_issuer": "'https://dief.example', broker_subject = 'dief'",
        "broker_subject": "'dief', broker_issuer = 'https://dief.example'",
        "display_name_sealed": r"'\\x00'",
        "roles": "'{hulpverlener,teamleider}'",
        "state": "'op_non_actief'",
        "starts_at": "starts_at - interval '1 day'",
        "ends_at": "now() + interval '1 day'",
        "invited_at": "now()",
    },
}
SEALED = {
    sealed.table.name: sealed
    for sealed in (SEALED_MACHTIGING, SEALED_AGREEMENT, SEALED_ORGANISATION, SEALED_RECOGNITION, SEALED_EMPLOYEE)
}
CASES = [(table, column, new) for table, changes in CHANGES.items() for column, new in changes.items() if new]


async def read_letter(world, under):
    letter = await world.deliver_letter(inhoud="Geheim")
    token = await world.issue_token(world.helper, under=under, acts=HELPING)
    async with world.sessions.begin() as session:
        await session.execute(text("UPDATE issued_token SET mac = mac"))
    async with world.client(token) as client:
        return await client.get(f"{LETTERS}/{letter}"), await client.get(LETTERS)


def test_every_covered_column_has_a_case_or_a_key_in_the_way():
    for name, changes in CHANGES.items():
        assert set(changes) == {*SEALED[name].columns} - {"mac"}


async def change_row(database, table, change, where="true"):
    async with bypass_triggers(database) as connection:
        await connection.execute(text(f"UPDATE {table} SET {change} WHERE {where}"))


@pytest.mark.parametrize(("table", "column", "new"), CASES)
async def test_changed_row_of_an_authority_opens_nothing_and_is_an_alarm(world, database, table, column, new):
    under = await world.grant_machtiging(None if table in ("machtiging", "agreement") else KVK)
    await change_row(database, table, f"{column} = {new}")
    with structlog.testing.capture_logs() as logs:
        answers = await read_letter(world, under)
    assert [answer.status_code for answer in answers] == [403, 403]
    assert {answer.json()["code"] for answer in answers} == {"rij_ongeldig"}
    assert "Geheim" not in answers[0].text
    alarms = [line for line in logs if line["event"] == "row_mac_invalid"]
    assert {(line["table"], line["log_level"]) for line in alarms} == {(table, "error")}
    assert set(await JOURNAL_INTAKE.read_column(world, "object_kind", act="rij:geweigerd")) == {table}
    assert set(await world.reasons("bericht:lezen")) == {"rij_ongeldig"}


@pytest.mark.parametrize("link", ["root", "assignment"])
@pytest.mark.parametrize("change", ["state = 'active', paused_at = NULL", "legal_ground = 'Awb 2:2'"])
async def test_changed_link_of_a_chain_opens_nothing(world, database, link, change):
    under = await world.grant_machtiging(KVK)
    parent_id = await MACHTIGINGEN.read_value(world, "parent_id", id=under)
    forged = parent_id if link == "root" else under
    if "paused" in change:
        await world.pause(forged)
    await change_row(database, "machtiging", change, f"id = '{forged}'")
    answer, _ = await read_letter(world, under)
    assert (answer.status_code, answer.json()["code"]) == (403, "rij_ongeldig")


@pytest.mark.parametrize("table", SEALED)
async def test_row_inserted_without_the_key_opens_nothing(world, database, table):
    under = await world.grant_machtiging(KVK)
    await change_row(database, table, "mac = ''")
    answer, _ = await read_letter(world, under)
    assert (answer.status_code, answer.json()["code"]) == (403, "rij_ongeldig")


async def test_mac_of_another_row_opens_nothing(world, database):
    under, other = await world.grant_machtiging(), await world.grant_machtiging()
    mine, theirs = f"id = '{under}'", f"id = '{other}'"
    await change_row(database, "machtiging", f"mac = (SELECT mac FROM machtiging WHERE {theirs})", mine)
    answer, _ = await read_letter(world, under)
    assert (answer.status_code, answer.json()["code"]) == (403, "rij_ongeldig")


def test_authority_reads_every_covered_column_of_its_rows():
    read = {column.key for column in AUTHORITY_COLUMNS}
    prefixes = {"machtiging": "m", "agreement": "a", "organisation": "org", "recognition": "rec", "employee": "emp"}
    for name, prefix in prefixes.items():
        assert {f"{prefix}_{column}" for column in SEALED[name].columns} <= read
