"""Build and persist access tokens (RFC 9068 with the claims of NL GOV).

ID tokens: `openid.build_id_token`.

`sub` is always the person who logged in. The represented person is in `represents`; for an employee, inside that of
the organisation. A person is a pairwise subject: a pseudonym, valid only in the client's sector.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access_tokens import tokens
from machtiging.access_tokens.issued_token import IssuedTokenFacts
from machtiging.access_tokens.representation import Representation, find_represented_person
from machtiging.access_tokens.sender_constraint.binding import (
    NO_BINDING,
    TokenBinding,
    cnf_claim,
    is_sender_constrained,
    token_type,
)
from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.errors import Fault
from machtiging.kernel.ids import GrantId, MachtigingId, PersonId, TokenId, uuid7
from machtiging.oauth.authorization_details.parsing import extract_representation_set, list_acts
from machtiging.oauth.client import Client
from machtiging.oauth.errors import OAuthErrorCode, OAuthRefusal
from machtiging.oauth.issuer import Issuer
from machtiging.oauth.queries import ACTIVE_CLIENT_LOCK, Grant
from machtiging.oauth.request_parameters.resource_indicators import ResourceTarget
from machtiging.oauth.request_parameters.subject_claims import REPRESENTS, apply_subject_layout
from machtiging.oauth.rules import GRANT_MANAGEMENT_SCOPES
from machtiging.storage.statement import Statement

ACCESS_TOKEN_TYP = "at+jwt"
# Tokens for our own API: an RSA signature took half of the time of issuing one. FAPI 2.0 5.4 allows ES256 and PS256.
OWN_API_SIGNING_ALG = "ES256"
_LOCKED_CLIENT = ACTIVE_CLIENT_LOCK.cte("gate")
_PERSIST_TOKEN = Statement(select(_LOCKED_CLIENT).add_cte(*tokens.build_token_insert_cte(_LOCKED_CLIENT)))
PSEUDONYM_TYPE, KVK_TYPE = "urn:nl-eid-gdi:1.0:id:pseudonym", "urn:nl-eid-gdi:1.0:id:KvKnr"


@dataclass(frozen=True, slots=True)
class ActiveGrant:
    """A grant in force, with its representation (None: the own box)."""

    grant: Grant
    representation: Representation | None


@dataclass(frozen=True, slots=True)
class TokenSpec:
    """The limits of one token within its grant.

    It never exceeds the grant.

    No `target`: our own API. No `authorization_details` or `scope`: all that was granted. `parent_token`: the subject
    token of a token exchange.
    """

    target: ResourceTarget | None = None
    authorization_details: list[dict[str, Any]] | None = None
    scope: str | None = None
    parent_token: IssuedTokenFacts | None = None
    binding: TokenBinding = NO_BINDING


FULL_GRANT_SPEC = TokenSpec()


@dataclass(frozen=True, slots=True)
class UnsavedToken:
    """A signed token that is not yet persisted: its facts, journal line and token response."""

    facts: IssuedTokenFacts
    journal_line: NewJournalLine
    response: dict[str, Any]


def build_represents_claim(issuer: Issuer, client: Client, representation: Representation) -> dict[str, Any]:
    """Build the `represents` claim (OIDC-NLGOV 5.2.4): the citizen, inside the organisation if there is one.

    It holds no exp, nbf or aud.
    """
    sub = issuer.keyring.pairwise_subject(representation.vertegenwoordigde_id, client.sector_identifier)
    citizen = {"iss": issuer.url, "sub": sub, "sub_id_type": PSEUDONYM_TYPE}
    if representation.organisation_kvk is None:
        return citizen
    organisation = {"iss": issuer.url, "sub": representation.organisation_kvk, "sub_id_type": KVK_TYPE}
    return {**organisation, REPRESENTS: citizen}


def build_subject_claims(issuer: Issuer, client: Client, active_grant: ActiveGrant) -> dict[str, Any]:
    """Build the subject claims shared by access token, ID token, userinfo and introspection."""
    grant = active_grant.grant
    claims: dict[str, Any] = {
        "iss": issuer.url,
        "sub": issuer.keyring.pairwise_subject(grant.person_id, client.sector_identifier),
        "sub_id_type": PSEUDONYM_TYPE,
        "acr": grant.assurance.acr,
        "auth_time": int(grant.authenticated_at.timestamp()),
    }
    if active_grant.representation is not None:
        claims[REPRESENTS] = build_represents_claim(issuer, client, active_grant.representation)
    return claims


async def issue_user_token(
    session: AsyncSession,
    issuer: Issuer,
    client: Client,
    active_grant: ActiveGrant,
    *,
    at: datetime,
    spec: TokenSpec = FULL_GRANT_SPEC,
) -> dict[str, Any]:
    """Issue an access token for a grant and return the token response.

    The token is persisted and journalled.

    Raises OAuthRefusal `invalid_client` when the client was suspended meanwhile.
    """
    access_token = build_user_token(issuer, client, active_grant, at=at, spec=spec)
    await persist_token(session, access_token)
    return access_token.response


def build_user_token(
    issuer: Issuer, client: Client, active_grant: ActiveGrant, *, at: datetime, spec: TokenSpec = FULL_GRANT_SPEC
) -> UnsavedToken:
    """Build an access token for a person's grant (RFC 6749 5.1, RFC 9396 7)."""
    details = (
        active_grant.grant.authorization_details if spec.authorization_details is None else spec.authorization_details
    )
    facts = replace(
        _build_token_facts(client, active_grant.grant, _resolve_expiry(issuer, active_grant, spec, at), at),
        **_token_facts_from_spec(spec, details),
    )
    claims = _subject_claims_for_target(issuer, client, active_grant, spec) | _build_registered_claims(issuer, facts)
    if details:
        claims["authorization_details"] = details
    server = None if spec.target is None else spec.target.resource_server
    alg = OWN_API_SIGNING_ALG if server is None else server.access_token_alg
    return _sign_token(issuer, client, claims, facts, _build_journal_line(facts, active_grant.representation), alg)


