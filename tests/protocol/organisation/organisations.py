"""A professional who helps for an organisation. His machtiging, his sessions, and credentials moved to another one."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text

from machtiging.cli.sealed_tables import SEALED_TABLES
from machtiging.delegation.acceptance import CodeHolder
from machtiging.delegation.rules import Capacity, Machtiging
from machtiging.kernel.assurance import Assurance
from machtiging.oauth.ciba.meldcode import create_meldcode
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.ciba import CibaDesk
from tests.builders.client import make_authorization_details
from tests.builders.database import seal_rows
from tests.builders.flow import Flow, OAuthWorld
from tests.builders.organisations import add_recognised_organisation
from tests.builders.people import LoginBrowser, start_login_session
from tests.builders.rows import READERS
from tests.builders.tokens import register_refreshing_app

KVK, OTHER_KVK = "90000001", "90000002"
# The tables that inherit the organisation of the session; a meldcode keeps it for the request that follows.
KEEPING = ("oauth_grant", "authorization_code", "refresh_token", "issued_token")


async def accept_professional_machtiging(oauth: OAuthWorld, kvk: str | None = KVK) -> Machtiging:
    """Mother's machtiging for her son, accepted for this organisation; for None as her relative."""
    capacity = Capacity.RELATIVE if kvk is None else Capacity.PROFESSIONAL
    if kvk is not None:
        async with unit_of_work(oauth.sessions) as session:
            await add_recognised_organisation(session, kvk, oauth.committed.people.son)
    offered = await oauth.committed.offer(capacity=capacity)
    helper = CodeHolder(oauth.committed.people.son, Assurance.SUBSTANTIAL, kvk)
    return await oauth.committed.accept(offered.code, helper=helper, at=oauth.clock.now())


async def log_in_for(oauth: OAuthWorld, kvk: str | None) -> LoginBrowser:
    """A browser in which the son is logged in for this organisation, or as himself."""
    return oauth.browser_with(
        await start_login_session(oauth.service.state.services, oauth.committed.people.son, kvk=kvk)
    )


async def start_flow_for(oauth: OAuthWorld, kvk: str | None, machtiging: Machtiging) -> Flow:
    """The code flow of an app with refresh tokens, for the son at this organisation."""
    return Flow(
        await register_refreshing_app(oauth), await log_in_for(oauth, kvk), make_authorization_details(machtiging.id)
    )


async def move(oauth: OAuthWorld, kvk: str | None, *tables: str) -> None:
    """Move every row in these tables to another organisation, as if its session were there."""
    async with unit_of_work(oauth.sessions) as session:
        await move_rows(session, kvk, *tables)


async def move_rows(session: Any, kvk: str | None, *tables: str) -> None:
    """The same in this transaction: changed and sealed as the service would have written them."""
    for table in tables:
        await session.execute(text(f"UPDATE {table} SET organisation_kvk = :kvk"), {"kvk": kvk})
        await seal_rows(session, *(sealed for sealed in SEALED_TABLES if sealed.table.name == table))


async def organisations(oauth: OAuthWorld, table: str) -> set[Any]:
    """The organisations that stand in a table."""
    return set(await READERS[table].read_column(oauth, "organisation_kvk"))


async def refusal_reasons(oauth: OAuthWorld, act: str) -> list[str]:
    """The reasons in the journal of what was refused, oldest first."""
    return [line.reason for line in await oauth.lines(act) if line.outcome == "refused"]


async def request_ciba(ciba_desk: CibaDesk, kvk: str | None, machtiging: Machtiging) -> str:
    """The request of an app with the son's meldcode for this organisation."""
    oauth = ciba_desk.oauth
    async with unit_of_work(oauth.sessions) as session:
        keyring, at = oauth.service.state.services.keyring, oauth.clock.now()
        meldcode = await create_meldcode(session, keyring, ciba_desk.son, organisation_kvk=kvk, at=at)
    response = await ciba_desk.asks(meldcode, authorization_details=make_authorization_details(machtiging.id))
    assert response.status_code == 200, response.text
    auth_req_id: str = response.json()["auth_req_id"]
    return auth_req_id
