"""Build and persist access tokens (RFC 9068 with the claims of NL GOV).

ID tokens: `openid.id_token`.

`sub` is always the person who logged in. The represented person is in `represents`. Both are pairwise pseudonyms, valid
only in the client's sector.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access import tokens
from machtiging.access.proof.binding import UNBOUND, Binding, cnf_of, is_bound, token_type_of
from machtiging.audit.acts import JournalAct, Outcome
from machtiging.audit.journal import Line
from machtiging.delegation.rules import Machtiging
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.errors import Fault
from machtiging.kernel.ids import GrantId, MachtigingId, PersonId, TokenId, uuid7
from machtiging.oauth.client import Client
from machtiging.oauth.errors import OAuthRefusal, Wire
from machtiging.oauth.issuer import Issuer
from machtiging.oauth.queries import HELD_CLIENT, Grant
from machtiging.oauth.requests.layout import laid_out
from machtiging.oauth.requests.resources import Target
from machtiging.oauth.rules import MANAGEMENT, acts_in
from machtiging.storage.statement import Statement

ACCESS_TOKEN = "at+jwt"
# Tokens for our own API: an RSA signature took half of the time of issuing one. FAPI 2.0 5.4 allows ES256 and PS256.
OWN_API_ALG = "ES256"
_HELD = HELD_CLIENT.cte("gate")
_WRITE_DOWN = Statement(select(_HELD).add_cte(*tokens.registering(_HELD)))
PSEUDONYM_TYPE = "urn:nl-eid-gdi:1.0:id:pseudonym"


@dataclass(frozen=True, slots=True)
class Consented:
    """A grant in force, with its machtiging (None: the own box)."""

    grant: Grant
    machtiging: Machtiging | None


@dataclass(frozen=True, slots=True)
class Order:
    """The limits of one token within its grant.

    It never exceeds the grant.

    No `target`: our own API. No `authorization_details` or `scope`: all that was granted. `parent_token`: the subject
    token of a token exchange.
    """

    target: Target | None = None
    details: list[dict[str, Any]] | None = None
    scope: str | None = None
    parent: tokens.IssuedTokenFacts | None = None
    binding: Binding = UNBOUND


WHOLE = Order()


@dataclass(frozen=True, slots=True)
class Made:
    """A signed token that is not yet persisted: its facts, journal line and token response."""

    facts: tokens.IssuedTokenFacts
    line: Line
    response: dict[str, Any]


def represents(issuer: Issuer, client: Client, machtiging: Machtiging) -> dict[str, str]:
    """Build the `represents` claim (OIDC-NLGOV 5.2.4). It holds no exp, nbf or aud."""
    sub = issuer.keyring.pseudonym(machtiging.vertegenwoordigde_id, client.sector)
    return {"iss": issuer.url, "sub": sub, "sub_id_type": PSEUDONYM_TYPE}


def who(issuer: Issuer, client: Client, consented: Consented) -> dict[str, Any]:
    """Build the subject claims shared by access token, ID token, userinfo and introspection."""
    grant = consented.grant
    claims: dict[str, Any] = {
        "iss": issuer.url,
        "sub": issuer.keyring.pseudonym(grant.person_id, client.sector),
        "sub_id_type": PSEUDONYM_TYPE,
        "acr": grant.assurance.acr,
        "auth_time": int(grant.authenticated_at.timestamp()),
    }
    if consented.machtiging is not None:
        claims["represents"] = represents(issuer, client, consented.machtiging)
    return claims


async def access_token(
    session: AsyncSession, issuer: Issuer, client: Client, consented: Consented, *, at: datetime, order: Order = WHOLE
) -> dict[str, Any]:
    """Issue an access token for a grant and return the token response.

    The token is persisted and journalled.

    Raises OAuthRefusal `invalid_client` when the client was suspended meanwhile.
    """
    made = for_person(issuer, client, consented, at=at, order=order)
    await write_down(session, made)
    return made.response


def for_person(issuer: Issuer, client: Client, consented: Consented, *, at: datetime, order: Order = WHOLE) -> Made:
    """Build an access token for a person's grant (RFC 6749 5.1, RFC 9396 7)."""
    details = consented.grant.authorization_details if order.details is None else order.details
    facts = replace(_facts(client, consented.grant, _end(issuer, consented, order, at), at), **_ordered(order, details))
    claims = _people(issuer, client, consented, order) | _about(issuer, facts)
    if details:
        claims["authorization_details"] = details
    server = None if order.target is None else order.target.server
    alg = OWN_API_ALG if server is None else server.access_token_alg
    return _made(issuer, client, claims, facts, _line(facts, consented.machtiging), alg)


def _people(issuer: Issuer, client: Client, consented: Consented, order: Order) -> dict[str, Any]:
    """Build the subject claims for the token's audience.

    Another resource server gets pseudonyms of its own sector, in its own layout. Our API gets those of the client.
    """
    server = None if order.target is None else order.target.server
    if server is None:
        return who(issuer, client, consented)
    return laid_out(who(issuer, server, consented), server.subject_layout)


