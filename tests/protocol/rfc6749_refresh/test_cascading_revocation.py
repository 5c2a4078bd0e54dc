"""Cascading revocation: exchanged tokens end with the token they came from. At any depth, also concurrently."""

import asyncio
from dataclasses import replace

import pytest

from machtiging.access_tokens import token_revocation, tokens
from machtiging.access_tokens.exchange_chain import lock_and_count_exchanges
from machtiging.delegation.termination import revoke_machtiging
from machtiging.kernel.ids import TokenId, uuid7
from machtiging.oauth.end_grants import GrantEnding, end_grant, end_grants_of_machtiging, end_grants_of_session
from machtiging.oauth.suspend_client import suspend_client
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.applications import BOX_HANDLER
from tests.builders.bearer import make_token_facts
from tests.builders.messages import read_claims
from tests.builders.rows import ISSUED_TOKENS, REFRESH_TOKENS
from tests.builders.tokens import make_refresh_token_holder, update_rows


async def store_exchange_chain(oauth, holder, length: int = 3) -> list[TokenId]:
    """Store a chain of exchanged tokens of other clients, rooted in the holder's token."""
    parent = TokenId(read_claims(holder.access)["jti"])
    made = [parent]
    async with unit_of_work(oauth.sessions) as session:
        for number in range(length):
            facts = make_token_facts(
                oauth.clock.now(), person_id=oauth.committed.people.son, client_id=f"keten-{number}"
            )
            child = replace(facts, parent_id=made[-1])
            await tokens.insert_token(session, child)
            made.append(child.id)
    return made


async def count_active_tokens(oauth) -> int:
    return await ISSUED_TOKENS.count(oauth, revoked_at=None)


async def test_grant_end_revokes_all_exchanged_descendants(oauth):
    holder, bystander = await make_refresh_token_holder(oauth), await make_refresh_token_holder(oauth)
    await store_exchange_chain(oauth, holder)
    assert await count_active_tokens(oauth) == 5
    async with unit_of_work(oauth.sessions) as session:
        await end_grant(session, BOX_HANDLER, holder.grant_id, GrantEnding("proef"), at=oauth.clock.now())
    assert await count_active_tokens(oauth) == 1
    assert await holder.ended() == "proef"
    assert await bystander.active(bystander.access)


async def test_refresh_token_reuse_revokes_all_exchanged_descendants(oauth):
    holder = await make_refresh_token_holder(oauth)
    await store_exchange_chain(oauth, holder)
    await holder.refreshed()
    await holder.refresh()
    assert await count_active_tokens(oauth) == 0


async def test_revoking_exchanged_token_revokes_descendants_not_ancestors(oauth):
    holder = await make_refresh_token_holder(oauth)
    chain = await store_exchange_chain(oauth, holder)
    async with unit_of_work(oauth.sessions) as session:
        assert await token_revocation.revoke_token(session, chain[2], oauth.clock.now()) == 2
    assert await count_active_tokens(oauth) == 2
    assert await holder.active(holder.access)


async def test_machtiging_end_and_client_suspension_revoke_all_descendants(oauth):
    first, second = await make_refresh_token_holder(oauth), await make_refresh_token_holder(oauth)
    for holder in (first, second):
        await store_exchange_chain(oauth, holder)
    await first.change(revoke_machtiging)
    async with unit_of_work(oauth.sessions) as session:
        await end_grants_of_machtiging(
            session, BOX_HANDLER, first.machtiging.id, GrantEnding("proef"), at=oauth.clock.now()
        )
    assert await count_active_tokens(oauth) == 4
    async with unit_of_work(oauth.sessions) as session:
        assert await suspend_client(session, second.app.client_id, at=oauth.clock.now()) == 4
    assert await count_active_tokens(oauth) == 0


async def test_logout_ends_refresh_token_of_the_login(oauth):
    holder = await make_refresh_token_holder(oauth)
    session_id = uuid7()
    async with unit_of_work(oauth.sessions) as session:
        await end_grants_of_session(session, BOX_HANDLER, session_id, GrantEnding("uitgelogd"), at=oauth.clock.now())
    assert await holder.ended() is None
    await update_rows(oauth, "UPDATE oauth_grant SET session_id = :sid", sid=session_id)
    async with unit_of_work(oauth.sessions) as session:
        assert (
            await end_grants_of_session(
                session, BOX_HANDLER, session_id, GrantEnding("uitgelogd"), at=oauth.clock.now()
            )
            == 1
        )
    assert (await holder.refresh()).status_code == 400
    assert await count_active_tokens(oauth) == 0


async def test_exchange_concurrent_with_revocation_leaves_no_active_token(oauth):
    holder = await make_refresh_token_holder(oauth)
    [parent] = await store_exchange_chain(oauth, holder, 0)
    made, go_on = asyncio.Event(), asyncio.Event()

    async def exchange() -> None:
        async with unit_of_work(oauth.sessions) as session:
            assert await lock_and_count_exchanges(session, parent)
            facts = make_token_facts(oauth.clock.now(), person_id=oauth.committed.people.son)
            await tokens.insert_token(session, replace(facts, parent_id=parent))
            made.set()
            await go_on.wait()

    async def end() -> None:
        await made.wait()
        async with unit_of_work(oauth.sessions) as session:
            await end_grant(session, BOX_HANDLER, holder.grant_id, GrantEnding("proef"), at=oauth.clock.now())

    ending, exchanging = asyncio.create_task(end()), asyncio.create_task(exchange())
    await asyncio.wait_for(made.wait(), 30)
    done, _ = await asyncio.wait({ending}, timeout=0.2)
    assert not done  # the revocation waits for the exchange
    go_on.set()
    await asyncio.wait_for(asyncio.gather(ending, exchanging), 30)
    assert await count_active_tokens(oauth) == 0


@pytest.mark.parametrize("order", ["refresh first", "end first"])
async def test_refresh_concurrent_with_grant_end_leaves_no_active_token(oauth, order):
    holder = await make_refresh_token_holder(oauth)

    async def end() -> None:
        async with unit_of_work(oauth.sessions) as session:
            await end_grant(session, BOX_HANDLER, holder.grant_id, GrantEnding("proef"), at=oauth.clock.now())

    work = [holder.refresh(), end()] if order == "refresh first" else [end(), holder.refresh()]
    answers = await asyncio.wait_for(asyncio.gather(*work), 30)
    answer = answers[0] or answers[1]
    assert await count_active_tokens(oauth) == 0
    if answer.status_code == 200:
        assert (await holder.refresh(answer.json()["refresh_token"])).status_code == 400


async def test_suspension_grant_end_and_refresh_concurrently_do_not_deadlock(oauth):
    first = await make_refresh_token_holder(oauth)
    holders = [first, *[await make_refresh_token_holder(oauth, first.app, first.machtiging) for _ in range(3)]]

    async def cut() -> None:
        async with unit_of_work(oauth.sessions) as session:
            await suspend_client(session, first.app.client_id, at=oauth.clock.now())

    async def finish() -> None:
        async with unit_of_work(oauth.sessions) as session:
            await end_grant(session, BOX_HANDLER, holders[1].grant_id, GrantEnding("proef"), at=oauth.clock.now())

    work = [*(holder.refresh() for holder in holders), finish(), cut(), *(holder.refresh() for holder in holders)]
    answers = await asyncio.wait_for(asyncio.gather(*work), 60)
    assert {answer.status_code for answer in answers if answer is not None} <= {200, 400, 401}
    assert await count_active_tokens(oauth) == 0
    assert await REFRESH_TOKENS.count(oauth) == 0
