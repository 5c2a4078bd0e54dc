"""Token exchange concurrent with revocation or another exchange."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from machtiging.access.token_lookup import load_token
from machtiging.access_tokens.exchange_chain import lock_and_count_exchanges
from machtiging.access_tokens.token_revocation import revoke_token
from machtiging.access_tokens.tokens import insert_token
from machtiging.kernel.ids import GrantId, TokenId, uuid7
from machtiging.oauth.end_grants import GrantEnding, end_grant
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.applications import BOX_HANDLER
from tests.builders.database import wait_until_blocked
from tests.builders.messages import read_claims
from tests.builders.tokens import ARCHIEF, assert_oauth_error, update_rows


async def test_exchange_concurrent_with_revocation_waits_and_is_rejected(exchanging_clients) -> None:
    huis, _ = (
        await exchanging_clients.register_exchanger(),
        await exchanging_clients.register_server(resource=ARCHIEF, client_name="Archief"),
    )
    first, at = await exchanging_clients.issue_token(), exchanging_clients.oauth.clock.now()
    row = await exchanging_clients.row(first)
    for end in (
        lambda session: revoke_token(session, TokenId(row.id), at),
        lambda session: end_grant(session, BOX_HANDLER, GrantId(row.grant_id), GrantEnding("proef"), at=at),
    ):
        async with unit_of_work(exchanging_clients.oauth.sessions) as session:
            await end(session)
            exchanging = asyncio.create_task(exchanging_clients.exchange(huis, first))
            await wait_until_blocked(exchanging_clients.oauth.sessions, exchanging)
        assert_oauth_error(await exchanging, "invalid_request")
        await update_rows(exchanging_clients.oauth, "UPDATE issued_token SET revoked_at = NULL")


async def test_revocation_concurrent_with_exchange_waits_and_revokes_the_exchanged_token(exchanging_clients) -> None:
    first, at = await exchanging_clients.issue_token(None), exchanging_clients.oauth.clock.now()
    jti = TokenId((await exchanging_clients.row(first)).id)
    child = TokenId(uuid7())

    async def revoking() -> int:
        async with unit_of_work(exchanging_clients.oauth.sessions) as session:
            return await revoke_token(session, jti, at)

    async with unit_of_work(exchanging_clients.oauth.sessions) as session:
        assert await lock_and_count_exchanges(session, jti) == 1
        running = asyncio.create_task(revoking())
        await wait_until_blocked(exchanging_clients.oauth.sessions, running)
        state = await load_token(session, jti)
        await insert_token(session, replace(state.facts, id=child, parent_id=jti))
    assert await running == 2
    async with unit_of_work(exchanging_clients.oauth.sessions) as session:
        assert (await load_token(session, child)).revoked_at == at


async def test_concurrent_exchanges_of_one_token_do_not_deadlock(exchanging_clients) -> None:
    huis, _ = (
        await exchanging_clients.register_exchanger(),
        await exchanging_clients.register_server(resource=ARCHIEF, client_name="Archief"),
    )
    first = await exchanging_clients.issue_token()
    answers = await asyncio.gather(*(exchanging_clients.exchanged(huis, first) for _ in range(4)))
    assert len({read_claims(answer)["jti"] for answer in answers}) == 4


async def test_exchange_chain_lock_of_unknown_token_counts_zero(exchanging_clients) -> None:
    async with unit_of_work(exchanging_clients.oauth.sessions) as session:
        assert await lock_and_count_exchanges(session, TokenId(uuid7())) == 0
