"""Approval of a registration cannot be bypassed, and covers only the metadata that the operator saw."""

from __future__ import annotations

import pytest

from machtiging.kernel.errors import Conflict
from machtiging.oauth.suspend_client import resume, suspend
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.registration import a_program, approved, looked_at


async def suspended_and_resumed(oauth, client_id: str) -> None:
    for act in (suspend, resume):
        async with unit_of_work(oauth.sessions) as session:
            assert await act(session, client_id, at=oauth.clock.now()) is not False


async def test_approval_bypass_by_suspension_and_resumption_is_rejected(production_oauth) -> None:
    program = await a_program(production_oauth)
    await suspended_and_resumed(production_oauth, program.client_id)
    assert not await program.works()
    await approved(production_oauth, program.client_id)
    assert await program.works()


async def test_approval_bypass_of_update_by_resumption_is_rejected(production_oauth) -> None:
    program = await a_program(production_oauth)
    await approved(production_oauth, program.client_id)
    assert (await program.put(client_name="Andere naam")).status_code == 200
    await suspended_and_resumed(production_oauth, program.client_id)
    assert not await program.works()


async def test_approval_of_metadata_changed_after_viewing_is_rejected(production_oauth) -> None:
    program = await a_program(production_oauth)
    seen = await looked_at(production_oauth, program.client_id)
    assert (await program.put(redirect_uris=["https://app.voorbeeld.example/elders"])).status_code == 200
    with pytest.raises(Conflict, match="client_veranderd"):
        await approved(production_oauth, program.client_id, seen)
    assert not await program.works()
    await approved(production_oauth, program.client_id)
    assert await program.works()