def _subject_claims_for_target(
    issuer: Issuer, client: Client, active_grant: ActiveGrant, spec: TokenSpec
) -> dict[str, Any]:
    """Build the subject claims for the token's audience.

    Another resource server gets pseudonyms of its own sector, in its own layout. Our API gets those of the client.
    """
    server = None if spec.target is None else spec.target.resource_server
    if server is None:
        return build_subject_claims(issuer, client, active_grant)
    return apply_subject_layout(build_subject_claims(issuer, server, active_grant), server.subject_layout)


def _resolve_expiry(issuer: Issuer, active_grant: ActiveGrant, spec: TokenSpec, at: datetime) -> datetime:
    """Compute the expiry: never after the representation, nor after the subject token of an exchange."""
    ends = [at + issuer.access_token_lifetime]
    if active_grant.representation is not None:
        ends.append(active_grant.representation.ends_at)
    if spec.parent_token is not None:
        ends.append(spec.parent_token.expires_at)
    return min(ends)


def _token_facts_from_spec(spec: TokenSpec, authorization_details: list[dict[str, Any]]) -> dict[str, Any]:
    chosen: dict[str, Any] = {
        "acts": frozenset(list_acts(authorization_details)),
        "jkt": spec.binding.jkt,
        "x5t": spec.binding.x5t,
        "representation_set": extract_representation_set(authorization_details),
    }
    if spec.target is not None:
        chosen["audience"] = spec.target.stored_uri
    if spec.scope is not None:
        chosen["scope"] = spec.scope
    if spec.parent_token is not None:
        chosen |= {"parent_id": spec.parent_token.id, "assurance": spec.parent_token.assurance}
    return chosen


