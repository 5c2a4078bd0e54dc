"""Helpers for mutants of POST /token: SQL before or after an attempt to answer a token request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.responses import Response

from machtiging.crypto import secrets
from machtiging.oauth.protocol.claimed_client import read_claimed_client
from machtiging.oauth.token_endpoint import evaluation
from machtiging.oauth.token_endpoint.context import extract_credential
from machtiging.storage.unit_of_work import unit_of_work
from tests.mutants.mutant import run_sealed_statement, swap

Attempt = Callable[[], Awaitable[Response | None]]
RunSql = Callable[..., Awaitable[None]]


def wrap_attempts(grant_type: str, around: Callable[[Any, Attempt, RunSql], Awaitable[Response | None]]) -> None:
    """Replace each attempt for this grant type. `around` gets the request, the original attempt and a function.

    The function runs statements with the credential (`:hash`) and the client (`:client`), and commits.
    """

    def build_replacement(was: Any) -> Any:
        async def attempt(services: Any, oauth_request: Any) -> Response | None:
            credential = extract_credential(oauth_request.form)
            if oauth_request.form["grant_type"] != grant_type or credential is None:
                return await was(services, oauth_request)
            client_id = read_claimed_client(oauth_request, services.clock.now()).client_id
            given = {"hash": secrets.sha256_digest(credential), "client": client_id}

            async def run(*statements: str) -> None:
                async with unit_of_work(services.sessions) as session:
                    for statement in statements:
                        await run_sealed_statement(session, statement, given)

            return await around(oauth_request, lambda: was(services, oauth_request), run)

        return attempt

    swap(evaluation, evaluation._attempt_token_request, build_replacement)


def run_before_attempts(grant_type: str, *statements: str) -> Callable[[], None]:
    """Return a mutant that runs these statements before each attempt for this grant type."""

    async def around(_request: Any, was: Attempt, run: RunSql) -> Response | None:
        await run(*statements)
        return await was()

    return lambda: wrap_attempts(grant_type, around)
