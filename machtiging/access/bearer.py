"""Authenticate access tokens for the box and build the Actor.

The machtiging is locked FOR SHARE until the transaction ends, or the write statement checks it again
(`access.optimistic_lock`, which names the one race that is left). A revocation of the machtiging therefore waits for
the request under way.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import Depends
from starlette.requests import Request

from machtiging.access.actor import Actor
from machtiging.access.token_lookup import load_token_for_share
from machtiging.access_tokens.bearer import (
    TokenLookup,
    authenticate_person_token,
    authenticate_token,
    journal_token_refusal,
    wrong_audience_error,
)
from machtiging.access_tokens.dependencies import token_services
from machtiging.delegation.authority.machtiging_set import read_machtiging_set
from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.rules import Act
from machtiging.kernel.errors import NotAllowed
from machtiging.storage.statement import Executor
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.doors import door

DELIVERY_SCOPE = "aanleveringen:schrijven"
REGISTER_SCOPE = "registergebeurtenissen:schrijven"
VERIFICATION_SCOPE = "verificaties:vragen"
# A route with this path parameter is only for the machtiging of the token: the guard compares them.
MACHTIGING_PATH_PARAM = "machtigingId"


@dataclass(frozen=True, slots=True)
class AgencyActor:
    """The agency that delivers berichten or verifies, identified by the OIN of its client registration."""

    oin: str
    client_id: str
    oauth_scope: frozenset[str]


@door("TokenUser")
async def _get_user_actor(request: Request, session: Transaction) -> Actor:
    """Authenticate a person's token and return the Actor.

    Raises NotAuthenticated `token_*` or NotAllowed.
    """
    lookup = partial(load_token_for_share, addressed=read_addressed_machtiging(request))
    return await authenticate_user_token(request, session, lookup)


async def authenticate_user_token(
    request: Request,
    executor: Executor,
    lookup: TokenLookup[Authority],
    *,
    is_retry: bool = False,
) -> Actor:
    """Authenticate a person's token outside the `TokenUser` dependency.

    For a route that opens its own transaction. Either `lookup` locks, as `load_token_for_share` does, or the caller's
    write uses `access.optimistic_lock`. When that write finds a change, the caller tries again with `is_retry`.
    `lookup` takes the machtiging in the path from `read_addressed_machtiging`.
    """
    person_id, state = await authenticate_person_token(request, executor, lookup, is_retry=is_retry)
    facts = state.facts
    several = None if facts.representation_set is None else read_machtiging_set(facts.representation_set)
    return Actor(
        person_id=person_id,
        authority=state.representation,
        assurance=facts.assurance,
        acts=frozenset(map(Act, facts.acts)),
        client_id=facts.client_id,
        token_id=facts.id,
        oauth_scope=frozenset(facts.scope.split()),
        organisation_kvk=facts.organisation_kvk,
        addressed_machtiging=request.path_params.get(MACHTIGING_PATH_PARAM),
        machtigingen=several,
    )


def read_addressed_machtiging(request: Request) -> UUID | None:
    """Return the machtiging id in the path. Only the canonical form counts: one machtiging has one name."""
    text = request.path_params.get(MACHTIGING_PATH_PARAM)
    try:
        found = None if text is None else UUID(text)
    except ValueError:
        return None
    return found if str(found) == text else None


@door("Agency")
async def _get_agency_actor(request: Request, session: Transaction) -> AgencyActor:
    """Authenticate an agency's token with the delivery scope. Raises as `authenticate_agency`."""
    return await authenticate_agency(request, session, DELIVERY_SCOPE)


async def authenticate_agency(request: Request, executor: Executor, required_scope: str) -> AgencyActor:
    """Authenticate a token of an organisation with this scope, for a door.

    Raises NotAuthenticated `token_*` or NotAllowed.
    """
    at = token_services(request).clock.now()
    state = await authenticate_token(request, executor, at, load_token_for_share)
    facts = state.facts
    oauth_scope = frozenset(facts.scope.split())
    if facts.oin is None or facts.person_id is not None or required_scope not in oauth_scope:
        raise await journal_token_refusal(executor, state, wrong_audience_error(), at=at)
    return AgencyActor(oin=facts.oin, client_id=facts.client_id, oauth_scope=oauth_scope)


@door("Verifier")
async def _get_verifier_actor(request: Request, session: Transaction) -> AgencyActor:
    """Authenticate an agency's token with the scope for verifications.

    Raises NotAuthenticated `token_*` or NotAllowed.
    """
    return await authenticate_agency(request, session, VERIFICATION_SCOPE)


@door("Register")
async def _get_register_actor(request: Request, session: Transaction) -> AgencyActor:
    """Authenticate a register's token: its own scope, and bound to a client certificate (RFC 8705 section 3).

    Raises NotAuthenticated `token_*` or NotAllowed; `certificaat_vereist` for a token that a thief could use.
    """
    at = token_services(request).clock.now()
    state = await authenticate_token(request, session, at, load_token_for_share)
    facts = state.facts
    oauth_scope = frozenset(facts.scope.split())
    if facts.oin is None or facts.person_id is not None or REGISTER_SCOPE not in oauth_scope:
        raise await journal_token_refusal(session, state, wrong_audience_error(), at=at)
    if facts.x5t is None:
        raise await journal_token_refusal(session, state, NotAllowed("certificaat_vereist"), at=at)
    return AgencyActor(oin=facts.oin, client_id=facts.client_id, oauth_scope=oauth_scope)


TokenUser = Annotated[Actor, Depends(_get_user_actor)]
Agency = Annotated[AgencyActor, Depends(_get_agency_actor)]
Register = Annotated[AgencyActor, Depends(_get_register_actor)]
Verifier = Annotated[AgencyActor, Depends(_get_verifier_actor)]
