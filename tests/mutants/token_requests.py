"""Helpers for mutants of POST /token: run SQL before or after an attempt."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy import bindparam, select
from starlette.responses import Response

from machtiging.crypto import secrets
from machtiging.oauth.protocol.claimed_client import read_claimed_client
from machtiging.oauth.token_endpoint import commit, evaluation
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


def remove_commit_lock(*grant_types: str) -> Callable[[], None]:
    """Return a mutant whose commit locks nothing for these grant types. Concurrent requests all read before it."""

    def delay(was: Any) -> Any:
        async def commit_later(*given: Any) -> Any:
            await asyncio.sleep(0.3)
            return await was(*given)

        return commit_later

    def build_replacement(was: Any) -> Any:
        return lambda kind, client: (select_credential_and_grant if kind in grant_types else was)(kind, client)

    def breaks() -> None:
        swap(commit, commit._lock_credential_and_grant, build_replacement)
        swap(evaluation, evaluation.consume_and_issue, delay)

    return breaks


def select_credential_and_grant(kind: str, _client: Any) -> Any:
    """Select the credential and its grant, without a lock and without any check."""
    table, its_hash, _ = commit.CREDENTIAL_TABLES[kind]
    secret = select(table.c.grant_id).where(its_hash == bindparam("hash")).cte("secret")
    return select(commit._GRANT.c.id).where(commit._GRANT.c.id == secret.c.grant_id).cte("consent")
