"""Approval of a registration cannot be bypassed. It covers only the metadata that the operator saw."""

from __future__ import annotations

import pytest

from machtiging.kernel.errors import Conflict
from machtiging.oauth.suspend_client import resume_client, suspend_client
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.client import approve_program, digest_program, register_program


async def suspended_and_resumed(oauth, client_id: str) -> None:
    for act in (suspend_client, resume_client):
        async with unit_of_work(oauth.sessions) as session:
            assert await act(session, client_id, at=oauth.clock.now()) is not False


async def test_approval_bypass_by_suspension_and_resumption_is_rejected(production_oauth) -> None:
    program = await register_program(production_oauth)
    await suspended_and_resumed(production_oauth, program.client_id)
    assert not await program.works()
    await approve_program(production_oauth, program.client_id)
    assert await program.works()


async def test_approval_bypass_of_update_by_resumption_is_rejected(production_oauth) -> None:
    program = await register_program(production_oauth)
    await approve_program(production_oauth, program.client_id)
    assert (await program.put(client_name="Andere naam")).status_code == 200
    await suspended_and_resumed(production_oauth, program.client_id)
    assert not await program.works()


async def test_approval_of_metadata_changed_after_viewing_is_rejected(production_oauth) -> None:
    program = await register_program(production_oauth)
    seen = await digest_program(production_oauth, program.client_id)
    assert (await program.put(redirect_uris=["https://app.voorbeeld.example/elders"])).status_code == 200
    with pytest.raises(Conflict, match="client_veranderd"):
        await approve_program(production_oauth, program.client_id, seen)
    assert not await program.works()
    await approve_program(production_oauth, program.client_id)
    assert await program.works()
