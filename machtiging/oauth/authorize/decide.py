"""Authorization decisions: prepare the consent page, write the grant and code, or return an error.

A decision that is sent twice gets the same answer. The code is derived from the request URI with a secret key, so the
second answer can carry the same code although only its hash is stored.
"""

from __future__ import annotations

import base64
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from sqlalchemy import Table, insert, select

from machtiging.audit.acts import JournalAct, Outcome
from machtiging.audit.journal import Line, record
from machtiging.crypto import secrets
from machtiging.identity.session import Visitor, hold
from machtiging.kernel.errors import Conflict, NotAuthenticated
from machtiging.kernel.ids import uuid7
from machtiging.oauth import queries
from machtiging.oauth.authorize import push
from machtiging.oauth.authorize.agree import Agreement, agree
from machtiging.oauth.authorize.push import Pushed, Reference, redirect_uri_of
from machtiging.oauth.client import Client
from machtiging.oauth.errors import OAuthRefusal, Wire
from machtiging.oauth.issuer import Issuer
from machtiging.oauth.manage.rules import ACTION
from machtiging.oauth.openid import login
from machtiging.oauth.openid.silent import agreed_before
from machtiging.oauth.openid.wishes import wishes_of
from machtiging.oauth.protocol.grants import token_server
from machtiging.oauth.protocol.server import Exchange, run
from machtiging.oauth.requests.resources import Target, target_of
from machtiging.oauth.rules import CODE_LIVES, CONSENTS
from machtiging.oauth.tables import SEALED_CODE, SEALED_GRANT, AuthorizationCode, OAuthGrant
from machtiging.storage.row_mac import seal

_CODE: Table = AuthorizationCode.__table__  # type: ignore[attr-defined]
_GRANT: Table = OAuthGrant.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Question:
    """The content of the consent page, its person, and the redirect URI of the answer."""

    client: Client
    reference: Reference
    redirect_uri: str
    parameters: dict[str, Any]
    agreement: Agreement
    target: Target
    visitor: Visitor


@dataclass(frozen=True, slots=True)
class Redirect:
    """A redirect to the client or to a login page.

    The client gets a code or an error, always with `iss` (RFC 9207).
    """

    location: str


async def question(
    exchange: Exchange, visitor: Visitor | None, reference: Reference, *, practice: bool
) -> Question | Redirect:
    """Prepare the consent page for this person, or build the redirect in its place.

    Redirects to a login page for step-up, and to the client when the request cannot be granted. With `prompt=none`
    there is no page: the answer goes to the client at once. Raises InvalidInput for a bad reference.
    """
    pushed = await push.find(exchange, reference)
    client, redirect_uri = await _target(exchange, pushed)
    asking = _asking(exchange, client, pushed)
    try:
        wish = login.wish_for(asking, visitor)
        if wish is not None and not asking.wishes.silent:
            if visitor is not None:
                await push.sent_to_login(exchange, reference)
            return Redirect(login.way(wish, asdict(reference), practice=practice))
        if visitor is None:
            raise OAuthRefusal(Wire.LOGIN_REQUIRED, "niet_ingelogd")
        agreement = await _agreement(exchange, visitor, pushed, client)
        target = await target_of(exchange.session, exchange.issuer, pushed.parameters.get("resource"))
        if asking.wishes.silent:
            if CONSENTS in pushed.parameters.get("scope", "").split():  # covers all her apps: always ask
                raise OAuthRefusal(Wire.CONSENT_REQUIRED, "toestemming_nodig")
            await _agreed_before(exchange, visitor, asking, agreement, target)
            return await decide(exchange, visitor, reference, approved=True)
    except OAuthRefusal as refusal:
        await push.use_up(exchange, reference)
        return await _refused(exchange, visitor, pushed, redirect_uri, refusal)
    return Question(client, reference, redirect_uri, pushed.parameters, agreement, target, visitor)


def _asking(exchange: Exchange, client: Client, pushed: Pushed) -> login.Asking:
    return login.Asking(exchange.issuer, client, wishes_of(pushed.parameters), pushed.pushed_at, pushed.sent_to_login)


