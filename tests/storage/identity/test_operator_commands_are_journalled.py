"""Each command that changes data is journalled with its operator."""

from __future__ import annotations

import json

import pytest

from machtiging.agencies.catalogue import find_catalogue_oin
from machtiging.cli.database import open_service_sessions
from machtiging.cli.operator_name import get_operator_name
from machtiging.kernel.clock import SystemClock
from machtiging.oauth.registration.client_registration import register_client
from machtiging.oauth.registration.validation import RegistrationRequest
from machtiging.settings import Settings
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.client import make_app_metadata, make_client_keys
from tests.builders.rows import JOURNAL_INTAKE


async def read_journal_lines(database, act):
    async with unit_of_work(database.sessions) as session:
        return await JOURNAL_INTAKE.read(session, act=act)


async def named_once(database, act):
    [line] = await read_journal_lines(database, act)
    return (line.capacity, line.facts.get("beheerder")) == ("beheerder", get_operator_name())


async def add_client(run_command, tmp_path):
    file = tmp_path / "client.json"
    file.write_text(json.dumps(make_app_metadata(make_client_keys())))
    ended = await run_command("clients", "add", str(file))
    assert ended.code == 0, ended.operator_output
    return json.loads(ended.out)["client_id"]


async def test_clients_add_names_the_operator(run_command, database, tmp_path):
    await add_client(run_command, tmp_path)
    assert await named_once(database, "client:geregistreerd")


async def test_clients_suspend_and_resume_name_the_operator(run_command, database, tmp_path):
    client_id = await add_client(run_command, tmp_path)
    assert (await run_command("clients", "suspend", client_id)).code == 0
    assert (await run_command("clients", "resume", client_id)).code == 0
    assert await named_once(database, "client:geschorst")
    assert await named_once(database, "client:hervat")


async def test_clients_approve_names_the_operator(run_command, database):
    token = (await run_command("clients", "invite", "--note", "Voor de proef")).out.strip()
    said = RegistrationRequest("application/json", json.dumps(make_app_metadata(make_client_keys())).encode())
    async with open_service_sessions(Settings()) as sessions, unit_of_work(sessions) as session:
        client_id = (
            await register_client(
                session, token, said, practice=False, detail_type="berichtenbox", at=SystemClock().now()
            )
        ).client_id
    seen = json.loads((await run_command("clients", "show", client_id)).out)["seen_as"]
    assert (await run_command("clients", "approve", client_id, seen)).code == 0
    assert await named_once(database, "client:goedgekeurd")


async def test_invitation_and_its_withdrawal_name_the_operator(run_command, database):
    ended = await run_command("clients", "invite", "--note", "Voor de proef")
    assert (await run_command("clients", "withdraw-invitation", ended.operator_output.split()[-1])).code == 0
    assert await named_once(database, "client:uitgenodigd")
    [line] = await read_journal_lines(database, "uitnodiging:ingetrokken")
    assert line.facts["beheerder"] == get_operator_name()


async def test_agencies_load_names_the_operator(run_command, database):
    assert (await run_command("agencies", "load")).code == 0
    assert await named_once(database, "catalogus:geladen")


BUNDLES = """
- code: pensioen
  name: Hulp bij pensioen
  diensten: ["{oin}/aow"]
"""


async def test_bundles_are_published_from_a_file_and_name_the_operator(run_command, database, tmp_path):
    file = tmp_path / "bundels.yaml"
    file.write_text(BUNDLES.format(oin=find_catalogue_oin("Sociale Verzekeringsbank")))
    assert (await run_command("agencies", "load")).code == 0
    for _ in range(2):
        assert (await run_command("agencies", "publish-bundles", str(file))).code == 0
    assert await named_once(database, "bundel:gepubliceerd")
    assert "pensioen" in (await run_command("agencies", "bundles")).out


@pytest.mark.parametrize("content", ["- code: pensioen", "{", "- code: x\n  name: y\n  diensten: ['1/2']"])
async def test_wrong_file_of_bundles_publishes_nothing(run_command, database, tmp_path, content):
    file = tmp_path / "bundels.yaml"
    file.write_text(content)
    assert (await run_command("agencies", "load")).code == 0
    assert (await run_command("agencies", "publish-bundles", str(file))).code != 0
    assert await read_journal_lines(database, "bundel:gepubliceerd") == []
