"""POST /bc-authorize: store the request and notify the person (OpenID CIBA Core 1.0 section 7)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, case, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access_tokens.representation import UNUSABLE, Representation
from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.crypto import secrets
from machtiging.kernel.ids import PersonId
from machtiging.notifications.outbox import enqueue_notification
from machtiging.notifications.texts import NotificationKind
from machtiging.oauth.authorization_details.handler import RepresentationKey
from machtiging.oauth.authorization_details.representations import load_representation
from machtiging.oauth.ciba.meldcode import consume_meldcode
from machtiging.oauth.ciba.rules import (
    MAX_REQUESTS_PER_CLIENT,
    MAX_REQUESTS_PER_PERSON,
    POLL_INTERVAL_SECONDS,
    RATE_LIMIT_WINDOW,
    BackchannelAuthenticationRequest,
    parse_backchannel_request,
)
from machtiging.oauth.client import CIBA, PRIVATE_KEY_JWT, Client
from machtiging.oauth.errors import OAuthErrorCode, OAuthRefusal
from machtiging.oauth.protocol.requests import OAuthRequest
from machtiging.oauth.protocol.server import OAuthServer, RequestContext, run_authlib
from machtiging.oauth.protocol.token_binding import resolve_code_binding, verify_par_proof
from machtiging.oauth.request_parameters.request_object import RequestObjectContext, verify_request_object
from machtiging.oauth.tables import SEALED_BACKCHANNEL_REQUEST, BackchannelRequest
from machtiging.storage.columns import table_of
from machtiging.storage.row_mac import MAC_COLUMN, seal_row

_REQUEST = table_of(BackchannelRequest)


@dataclass(frozen=True, slots=True)
class _ResolvedHint:
    """The person behind the hint, and the representation.

    Without a person nobody is notified; `reason` goes to the journal and never to the app.
    """

    person_id: PersonId | None
    representation: Representation | None
    reason: str
    organisation_kvk: str | None = None


async def request_backchannel_authentication(context: RequestContext, request: OAuthRequest) -> dict[str, Any]:
    """Validate and store a backchannel authentication request; return the response of CIBA 7.3.

    Raises OAuthRefusal.
    """
    client = await run_authlib(
        OAuthServer(context), lambda it: it.authenticate_client(request, [PRIVATE_KEY_JWT], "backchannel")
    )
    proven = await verify_par_proof(context.session, context.issuer.keyring, request, context.at)
    if not client.check_grant_type(CIBA):
        raise OAuthRefusal(OAuthErrorCode.UNAUTHORIZED_CLIENT, "client_niet_bevoegd")
    desk = RequestObjectContext(context.session, context.issuer.url, context.at, backchannel=True)
    request = request.with_parameters(await verify_request_object(desk, client, request.form))
    ask = parse_backchannel_request(request.form, client, context.issuer.details_handler)
    jkt = resolve_code_binding(request, proven)
    if await _exceeds_rate_limit(
        context.session, _REQUEST.c.client_id, client.client_id, MAX_REQUESTS_PER_CLIENT, context.at
    ):
        raise OAuthRefusal(OAuthErrorCode.ACCESS_DENIED, "te_veel_verzoeken")
    hint = await _resolve_hint(context, ask)
    auth_req_id = secrets.generate_token()
    await _store_request(context, client, ask, hint, {"request_hash": secrets.sha256_digest(auth_req_id), "jkt": jkt})
    return {
        "auth_req_id": auth_req_id,
        "expires_in": int(ask.lifetime.total_seconds()),
        "interval": POLL_INTERVAL_SECONDS,
    }


async def _exceeds_rate_limit(
    session: AsyncSession, column: ColumnElement[Any], value: UUID | str, limit: int, at: datetime
) -> bool:
    """Return whether the requests for this person or client exceed the rate limit.

    It protects against consent fatigue and against guessing meldcodes. An advisory lock makes a concurrent request
    wait.
    """
    gate = func.hashtextextended(literal(f"verzoek:{value}"), 0)
    await session.execute(select(func.pg_advisory_xact_lock(gate)))
    lately = select(func.count()).where(column == value, _REQUEST.c.created_at > at - RATE_LIMIT_WINDOW)
    return (await session.scalar(lately) or 0) >= limit


async def _resolve_hint(context: RequestContext, ciba_request: BackchannelAuthenticationRequest) -> _ResolvedHint:
    """Consume the meldcode and find its person and representation.

    Every outcome gives the same response and the same statements, also for an unknown code: neither text nor time is an
    enumeration oracle. The representation is locked, so that ending it waits and then ends this request too.
    """
    session, at = context.session, context.at
    holder = await consume_meldcode(session, context.issuer.keyring, ciba_request.meldcode, at=at)
    person_id = None if holder is None else holder.person_id
    too_many = await _exceeds_rate_limit(
        session, _REQUEST.c.person_id, person_id or uuid4(), MAX_REQUESTS_PER_PERSON, at
    )
    named = None if ciba_request.requested is None else ciba_request.requested.machtiging_id
    kvk = None if holder is None else holder.organisation_kvk
    key = RepresentationKey(named, person_id, kvk)
    representation = await load_representation(session, context.issuer.details_handler, key, lock=True)
    if holder is None or person_id is None:
        return _ResolvedHint(None, None, "meldcode_onbekend")
    if too_many:
        return _ResolvedHint(None, None, "te_veel_verzoeken")
    if named is None:
        return _ResolvedHint(person_id, None, "gevraagd", kvk)
    refusal = UNUSABLE if representation is None else representation.refusal(person_id, kvk, None, at)
    if refusal is not None:
        # The app gets no error: it must not learn which machtigingen a person has.
        return _ResolvedHint(None, None, refusal)
    return _ResolvedHint(person_id, representation, "gevraagd", kvk)


async def _store_request(
    context: RequestContext,
    client: Client,
    ciba_request: BackchannelAuthenticationRequest,
    hint: _ResolvedHint,
    values: dict[str, Any],
) -> None:
    """Store the request and notify the person.

    Nobody is notified when this app already has a pending request for this person.
    """
    session, at = context.session, context.at
    row = values | {
        "client_id": client.client_id,
        "params": ciba_request.parameters,
        "binding_message": ciba_request.binding_message,
        "state": "pending",
        "created_at": at,
        "expires_at": at + ciba_request.lifetime,
        "interval_seconds": POLL_INTERVAL_SECONDS,
    }
    await _expire_pending_request(session, client, hint.person_id or uuid4(), at)
    if await _insert_request(session, row, hint) != hint.person_id:
        hint = _ResolvedHint(None, None, "verzoek_loopt_al")
    await _journal_and_notify(session, client, hint, at)


async def _insert_request(session: AsyncSession, row: dict[str, Any], hint: _ResolvedHint) -> UUID | None:
    """Insert the request and return its person, or None.

    The unique index decides between two concurrent requests.
    """
    pending = (_REQUEST.c.client_id == row["client_id"], _REQUEST.c.state == "pending")
    busy = select(literal(1)).where(*pending, _REQUEST.c.person_id == hint.person_id).exists()
    machtiging_id = None if hint.representation is None else hint.representation.machtiging_id
    named = {"person_id": hint.person_id, "machtiging_id": machtiging_id, "organisation_kvk": hint.organisation_kvk}
    row = seal_row(session, SEALED_BACKCHANNEL_REQUEST, row)
    # Both outcomes get a MAC here, since the statement decides on the person.
    sealed = seal_row(session, SEALED_BACKCHANNEL_REQUEST, row | named)
    whose: dict[str, Any] = {
        name: select(literal(value, _REQUEST.c[name].type)).where(~busy).scalar_subquery()
        for name, value in named.items()
    }
    whose[MAC_COLUMN] = case((busy, row[MAC_COLUMN]), else_=sealed[MAC_COLUMN])
    adding = insert(_REQUEST).on_conflict_do_nothing().returning(_REQUEST.c.client_id, _REQUEST.c.person_id)
    inserted = (await session.execute(adding.values(row | whose))).one_or_none()
    if inserted is None:
        inserted = (await session.execute(adding.values(row))).one()
    return cast(UUID | None, inserted.person_id)


async def _expire_pending_request(session: AsyncSession, client: Client, person_id: UUID, at: datetime) -> None:
    over = (_REQUEST.c.state == "pending", _REQUEST.c.expires_at <= at)
    mine = (_REQUEST.c.client_id == client.client_id, _REQUEST.c.person_id == person_id)
    await session.execute(update(_REQUEST).where(*mine, *over).values(state="expired"))


async def _journal_and_notify(session: AsyncSession, client: Client, hint: _ResolvedHint, at: datetime) -> None:
    representation = hint.representation
    line = NewJournalLine(
        act=JournalAct.VERZOEK_GEDAAN,
        outcome=JournalOutcome.DONE if hint.person_id is not None else JournalOutcome.REFUSED,
        reason=hint.reason,
        client_id=client.client_id,
        for_person_id=hint.person_id if representation is None else representation.vertegenwoordigde_id,
        machtiging_id=None if representation is None else representation.machtiging_id,
        on_behalf_of=None if representation is None else representation.organisation_id,
    )
    await record(session, line, at=at)
    await enqueue_notification(session, hint.person_id, NotificationKind.VERZOEK_WACHT, {}, at=at)