async def _agreed_before(
    exchange: Exchange, visitor: Visitor, asking: login.Asking, agreement: Agreement, target: Target
) -> None:
    """Require an earlier consent that covers this request.

    Raises OAuthRefusal `consent_required` when the person has to see the consent page.
    """
    known = await agreed_before(exchange.session, visitor, asking.client.client_id, asking.wishes)
    if agreement.details or target.server is not None or not known:
        raise OAuthRefusal(Wire.CONSENT_REQUIRED, "toestemming_nodig")


async def decide(exchange: Exchange, visitor: Visitor, reference: Reference, *, approved: bool) -> Redirect:
    """Carry out the person's decision, once.

    Raises InvalidInput for a bad reference, Conflict `al_besloten`, NotAuthenticated when the session has ended.
    """
    # Lock order everywhere: session, then request. So two decisions at the same moment cannot deadlock.
    if not await hold(exchange.session, visitor):
        raise NotAuthenticated("niet_ingelogd", "Log eerst in.")
    pushed = await push.use_up(exchange, reference)
    if pushed is None:
        return await _again(exchange, visitor, reference)
    # A suspension waits for this lock, or came first. So a suspended client never gets a code.
    if not await queries.hold_client(exchange.session, pushed.client_id):
        raise push.unknown()
    client, redirect_uri = await _target(exchange, pushed)
    try:
        if not approved:
            raise OAuthRefusal(Wire.ACCESS_DENIED, "geweigerd_door_gebruiker")
        # Ending the machtiging waits for this lock, or came first: then the consent is refused.
        agreement = await _agreement(exchange, visitor, pushed, client, hold=True)
        target = await target_of(exchange.session, exchange.issuer, pushed.parameters.get("resource"))
    except OAuthRefusal as refusal:
        return await _refused(exchange, visitor, pushed, redirect_uri, refusal)
    code = _code(exchange, reference)
    await _grant(exchange, visitor, pushed, agreement, target, code)
    return _back(exchange, redirect_uri, pushed, {"code": code})


async def _target(exchange: Exchange, pushed: Pushed) -> tuple[Client, str]:
    client = await queries.client(exchange.session, pushed.client_id)
    if client is None:
        raise push.unknown()
    return client, redirect_uri_of(client, pushed)


async def _agreement(
    exchange: Exchange, visitor: Visitor, pushed: Pushed, client: Client, *, hold: bool = False
) -> Agreement:
    """Check the stored request again, then the login, then the grantable access.

    The client's registration may have changed since the push.
    """
    server = token_server(exchange)
    login.check(_asking(exchange, client, pushed), visitor)
    await run(server, lambda it: push.check(it, exchange, pushed.parameters))
    return await agree(exchange.session, visitor, pushed.parameters, hold=hold, at=exchange.at)


def _code(exchange: Exchange, reference: Reference) -> str:
    made = exchange.issuer.keyring.blind_index("authorization_code", reference.request_uri)
    return base64.urlsafe_b64encode(made).rstrip(b"=").decode()


async def _again(exchange: Exchange, visitor: Visitor, reference: Reference) -> Redirect:
    pushed = await push.find_used(exchange, reference)
    _, redirect_uri = await _target(exchange, pushed)
    code = _code(exchange, reference)
    made = select(_CODE.c.used_at, _CODE.c.expires_at, _GRANT.c.person_id).join_from(_CODE, _GRANT)
    row = (await exchange.session.execute(made.where(_CODE.c.code_hash == secrets.digest(code)))).one_or_none()
    if row is None:  # the first decision was a denial
        return _back(exchange, redirect_uri, pushed, {"error": Wire.ACCESS_DENIED})
    if row.person_id != visitor.person_id or row.used_at is not None or row.expires_at <= exchange.at:
        raise Conflict("al_besloten", "U heeft over dit verzoek al besloten. Ga terug naar de app.")
    return _back(exchange, redirect_uri, pushed, {"code": code})


