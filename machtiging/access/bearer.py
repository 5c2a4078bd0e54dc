"""From an access token to an Actor (RFC 6750, RFC 9068, RFC 9449). The token says which one; its worth is read live.

The machtiging is held FOR SHARE until the request's transaction ends, or what acts asks whether it still stands
(`access.issued.still`): who revokes it meanwhile waits for the answer under way, and after that no answer leaves.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, NamedTuple
from uuid import UUID

from fastapi import Depends
from starlette.datastructures import State as AppState
from starlette.requests import Request

from machtiging.access.actor import Actor
from machtiging.access.proof.binding import BEARER, DPOP, hold_to, is_bound
from machtiging.access.proof.errors import NONCE_WANTED, NoToken, ProofRefused
from machtiging.access.proof.nonce import HEADER, nonce_at
from machtiging.access.proof.shown import shown_in
from machtiging.access.proof.token_claims import claims_match_row
from machtiging.access.tokens import IssuedTokenFacts, TokenState, audience, hold
from machtiging.audit.acts import JournalAct, Outcome
from machtiging.audit.journal import Line, record
from machtiging.delegation.rules import State, unusable_reason
from machtiging.kernel.errors import InvalidInput, NotAllowed, NotAuthenticated, Refusal
from machtiging.kernel.ids import TokenId
from machtiging.storage.statement import Work
from machtiging.storage.unit_of_work import Transaction
from machtiging.web import headers
from machtiging.web.doors import door
from machtiging.web.rate_limit.callers import note_person

DELIVER = "aanleveringen:schrijven"
# How a token is looked up: `access.tokens.hold`, or that together with something else.
Look = Callable[[Work, TokenId, datetime], Awaitable[TokenState | None]]
# Whether a token that opens one door also opens the one behind it.
Fits = Callable[[IssuedTokenFacts], bool]
_CREDENTIALS = re.compile(r"(?i:bearer|(dpop)) +([A-Za-z0-9._~+/-]+=*)")
_SCHEMES = ("bearer", "dpop")


@dataclass(frozen=True, slots=True)
class Sender:
    """An agency that delivers, bound to its OIN by its client registration."""

    oin: str
    client_id: str
    scope: frozenset[str]


class Credentials(NamedTuple):
    """A token, and whether it came as `Bearer` or as `DPoP`."""

    scheme: str
    token: str


def credentials_in(request: Request) -> Credentials:
    """The token in the one place where it may be: the Authorization header (RFC 6750 section 2.1, RFC 9449 7.1).

    Raises NotAuthenticated `token_ontbreekt` or `token_ongeldig`, InvalidInput `token_in_adres` (2.3 not taken).
    """
    given = request.headers.getlist("authorization")
    in_address = bool(request.scope["query_string"]) and "access_token" in request.query_params
    if in_address and given:
        raise InvalidInput("token_in_adres", "Zet een toegangsbewijs nooit in het adres.")
    if not given or not given[0].lower().startswith(_SCHEMES):
        raise NoToken("token_ontbreekt", "Stuur een toegangsbewijs mee in de kop Authorization.")
    found = _CREDENTIALS.fullmatch(given[0])
    if found is None or len(given) > 1:
        raise _invalid("header Authorization is malformed or stands twice")
    return Credentials(DPOP if found[1] else BEARER, found[2])


def verified_jti(state: AppState, token: str) -> str | None:
    """The jti of a token that we signed and that has not expired, without a look in the database; else None.

    For counting, never for opening anything: it may have been revoked.
    """
    at = state.clock.now()
    try:
        claims = state.keyring.verify_own_jwt_for_anybody(token, typ="at+jwt", issuer=state.issuer, at=at)
    except NotAuthenticated:
        return None
    jti = claims.get("jti")
    return jti if isinstance(jti, str) else None


async def hold_bearer(request: Request, work: Work, state: TokenState, shown: Credentials, *, at: datetime) -> None:
    """Whoever brings a bound token shows what it is bound to; a nonce for the next time goes with the answer.

    A plain token costs nothing here. Raises ProofRefused, and writes that down.
    """
    keyring, bound = request.app.state.keyring, state.facts
    if shown.scheme == DPOP:
        headers.say(request.scope, HEADER, nonce_at(keyring, at))
    if not is_bound(bound) and shown.scheme != DPOP:
        _count_for(request, bound)
        return
    try:
        await hold_to(work, bound, shown_in(request), keyring, at, token=shown.token, scheme=shown.scheme)
    except ProofRefused as refused:
        if refused.code != NONCE_WANTED:  # asked again with the nonce: nothing that anybody should look at
            await turn_away(work, state, refused, at=at)
        raise
    _count_for(request, bound)


def _count_for(request: Request, facts: IssuedTokenFacts) -> None:
    """From now on requests with this token count for its person, too; who only stole it has shown no key."""
    if facts.person_id is not None:
        note_person(request.scope, facts.person_id)


def _invalid(private: str) -> NotAuthenticated:
    return NotAuthenticated("token_ongeldig", "Dit toegangsbewijs klopt niet. Log opnieuw in.", private=private)


async def _state(request: Request, work: Work, at: datetime, look: Look, *, again: bool = False) -> TokenState:
    app = request.app.state
    shown = credentials_in(request)
    token = shown.token
    claims = app.keyring.verify_own_jwt(token, typ="at+jwt", issuer=app.issuer, audience=audience(app.issuer), at=at)
    try:
        jti = UUID(claims["jti"])
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise _invalid("jti is missing or no UUID") from error
    state = await look(work, TokenId(jti), at)
    if state is None or state.facts.client_id != claims.get("client_id") or state.facts.audience:
        raise _invalid("jti was not issued, or to another client, or for another resource")
    if (refusal := closed(state, at)) is not None:
        raise await turn_away(work, state, refusal, at=at)
    if not again:  # what was shown was used up the first time
        await hold_bearer(request, work, state, shown, at=at)
    if not claims_match_row(claims, state.facts):
        raise await turn_away(work, state, _invalid("the token says something else than its row"), at=at)
    return state


def closed(state: TokenState, at: datetime) -> Refusal | None:
    """Why this token opens nothing any more, by itself: expired or revoked."""
    if at >= state.facts.expires_at:
        return NotAuthenticated("token_verlopen", "Dit toegangsbewijs is verlopen. Log opnieuw in.")
    # Ending a machtiging closes its tokens. Then the guard tells why, openly: it refuses all that has ended.
    ended = state.machtiging is not None and state.machtiging.state is State.ENDED
    if state.revoked_at is not None and not ended:
        return NotAuthenticated("token_ingetrokken", "Dit toegangsbewijs is ingetrokken. Log opnieuw in.")
    return None


def why_closed(state: TokenState, at: datetime) -> str:
    """The reason code for a token that opens nothing, where its holder is told only that."""
    if (refusal := closed(state, at)) is not None:
        return refusal.code
    if state.live_at(at):
        return "token_ongeldig"
    return unusable_reason(state.machtiging, state.facts.organisation_kvk, at)


async def turn_away(
    work: Work, state: TokenState, refusal: Refusal, *, at: datetime, reason: str | None = None
) -> Refusal:
    """Write down that the holder of this token of ours is refused, and give the refusal back, to be raised.

    `reason`: the exact one, where the holder is told less.
    """
    facts, machtiging = state.facts, state.machtiging
    line = Line(
        act=JournalAct.TOKEN_GEWEIGERD,
        outcome=Outcome.REFUSED,
        reason=reason or refusal.code,
        actor_id=facts.person_id,
        capacity=machtiging.capacity if machtiging else None,
        client_id=facts.client_id,
        for_person_id=machtiging.vertegenwoordigde_id if machtiging else facts.person_id,
        machtiging_id=facts.machtiging_id,
        object_kind="token",
        object_id=str(facts.id),
    )
    await record(work, line, at=at)
    return refusal


def other_door() -> NotAllowed:
    """This token is good, and not for here."""
    return NotAllowed("token_voor_ander_gebruik", "Dit toegangsbewijs is niet voor dit adres bedoeld.")


@door("Helper")
async def _helper(request: Request, session: Transaction) -> Actor:
    """A person's token: for the own box, or under one machtiging. Raises NotAuthenticated `token_*` or NotAllowed."""
    return await helper(request, session)


