"""There is no way round the operator who approves, and who approves what he has looked at."""

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


async def test_a_client_that_nobody_approved_can_still_do_nothing_after_it_is_resumed(in_earnest) -> None:
    program = await a_program(in_earnest)
    await suspended_and_resumed(in_earnest, program.client_id)
    assert not await program.works()
    await approved(in_earnest, program.client_id)
    assert await program.works()


async def test_a_change_that_nobody_looked_at_does_not_come_in_by_resuming(in_earnest) -> None:
    program = await a_program(in_earnest)
    await approved(in_earnest, program.client_id)
    assert (await program.put(client_name="Andere naam")).status_code == 200
    await suspended_and_resumed(in_earnest, program.client_id)
    assert not await program.works()


async def test_what_changed_after_the_operator_looked_is_not_approved(in_earnest) -> None:
    program = await a_program(in_earnest)
    seen = await looked_at(in_earnest, program.client_id)
    assert (await program.put(redirect_uris=["https://app.voorbeeld.example/elders"])).status_code == 200
    with pytest.raises(Conflict, match="client_veranderd"):
        await approved(in_earnest, program.client_id, seen)
    assert not await program.works()
    await approved(in_earnest, program.client_id)
    assert await program.works()
