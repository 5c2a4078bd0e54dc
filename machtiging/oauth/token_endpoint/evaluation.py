"""Evaluate a token request: load, decide, commit; again after a concurrent change."""

from __future__ import annotations

from copy import copy

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import JSONResponse, Response

from machtiging.audit.acts import JournalAct
from machtiging.audit.journal import NewJournalLine, record
from machtiging.kernel.errors import Fault
from machtiging.oauth import token_issuance
from machtiging.oauth.dependencies import OAuthServices, build_issuer
from machtiging.oauth.errors import OAuthRefusal
from machtiging.oauth.protocol.claimed_client import read_claimed_client
from machtiging.oauth.protocol.client_assertion import refuse_client_auth
from machtiging.oauth.protocol.error_response import (
    build_error_response,
    build_refusal_line,
    log_oauth_refusal,
)
from machtiging.oauth.protocol.requests import OAuthRequest
from machtiging.oauth.protocol.server import NO_STORE, ReadContext
from machtiging.oauth.protocol.token_binding import DpopReplay
from machtiging.oauth.protocol.token_response import IssuedTokens, build_client_token_response, build_token_response
from machtiging.oauth.token_endpoint.commit import ConsumeResult, consume_and_issue, consume_and_refuse
from machtiging.oauth.token_endpoint.context import load_token_request
from machtiging.oauth.token_endpoint.decision import Issuance, TokenDecision, decide_token_request
from machtiging.oauth.token_endpoint.refusal_effects import REFUSALS_WITH_EFFECTS, carry_out_effects
from machtiging.oauth.token_endpoint.token_request import ClientTokenRequest, TokenRequest
from machtiging.storage.autocommit import autocommit_connection
from machtiging.storage.statement import Executor
from machtiging.storage.unit_of_work import unit_of_work

TOKEN_PATH = "/token"
# A retry follows a concurrent change of the client, the credential or the grant. Even one is rare.
_MAX_ATTEMPTS = 5


async def evaluate_token_request(services: OAuthServices, oauth_request: OAuthRequest) -> Response:
    """Answer a token request of one of the `GRANT_TYPES`.

    Raises OAuthRefusal for a client that is not authenticated, JwksFetchRequired, and Fault `opslag_niet_bereikbaar`
    when the rows change again and again.
    """
    for _ in range(_MAX_ATTEMPTS):
        response = await _attempt_token_request(services, copy(oauth_request))
        if response is not None:
            return response
    raise Fault("opslag_niet_bereikbaar", private="the rows of a token request changed again and again")


async def _attempt_token_request(services: OAuthServices, oauth_request: OAuthRequest) -> Response | None:
    """Load, decide and commit once. None when a row changed in between: then nothing was written."""
    async with autocommit_connection(services.sessions) as connection:
        context = ReadContext(connection, build_issuer(services), services.clock.now())
        decision = await _load_and_decide(context, oauth_request)
        if not isinstance(decision.outcome, REFUSALS_WITH_EFFECTS):
            return await _commit_decision(connection, decision, practice=services.names_causes)
    # The first connection is back in the pool: a request never holds two.
    async with unit_of_work(services.sessions) as session:
        return await _commit_decision(session, decision, practice=services.names_causes)


async def _load_and_decide(context: ReadContext, oauth_request: OAuthRequest) -> TokenDecision:
    issuer, at = context.issuer, context.at
    claimed = read_claimed_client(oauth_request, at)
    loaded = None
    if claimed.client_id is not None:
        handler = issuer.details_handler
        loaded = await load_token_request(context.executor, handler, oauth_request.form, claimed.client_id, at)
    return decide_token_request(issuer, oauth_request, claimed, loaded, at)


async def _commit_decision(executor: Executor, decision: TokenDecision, *, practice: bool) -> Response | None:
    """Commit the decision and answer. None when a row changed since it was read.

    Raises OAuthRefusal `invalid_client` for a replayed assertion: then nothing else was consumed.
    """
    request, outcome = decision
    if isinstance(outcome, OAuthRefusal):
        response = build_error_response(outcome, practice=practice)
        result = await _commit_refusal(executor, request, outcome)
    else:
        issued = await _build_tokens(executor, request, outcome)
        response = JSONResponse(issued.response, headers=NO_STORE)
        result = await consume_and_issue(executor, request.consumed, issued)
    if result is None:
        return None
    if not result.assertion_unused:
        refuse_client_auth("bewijs_hergebruikt", authenticated=True)
    if not result.proof_unused:
        # At this point only the client was proven, not its code or refresh token.
        replay = DpopReplay()
        await _journal_refusal(executor, request, replay, proven=request.oauth_request.credential_proven)
        return build_error_response(replay, practice=practice)
    return response


async def _build_tokens(executor: Executor, request: TokenRequest, issuance: Issuance) -> IssuedTokens:
    oauth_request, issuer, at = request.oauth_request, request.issuer, request.at
    if isinstance(issuance, ClientTokenRequest):
        access_token = token_issuance.build_client_token(
            issuer, request.client, issuance.scope, at=at, binding=oauth_request.binding
        )
        return build_client_token_response(access_token)
    return await build_token_response(executor, issuer, oauth_request, issuance, at=at)


async def _commit_refusal(executor: Executor, request: TokenRequest, refusal: OAuthRefusal) -> ConsumeResult | None:
    """Consume what the refusal consumes, and journal or log it. In a session its effects are carried out too."""
    client_id, at = request.client.client_id, request.at
    if isinstance(executor, AsyncSession):
        result = await consume_and_refuse(executor, request.consumed, client_id, at, None)
        if result is not None and result.is_unused:
            await carry_out_effects(executor, request, refusal)
            await _journal_refusal(executor, request, refusal, proven=request.credential_proven)
        return result
    line = _build_line(request, refusal, proven=request.credential_proven)
    result = await consume_and_refuse(executor, request.consumed, client_id, at, line)
    if line is None and result is not None and result.is_unused:
        log_oauth_refusal(refusal)
    return result


def _build_line(request: TokenRequest, refusal: OAuthRefusal, *, proven: bool) -> NewJournalLine | None:
    client_id = request.client.client_id if proven else None
    return build_refusal_line(client_id, JournalAct.TOKEN_GEWEIGERD, refusal, TOKEN_PATH)


async def _journal_refusal(executor: Executor, request: TokenRequest, refusal: OAuthRefusal, *, proven: bool) -> None:
    """Journal a refusal in a statement of its own, or log it."""
    line = _build_line(request, refusal, proven=proven)
    if line is None:
        log_oauth_refusal(refusal)
    else:
        await record(executor, line, at=request.at)