def _any(_facts: IssuedTokenFacts) -> bool:
    return True


async def helper(request: Request, work: Work, look: Look = hold, fits: Fits = _any, *, again: bool = False) -> Actor:
    """What the door `Helper` does, for a route that opens its own transaction, and for a door that takes fewer tokens.

    `look` must hold what `hold` holds, or what follows must act only while it still stands (`access.issued.still`) and
    look `again` when it does not.
    """
    at = request.app.state.clock.now()
    state = await _state(request, work, at, look, again=again)
    facts = state.facts
    if facts.person_id is None or facts.oin is not None or not fits(facts):
        raise await turn_away(work, state, other_door(), at=at)
    return Actor(
        person_id=facts.person_id,
        machtiging=state.machtiging,
        assurance=facts.assurance,
        acts=facts.acts,
        client_id=facts.client_id,
        token_id=facts.id,
        scope=frozenset(facts.scope.split()),
        organisation_kvk=facts.organisation_kvk,
    )


@door("Agency")
async def _agency(request: Request, session: Transaction) -> Sender:
    """An agency's token with the scope to deliver. Raises NotAuthenticated `token_*` or NotAllowed."""
    at = request.app.state.clock.now()
    state = await _state(request, session, at, hold)
    facts = state.facts
    scope = frozenset(facts.scope.split())
    if facts.oin is None or facts.person_id is not None or DELIVER not in scope:
        raise await turn_away(session, state, other_door(), at=at)
    return Sender(oin=facts.oin, client_id=facts.client_id, scope=scope)


Helper = Annotated[Actor, Depends(_helper)]
Agency = Annotated[Sender, Depends(_agency)]
