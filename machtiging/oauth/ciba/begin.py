"""POST /bc-authorize: store the request and notify the person (OpenID CIBA Core 1.0 section 7)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Table, case, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct, Outcome
from machtiging.audit.journal import Line, record
from machtiging.crypto import secrets
from machtiging.delegation.queries import lock_machtiging_shared
from machtiging.delegation.rules import Machtiging, is_usable, unusable_reason
from machtiging.kernel.ids import PersonId
from machtiging.notifications.tell import tell
from machtiging.notifications.texts import Kind
from machtiging.oauth.ciba.meldcode import use_meldcode
from machtiging.oauth.ciba.rules import INTERVAL, MOST_OF_CLIENT, MOST_OF_PERSON, WINDOW, Ask, ask_from
from machtiging.oauth.client import CIBA, PRIVATE_KEY_JWT, Client
from machtiging.oauth.errors import OAuthRefusal, Wire
from machtiging.oauth.protocol.bridge import WireRequest
from machtiging.oauth.protocol.sender import key_for_code, key_shown
from machtiging.oauth.protocol.server import Exchange, Server, run
from machtiging.oauth.requests.request_object import Desk, opened
from machtiging.oauth.tables import SEALED_BACKCHANNEL_REQUEST, BackchannelRequest
from machtiging.storage.row_mac import MAC, seal

_REQUEST: Table = BackchannelRequest.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class _Asked:
    """The person behind the hint, and the machtiging.

    Without a person nobody is notified; `reason` goes to the journal and never to the app.
    """

    person_id: PersonId | None
    machtiging: Machtiging | None
    reason: str
    organisation_kvk: str | None = None


async def begin(exchange: Exchange, request: WireRequest) -> dict[str, Any]:
    """Validate and store a backchannel authentication request; return the response of CIBA 7.3.

    Raises OAuthRefusal.
    """
    client = await run(Server(exchange), lambda it: it.authenticate_client(request, [PRIVATE_KEY_JWT], "backchannel"))
    if not client.check_grant_type(CIBA):
        raise OAuthRefusal(Wire.UNAUTHORIZED_CLIENT, "client_niet_bevoegd")
    proven = await key_shown(exchange.session, exchange.issuer.keyring, request, exchange.at)
    desk = Desk(exchange.session, exchange.issuer.url, exchange.at, backchannel=True)
    request = request.asking(await opened(desk, client, request.form))
    ask = ask_from(request.form, client)
    jkt = key_for_code(request, proven)
    if await _too_many(exchange.session, _REQUEST.c.client_id, client.client_id, MOST_OF_CLIENT, exchange.at):
        raise OAuthRefusal(Wire.ACCESS_DENIED, "te_veel_verzoeken")
    asked = await _whom(exchange, ask)
    auth_req_id = secrets.random_token()
    await _keep(exchange, client, ask, asked, {"request_hash": secrets.digest(auth_req_id), "jkt": jkt})
    return {"auth_req_id": auth_req_id, "expires_in": int(ask.stands.total_seconds()), "interval": INTERVAL}


async def _too_many(
    session: AsyncSession, column: ColumnElement[Any], value: UUID | str, most: int, at: datetime
) -> bool:
    """Return whether the requests for this person or client exceed the rate limit.

    It protects against consent fatigue and against guessing meldcodes. An advisory lock makes a concurrent request
    wait.
    """
    gate = func.hashtextextended(literal(f"verzoek:{value}"), 0)
    await session.execute(select(func.pg_advisory_xact_lock(gate)))
    lately = select(func.count()).where(column == value, _REQUEST.c.created_at > at - WINDOW)
    return (await session.scalar(lately) or 0) >= most


async def _whom(exchange: Exchange, ask: Ask) -> _Asked:
    """Consume the meldcode and find its person and machtiging.

    Every outcome gives the same response and the same statements, also for an unknown code: neither text nor time is an
    enumeration oracle. The machtiging is locked FOR SHARE, so that ending it waits and then ends this request too.
    """
    session, at = exchange.session, exchange.at
    holder = await use_meldcode(session, exchange.issuer.keyring, ask.meldcode, at=at)
    person_id = None if holder is None else holder.person_id
    too_many = await _too_many(session, _REQUEST.c.person_id, person_id or uuid4(), MOST_OF_PERSON, at)
    named = None if ask.wanted is None else ask.wanted.machtiging_id
    held = None if named is None else await lock_machtiging_shared(session, named)
    if holder is None or person_id is None:
        return _Asked(None, None, "meldcode_onbekend")
    if too_many:
        return _Asked(None, None, "te_veel_verzoeken")
    kvk = holder.organisation_kvk
    if named is None:
        return _Asked(person_id, None, "gevraagd", kvk)
    if held is None or not is_usable(held, person_id, kvk, at):
        # The app gets no error: it must not learn which machtigingen a person has.
        mine = held is not None and held.gemachtigde_id == person_id
        return _Asked(None, None, unusable_reason(held if mine else None, kvk, at))
    return _Asked(person_id, held, "gevraagd", kvk)


async def _keep(exchange: Exchange, client: Client, ask: Ask, asked: _Asked, values: dict[str, Any]) -> None:
    """Store the request and notify the person.

    Nobody is notified when this app already has a pending request for this person.
    """
    session, at = exchange.session, exchange.at
    row = values | {
        "client_id": client.client_id,
        "params": ask.parameters,
        "binding_message": ask.binding_message,
        "state": "pending",
        "created_at": at,
        "expires_at": at + ask.stands,
        "interval_seconds": INTERVAL,
    }
    await _end_expired(session, client, asked.person_id or uuid4(), at)
    if await _kept(session, row, asked) != asked.person_id:
        asked = _Asked(None, None, "verzoek_loopt_al")
    await _witness(session, client, asked, at)


async def _kept(session: AsyncSession, row: dict[str, Any], asked: _Asked) -> UUID | None:
    """Insert the request and return its person, or None.

    The unique index decides between two concurrent requests.
    """
    pending = (_REQUEST.c.client_id == row["client_id"], _REQUEST.c.state == "pending")
    busy = select(literal(1)).where(*pending, _REQUEST.c.person_id == asked.person_id).exists()
    machtiging_id = None if asked.machtiging is None else asked.machtiging.id
    named = {"person_id": asked.person_id, "machtiging_id": machtiging_id, "organisation_kvk": asked.organisation_kvk}
    row = seal(session, SEALED_BACKCHANNEL_REQUEST, row)
    # Both outcomes get a MAC here, since the statement decides on the person.
    sealed = seal(session, SEALED_BACKCHANNEL_REQUEST, row | named)
    whose: dict[str, Any] = {
        name: select(literal(value, _REQUEST.c[name].type)).where(~busy).scalar_subquery()
        for name, value in named.items()
    }
    whose[MAC] = case((busy, row[MAC]), else_=sealed[MAC])
    adding = insert(_REQUEST).on_conflict_do_nothing().returning(_REQUEST.c.client_id, _REQUEST.c.person_id)
    kept = (await session.execute(adding.values(row | whose))).one_or_none()
    if kept is None:
        kept = (await session.execute(adding.values(row))).one()
    return cast(UUID | None, kept.person_id)


async def _end_expired(session: AsyncSession, client: Client, person_id: UUID, at: datetime) -> None:
    over = (_REQUEST.c.state == "pending", _REQUEST.c.expires_at <= at)
    mine = (_REQUEST.c.client_id == client.client_id, _REQUEST.c.person_id == person_id)
    await session.execute(update(_REQUEST).where(*mine, *over).values(state="expired"))


async def _witness(session: AsyncSession, client: Client, asked: _Asked, at: datetime) -> None:
    held = asked.machtiging
    line = Line(
        act=JournalAct.VERZOEK_GEDAAN,
        outcome=Outcome.DONE if asked.person_id is not None else Outcome.REFUSED,
        reason=asked.reason,
        client_id=client.client_id,
        for_person_id=asked.person_id if held is None else held.vertegenwoordigde_id,
        machtiging_id=None if held is None else held.id,
    )
    await record(session, line, at=at)
    await tell(session, asked.person_id, Kind.VERZOEK_WACHT, {}, at=at)
