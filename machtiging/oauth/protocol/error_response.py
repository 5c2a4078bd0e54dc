"""Answer and journal refusals of the OAuth endpoints."""

from __future__ import annotations

from datetime import datetime

import structlog
from starlette.responses import JSONResponse, Response

from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.kernel.errors import Refusal
from machtiging.oauth.errors import OAuthErrorCode, to_oauth_error
from machtiging.oauth.protocol.requests import OAuthRequest
from machtiging.oauth.protocol.server import NO_STORE
from machtiging.storage.statement import Executor

_log = structlog.get_logger("machtiging.oauth")


def build_error_response(refusal: Refusal, *, practice: bool = False) -> Response:
    """Build the OAuth error response (RFC 6749 section 5.2). `practice`: outside production, with causes."""
    answer = to_oauth_error(refusal, practice=practice)
    body = {"error": answer.error.value, "error_description": answer.description}
    return JSONResponse(body, answer.status, headers=NO_STORE)


def log_oauth_refusal(refusal: Refusal) -> None:
    """Write a refusal to the log only.

    The log is deleted in time and the journal is not, so unauthenticated callers must not write in the journal.
    """
    _log.warning("oauth_refused", code=refusal.code)


def build_refusal_line(client_id: str | None, act: JournalAct, refusal: Refusal, path: str) -> NewJournalLine | None:
    """Build the journal line of a refusal.

    None for a caller that proved nothing (without `client_id`), and for `use_dpop_nonce`.
    """
    error = to_oauth_error(refusal).error
    if client_id is None or error is OAuthErrorCode.USE_DPOP_NONCE:
        return None
    facts = {"fout": error.value, "adres": path}
    return NewJournalLine(act, JournalOutcome.REFUSED, refusal.code, client_id=client_id, facts=facts)


async def journal_oauth_refusal(
    executor: Executor,
    oauth_request: OAuthRequest | None,
    act: JournalAct,
    refusal: Refusal,
    *,
    path: str,
    at: datetime,
) -> None:
    """Journal a refusal of an authenticated client or of a caller with our code.

    All other refusals go to the log only.
    """
    proven = oauth_request if oauth_request is not None and oauth_request.credential_proven else None
    client_id = None if proven is None else proven.client.client_id
    line = build_refusal_line(client_id, act, refusal, path)
    if line is None:
        log_oauth_refusal(refusal)
    else:
        await record(executor, line, at=at)
