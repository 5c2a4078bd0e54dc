"""Writes that depend on a machtiging, to run concurrently with the act that ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx
from sqlalchemy import ColumnElement, select, text

from machtiging.delegation import termination
from machtiging.delegation.rules import Capacity
from machtiging.oauth.end_grants import GrantEnding, end_grants_of_machtiging
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.applications import BOX_HANDLER
from tests.builders.ciba import register_ciba_desk
from tests.builders.client import make_authorization_details
from tests.builders.database import BLOCKED_BACKENDS
from tests.builders.flow import OAuthWorld
from tests.builders.rows import (
    AUTHORIZATION_CODES,
    BACKCHANNEL_REQUESTS,
    GRANTS,
    ISSUED_TOKENS,
    MACHTIGINGEN,
    MACHTIGINGSCODES,
    READERS,
    REFRESH_TOKENS,
    TableReader,
)
from tests.builders.tokens import HUIS, SERVICE_KEYS, ExchangeChain, make_exchanger_metadata, make_refresh_token_holder

Write = Callable[[], Awaitable[httpx.Response]]


def _has_unended_grant(reader: TableReader) -> ColumnElement[bool]:
    return reader.c.grant_id.in_(select(GRANTS.c.id).where(GRANTS.c.ended_at.is_(None)))


# For every table that hangs on a machtiging, by itself or through a consent: what of it is not ended.
UNENDED = {
    "oauth_grant": GRANTS.c.ended_at.is_(None),
    "issued_token": ISSUED_TOKENS.c.revoked_at.is_(None),
    "authorization_code": AUTHORIZATION_CODES.c.used_at.is_(None) & _has_unended_grant(AUTHORIZATION_CODES),
    "refresh_token": REFRESH_TOKENS.c.used_at.is_(None) & _has_unended_grant(REFRESH_TOKENS),
    "backchannel_request": BACKCHANNEL_REQUESTS.c.machtiging_id.is_not(None)  # without one nobody was asked
    & (
        (BACKCHANNEL_REQUESTS.c.state == "pending")
        | ((BACKCHANNEL_REQUESTS.c.state == "approved") & _has_unended_grant(BACKCHANNEL_REQUESTS))
    ),
    "machtigingscode": MACHTIGINGSCODES.c.used_at.is_(None)
    & MACHTIGINGSCODES.c.machtiging_id.in_(select(MACHTIGINGEN.c.id).where(MACHTIGINGEN.c.state == "offered")),
}
# Every column that refers to a machtiging or a consent (`issued_token.grant_id` has no foreign key).
REFERRING = text(
    "SELECT DISTINCT conrelid::regclass::text FROM pg_constraint WHERE contype = 'f'"
    " AND confrelid IN ('machtiging'::regclass, 'oauth_grant'::regclass) AND conrelid <> 'machtiging'::regclass"
)


async def unended(oauth: OAuthWorld) -> dict[str, int]:
    """Count rows that are not ended, by table; a table without any is left out. One machtiging in the database."""
    async with unit_of_work(oauth.sessions) as session:
        found = {table: await READERS[table].count(session, live) for table, live in UNENDED.items()}
    return {table: count for table, count in found.items() if count}


async def revoke(oauth: OAuthWorld, session: Any, held: Any, *, by_helper: bool = False) -> None:
    """Do what the buttons "intrekken" and "teruggeven" do."""
    people, at = oauth.committed.people, oauth.clock.now()
    who, act = (
        (people.son, termination.give_back_machtiging) if by_helper else (people.mother, termination.revoke_machtiging)
    )
    ended = await act(session, held.id, who, at=at)
    await end_grants_of_machtiging(session, BOX_HANDLER, ended.id, GrantEnding("intrekken", who, Capacity.SELF), at=at)


async def revoked(oauth: OAuthWorld, held: Any, *, by_helper: bool = False) -> None:
    """The same in a transaction of its own."""
    async with unit_of_work(oauth.sessions) as session:
        await revoke(oauth, session, held, by_helper=by_helper)


async def _consent(oauth: OAuthWorld, held: Any) -> Write:
    flow = await oauth.start_flow(machtiging=held)
    form = await flow.consent_form(await flow.pushed())
    return lambda: flow.press(form)


async def _code(oauth: OAuthWorld, held: Any) -> Write:
    flow = await oauth.start_flow(machtiging=held)
    code = await flow.code()
    return lambda: flow.redeem(code)


async def _refresh(oauth: OAuthWorld, held: Any) -> Write:
    holder = await make_refresh_token_holder(oauth, machtiging=held)
    return holder.refresh


async def _exchange(oauth: OAuthWorld, held: Any) -> Write:
    chain = ExchangeChain(oauth, await oauth.register_reading_app(), held)
    service = await oauth.add(make_exchanger_metadata(), SERVICE_KEYS)
    await chain.register_server(client_name="Archief", resource="https://archief.voorbeeld.example/api")
    token = await chain.issue_token(HUIS)
    return lambda: chain.exchange(service, token)


async def _ask(oauth: OAuthWorld, held: Any) -> Write:
    ciba_desk = await register_ciba_desk(oauth)
    code = await ciba_desk.create_meldcode(ciba_desk.son)
    return lambda: ciba_desk.asks(code, authorization_details=make_authorization_details(held.id))


async def _answer(oauth: OAuthWorld, held: Any) -> Write:
    ciba_desk = await register_ciba_desk(oauth)
    await ciba_desk.start_request(
        await ciba_desk.create_meldcode(ciba_desk.son), authorization_details=make_authorization_details(held.id)
    )
    browser = await ciba_desk.citizen(ciba_desk.son)
    form = await ciba_desk.form_of(browser)
    return lambda: browser.post("/verzoeken", {**form, "besluit": "akkoord"})


async def _poll(oauth: OAuthWorld, held: Any) -> Write:
    ciba_desk = await register_ciba_desk(oauth)
    code = await ciba_desk.create_meldcode(ciba_desk.son)
    request = await ciba_desk.start_request(code, authorization_details=make_authorization_details(held.id))
    await ciba_desk.agreed(ciba_desk.son)
    return lambda: ciba_desk.polls(request)


WRITERS: dict[str, Callable[[OAuthWorld, Any], Awaitable[Write]]] = {
    "consent": _consent,
    "code": _code,
    "refresh": _refresh,
    "exchange": _exchange,
    "ask at a counter": _ask,
    "answer at a counter": _answer,
    "poll at a counter": _poll,
}


async def wait_for_lock_or_end(oauth: OAuthWorld, act: asyncio.Task[Any]) -> None:
    """Until this act waits for a lock, or needs none and is done."""
    async with asyncio.timeout(60), oauth.sessions() as beside:
        while not act.done() and not await beside.scalar(BLOCKED_BACKENDS):
            await beside.rollback()
            await asyncio.sleep(0.005)


def moments(rng: Any, count: int) -> list[float]:
    """Small pauses, in seconds, before acts that run beside each other."""
    return [rng.random() * timedelta(milliseconds=25).total_seconds() for _ in range(count)]