def _end(issuer: Issuer, consented: Consented, order: Order, at: datetime) -> datetime:
    """Compute the expiry: never after the machtiging, nor after the subject token of an exchange."""
    ends = [at + issuer.token_life]
    if consented.machtiging is not None:
        ends.append(consented.machtiging.period.ends_at)
    if order.parent is not None:
        ends.append(order.parent.expires_at)
    return min(ends)


def _ordered(order: Order, details: list[dict[str, Any]]) -> dict[str, Any]:
    chosen: dict[str, Any] = {"acts": acts_in(details), "jkt": order.binding.jkt, "x5t": order.binding.x5t}
    if order.target is not None:
        chosen["audience"] = order.target.as_kept
    if order.scope is not None:
        chosen["scope"] = order.scope
    if order.parent is not None:
        chosen |= {"parent_id": order.parent.id, "assurance": order.parent.assurance}
    return chosen


def _facts(client: Client, grant: Grant, expires_at: datetime, at: datetime) -> tokens.IssuedTokenFacts:
    return tokens.IssuedTokenFacts(
        id=TokenId(uuid7()),
        client_id=client.client_id,
        grant_id=GrantId(grant.id),
        person_id=PersonId(grant.person_id),
        machtiging_id=None if grant.machtiging_id is None else MachtigingId(grant.machtiging_id),
        oin=None,
        scope=grant.scope,
        acts=acts_in(grant.authorization_details),
        assurance=grant.assurance,
        issued_at=at,
        expires_at=expires_at,
        organisation_kvk=grant.organisation_kvk,
    )


def for_client(issuer: Issuer, client: Client, scope: str, *, at: datetime, binding: Binding = UNBOUND) -> Made:
    """Build an access token for the client itself (RFC 9068 2.2: `sub` is the client).

    For an agency it carries the OIN of its registration. With a grant management scope its audience is that resource.
    """
    facts = tokens.IssuedTokenFacts(
        id=TokenId(uuid7()),
        client_id=client.client_id,
        grant_id=None,
        person_id=None,
        machtiging_id=None,
        oin=client.oin,
        scope=scope,
        acts=frozenset(),
        assurance=Assurance.LOW,
        issued_at=at,
        expires_at=at + issuer.token_life,
        audience=issuer.grants if scope and MANAGEMENT.issuperset(scope.split()) else "",
        jkt=binding.jkt,
        x5t=binding.x5t,
    )
    claims = _about(issuer, facts) | {"iss": issuer.url, "sub": client.client_id}
    claims |= {} if client.oin is None else {"oin": client.oin}
    return _made(issuer, client, claims, facts, _line(facts, None), OWN_API_ALG)


async def write_down(session: AsyncSession, made: Made) -> None:
    """Persist and journal a token. Raises OAuthRefusal `invalid_client` when the client was suspended meanwhile."""
    values = tokens.to_register(session, made.facts, made.line) | {"client_id": made.facts.client_id}
    if await _WRITE_DOWN.one(session, values) is None:
        raise OAuthRefusal(Wire.INVALID_CLIENT, "client_onbekend")


def _about(issuer: Issuer, facts: tokens.IssuedTokenFacts) -> dict[str, Any]:
    issued = int(facts.issued_at.timestamp())
    claims: dict[str, Any] = {
        "aud": facts.audience or issuer.audience,
        "exp": int(facts.expires_at.timestamp()),
        "iat": issued,
        "nbf": issued,
        "jti": str(facts.id),
        "client_id": facts.client_id,
        "azp": facts.client_id,
    }
    bound = cnf_of(facts)
    return claims | ({"scope": facts.scope} if facts.scope else {}) | ({"cnf": bound} if bound else {})


def _line(facts: tokens.IssuedTokenFacts, machtiging: Machtiging | None) -> Line:
    return Line(
        act=JournalAct.TOKEN_UITGEGEVEN,
        outcome=Outcome.DONE,
        reason="uitgegeven" if facts.parent_id is None else "ingewisseld",
        actor_id=facts.person_id,
        capacity=None if machtiging is None else machtiging.capacity,
        client_id=facts.client_id,
        for_person_id=facts.person_id if machtiging is None else machtiging.vertegenwoordigde_id,
        machtiging_id=facts.machtiging_id,
        object_kind="token",
        object_id=str(facts.id),
    )


def _made(
    issuer: Issuer, client: Client, claims: dict[str, Any], facts: tokens.IssuedTokenFacts, line: Line, alg: str
) -> Made:
    if (client.dpop_bound or client.certificate_bound) and not is_bound(facts):
        raise Fault("token_niet_gebonden", private="a grant forgot what this client's tokens are bound to")
    response = {
        "access_token": issuer.keyring.sign_jwt(claims, typ=ACCESS_TOKEN, alg=alg),
        "token_type": token_type_of(facts),
        "expires_in": claims["exp"] - claims["iat"],
    }
    if facts.scope:
        response["scope"] = facts.scope
    if "authorization_details" in claims:
        response["authorization_details"] = claims["authorization_details"]
    return Made(facts, line, response)