async def _grant(
    exchange: Exchange, visitor: Visitor, pushed: Pushed, agreement: Agreement, target: Target, code: str
) -> None:
    session, at, machtiging = exchange.session, exchange.at, agreement.machtiging
    grant = {
        "id": uuid7(),
        "client_id": pushed.client_id,
        "person_id": visitor.person_id,
        "machtiging_id": None if machtiging is None else machtiging.id,
        "authorization_details": agreement.details,
        "scope": pushed.parameters.get("scope", ""),
        "assurance": agreement.assurance.value,
        "authenticated_at": visitor.authenticated_at,
        "created_at": at,
        "session_id": visitor.sid,
        "requested_claims": wishes_of(pushed.parameters).released,
        "managed": ACTION in pushed.parameters,
        "resource": target.as_kept,
        "organisation_kvk": visitor.organisation_kvk,
    }
    await session.execute(insert(_GRANT), seal(session, SEALED_GRANT, grant))
    await _keep_code(exchange, pushed, grant, code)
    line = Line(
        act=JournalAct.GRANT_VERLEEND,
        outcome=Outcome.DONE,
        reason="toestemming_gegeven",
        actor_id=visitor.person_id,
        capacity="self" if machtiging is None else machtiging.capacity,
        client_id=pushed.client_id,
        for_person_id=visitor.person_id if machtiging is None else machtiging.vertegenwoordigde_id,
        machtiging_id=None if machtiging is None else machtiging.id,
        object_kind="grant",
        object_id=str(grant["id"]),
    )
    await record(session, line, at=at)


async def _keep_code(exchange: Exchange, pushed: Pushed, grant: dict[str, Any], code: str) -> None:
    row = {
        "code_hash": secrets.digest(code),
        "client_id": pushed.client_id,
        "grant_id": grant["id"],
        "organisation_kvk": grant["organisation_kvk"],
        "redirect_uri": pushed.parameters["redirect_uri"],
        "scope": pushed.parameters.get("scope", ""),
        "nonce": pushed.parameters.get("nonce"),
        "code_challenge": pushed.parameters["code_challenge"],
        "jkt": pushed.parameters.get("dpop_jkt"),
        "resource": pushed.parameters.get("resource"),
        "created_at": exchange.at,
        "expires_at": exchange.at + CODE_LIVES,
    }
    await exchange.session.execute(insert(_CODE), seal(exchange.session, SEALED_CODE, row))


async def _refused(
    exchange: Exchange, visitor: Visitor | None, pushed: Pushed, redirect_uri: str, refusal: OAuthRefusal
) -> Redirect:
    if visitor is not None:  # no journal line without a session
        await _note(exchange, visitor, pushed, refusal)
    told = {"error": refusal.error.value, "error_description": refusal.description}
    return _back(exchange, redirect_uri, pushed, told)


async def _note(exchange: Exchange, visitor: Visitor, pushed: Pushed, refusal: OAuthRefusal) -> None:
    line = Line(
        act=JournalAct.GRANT_GEWEIGERD,
        outcome=Outcome.REFUSED,
        reason=refusal.code,
        actor_id=visitor.person_id,
        client_id=pushed.client_id,
        facts={"fout": refusal.error.value},
    )
    await record(exchange.session, line, at=exchange.at)


def _back(exchange: Exchange, redirect_uri: str, pushed: Pushed, answer: dict[str, str]) -> Redirect:
    return redirect_back(exchange.issuer, redirect_uri, pushed.parameters.get("state"), answer)


def redirect_back(issuer: Issuer, redirect_uri: str, state: str | None, answer: dict[str, str]) -> Redirect:
    """Build the authorization response to this redirect URI. With `state` and `iss` (RFC 6749 4.1.2, RFC 9207)."""
    query = answer | ({"state": state} if state else {}) | {"iss": issuer.url}
    parts = urlsplit(redirect_uri)
    kept = parse_qsl(parts.query, keep_blank_values=True)
    return Redirect(urlunsplit(parts._replace(query=urlencode([*kept, *query.items()]))))