def _build_token_facts(client: Client, grant: Grant, expires_at: datetime, at: datetime) -> IssuedTokenFacts:
    return IssuedTokenFacts(
        id=TokenId(uuid7()),
        client_id=client.client_id,
        grant_id=GrantId(grant.id),
        person_id=PersonId(grant.person_id),
        machtiging_id=None if grant.machtiging_id is None else MachtigingId(grant.machtiging_id),
        oin=None,
        scope=grant.scope,
        acts=frozenset(list_acts(grant.authorization_details)),
        assurance=grant.assurance,
        issued_at=at,
        expires_at=expires_at,
        organisation_kvk=grant.organisation_kvk,
    )


def build_client_token(
    issuer: Issuer, client: Client, scope: str, *, at: datetime, binding: TokenBinding = NO_BINDING
) -> UnsavedToken:
    """Build an access token for the client itself (RFC 9068 2.2: `sub` is the client).

    For an agency it carries the OIN of its registration. With a grant management scope its audience is that resource.
    """
    facts = IssuedTokenFacts(
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
        expires_at=at + issuer.access_token_lifetime,
        audience=issuer.grant_management_audience
        if scope and GRANT_MANAGEMENT_SCOPES.issuperset(scope.split())
        else "",
        jkt=binding.jkt,
        x5t=binding.x5t,
    )
    claims = _build_registered_claims(issuer, facts) | {"iss": issuer.url, "sub": client.client_id}
    claims |= {} if client.oin is None else {"oin": client.oin}
    return _sign_token(issuer, client, claims, facts, _build_journal_line(facts, None), OWN_API_SIGNING_ALG)


async def persist_token(session: AsyncSession, token: UnsavedToken) -> None:
    """Persist and journal a token. Raises OAuthRefusal `invalid_client` when the client was suspended meanwhile."""
    values = tokens.build_token_params(session, token.facts, token.journal_line)
    values |= {"locked_client_id": token.facts.client_id}
    if await _PERSIST_TOKEN.one_or_none(session, values) is None:
        raise OAuthRefusal(OAuthErrorCode.INVALID_CLIENT, "client_onbekend")


def _build_registered_claims(issuer: Issuer, facts: IssuedTokenFacts) -> dict[str, Any]:
    issued = int(facts.issued_at.timestamp())
    claims: dict[str, Any] = {
        "aud": facts.audience or issuer.api_audience,
        "exp": int(facts.expires_at.timestamp()),
        "iat": issued,
        "nbf": issued,
        "jti": str(facts.id),
        "client_id": facts.client_id,
        "azp": facts.client_id,
    }
    bound = cnf_claim(facts)
    return claims | ({"scope": facts.scope} if facts.scope else {}) | ({"cnf": bound} if bound else {})


def _build_journal_line(facts: IssuedTokenFacts, representation: Representation | None) -> NewJournalLine:
    return NewJournalLine(
        act=JournalAct.TOKEN_UITGEGEVEN,
        outcome=JournalOutcome.DONE,
        reason="uitgegeven" if facts.parent_id is None else "ingewisseld",
        actor_id=facts.person_id,
        capacity=None if representation is None else representation.capacity,
        client_id=facts.client_id,
        for_person_id=find_represented_person(
            facts.person_id, representation, is_several=facts.representation_set is not None
        ),
        machtiging_id=facts.machtiging_id,
        object_kind="token",
        object_id=str(facts.id),
        on_behalf_of=None if representation is None else representation.organisation_id,
    )


def _sign_token(
    issuer: Issuer,
    client: Client,
    claims: dict[str, Any],
    facts: IssuedTokenFacts,
    journal_line: NewJournalLine,
    alg: str,
) -> UnsavedToken:
    if (client.dpop_bound_access_tokens or client.certificate_bound_access_tokens) and not is_sender_constrained(facts):
        raise Fault("token_niet_gebonden", private="a grant forgot what this client's tokens are bound to")
    response = {
        "access_token": issuer.keyring.sign_jwt(claims, typ=ACCESS_TOKEN_TYP, alg=alg),
        "token_type": token_type(facts),
        "expires_in": claims["exp"] - claims["iat"],
    }
    if facts.scope:
        response["scope"] = facts.scope
    if "authorization_details" in claims:
        response["authorization_details"] = claims["authorization_details"]
    return UnsavedToken(facts, journal_line, response)
