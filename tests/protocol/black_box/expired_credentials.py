"""Expired and ended tokens of our server, made by its functions at another time.

A test that knows an address only cannot wait for a day. So the server's description holds refresh tokens of the client
`refreshing` and subject tokens for `exchanger` that are over, each by what ended it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access_tokens.sender_constraint.binding import NO_BINDING
from machtiging.delegation.acceptance import CodeHolder, accept_offer
from machtiging.delegation.offer import Giver, offer_machtiging
from machtiging.delegation.pause import pause_machtiging
from machtiging.delegation.queries import load_machtiging as machtiging_with
from machtiging.delegation.rules import Machtiging
from machtiging.delegation.termination import revoke_machtiging
from machtiging.identity.people import Profile, find_or_create_by_bsn, save_profile
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.bsn import Bsn
from machtiging.kernel.ids import PersonId
from machtiging.kernel.period import Period
from machtiging.oauth import queries
from machtiging.oauth.dependencies import build_issuer
from machtiging.oauth.end_grants import GrantEnding, end_grant
from machtiging.oauth.refresh.issuance import build_refresh_token, insert_refresh_token
from machtiging.oauth.request_parameters.resource_indicators import find_target
from machtiging.oauth.token_issuance import ActiveGrant, TokenSpec, issue_user_token
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.applications import BOX_HANDLER
from tests.builders.machtiging import make_terms
from tests.builders.tokens import insert_grant

_GIVER, _HELPER = Bsn("999990032"), Bsn("999990044")
_BORN = date(1951, 4, 7)


@dataclass(frozen=True)
class Past:
    """A transaction in which things are made at other instants than now."""

    session: AsyncSession
    app: Any
    resource: str
    giver: PersonId
    helper: PersonId
    now: datetime

    async def consented(self, client_id: str, held: Machtiging | None, at: datetime) -> ActiveGrant:
        """A consent that was given at `at`."""
        acts = make_terms().scope.acts
        return await insert_grant(self.session, client_id, self.helper, held, acts=acts, at=at)

    async def refresh_token(self, client_id: str, consented: ActiveGrant, at: datetime) -> str:
        client = await queries.find_active_client(self.session, client_id)
        assert client is not None
        made = build_refresh_token(client, consented, NO_BINDING, resource=None, at=at)
        assert made is not None
        await insert_refresh_token(self.session, made)
        return made.text

    async def subject_token(self, client_id: str, consented: ActiveGrant, at: datetime) -> str:
        issuer, client = (
            build_issuer(self.app.state.services),
            await queries.find_active_client(self.session, client_id),
        )
        assert client is not None
        order = TokenSpec(await find_target(self.session, issuer, self.resource))
        made = await issue_user_token(self.session, issuer, client, consented, at=at, spec=order)
        return made["access_token"]

    async def grant_machtiging(self) -> Machtiging:
        """One that holds."""
        services, begun = self.app.state.services, self.now - timedelta(hours=2)
        terms = make_terms(period=Period(begun, self.now + timedelta(days=30)))
        giver, helper = (
            kind(who, Assurance.SUBSTANTIAL) for kind, who in ((Giver, self.giver), (CodeHolder, self.helper))
        )
        offered = await offer_machtiging(
            self.session, services.keyring, services.delegation_limits, giver, terms, at=begun
        )
        await accept_offer(self.session, services.keyring, helper, offered.code, _BORN, at=begun)
        held = await machtiging_with(self.session, offered.machtiging_id)
        assert held is not None
        return held


async def spent(app: Any, clients: dict[str, dict[str, Any]]) -> dict[str, dict[str, str]]:
    """Tokens that are over, by kind and by what ended them."""
    now = datetime.now(UTC)
    app_id, refreshing = clients["app"]["client_id"], clients["refreshing"]["client_id"]
    async with unit_of_work(app.state.services.sessions) as session:
        giver = await _person(session, app, _GIVER, Profile("Ans Voorbeeld", _BORN, None), now)
        helper = await _person(session, app, _HELPER, Profile("Bram Voorbeeld", date(1980, 9, 30), None), now)
        past = Past(session, app, clients["exchanger"]["resource"], giver, helper, now)
        return {
            "refresh_token": await _refresh_tokens(past, refreshing),
            "subject_token": await _subject_tokens(past, app_id),
        }


async def _person(session: AsyncSession, app: Any, bsn: Bsn, profile: Profile, at: datetime) -> PersonId:
    person = await find_or_create_by_bsn(session, app.state.services.keyring, bsn, at=at)
    await save_profile(session, app.state.services.keyring, person, profile)
    return person


async def _refresh_tokens(past: Past, client_id: str) -> dict[str, str]:
    def ago(hours: int) -> datetime:
        return past.now - timedelta(hours=hours)

    unused = await past.consented(client_id, None, ago(7))
    busy = await past.consented(client_id, None, ago(26))  # refreshed until shortly before its end
    over = {
        "unused for too long": await past.refresh_token(client_id, unused, ago(7)),
        "consented to too long ago": await past.refresh_token(client_id, busy, ago(3)),
    }
    return over | await _ended(past, client_id, past.refresh_token)


async def _subject_tokens(past: Past, client_id: str) -> dict[str, str]:
    yesterday = past.now - timedelta(days=1)
    expired = await past.subject_token(client_id, await past.consented(client_id, None, yesterday), yesterday)
    return {"expired": expired} | await _ended(past, client_id, past.subject_token)


async def _ended(past: Past, client_id: str, make: Any) -> dict[str, str]:
    """Of just now, but what they hang on has ended. Only that was ended, so each is asked what it hangs on."""
    just_now, over = past.now - timedelta(minutes=1), {}
    consented = await past.consented(client_id, None, just_now)
    over["consent ended"] = await make(client_id, consented, just_now)
    await end_grant(past.session, BOX_HANDLER, consented.grant.id, GrantEnding("proef"), at=past.now)
    for why, verb in {"mandate ended": revoke_machtiging, "mandate paused": pause_machtiging}.items():
        held = await past.grant_machtiging()
        consented = await past.consented(client_id, held, just_now)
        over[why] = await make(client_id, consented, just_now)
        await verb(past.session, held.id, past.giver, at=past.now)
    return over
