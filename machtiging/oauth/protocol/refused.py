"""Answer and journal refusals of the OAuth endpoints."""

from __future__ import annotations

from datetime import datetime

import structlog
from starlette.responses import JSONResponse, Response

from machtiging.audit.acts import JournalAct, Outcome
from machtiging.audit.journal import Line, record
from machtiging.kernel.errors import Refusal
from machtiging.oauth.errors import Wire, answer_of
from machtiging.oauth.protocol.bridge import WireRequest
from machtiging.oauth.protocol.server import NO_STORE
from machtiging.storage.statement import Work

_log = structlog.get_logger("machtiging.oauth")


def told(refusal: Refusal, *, practice: bool = False) -> Response:
    """Build the OAuth error response (RFC 6749 section 5.2). `practice`: outside production, with causes."""
    answer = answer_of(refusal, practice=practice)
    body = {"error": answer.error.value, "error_description": answer.description}
    return JSONResponse(body, answer.status, headers=NO_STORE)


def warn(refusal: Refusal) -> None:
    """Write a refusal to the log only.

    The log is deleted in time and the journal is not, so unauthenticated callers must not write in the journal.
    """
    _log.warning("oauth_refused", code=refusal.code)


async def write_down(
    work: Work, wire: WireRequest | None, act: JournalAct, refusal: Refusal, *, path: str, at: datetime
) -> None:
    """Journal a refusal of an authenticated client or of a caller with our code.

    All other refusals go to the log only.
    """
    error = answer_of(refusal).error
    if wire is None or not wire.proven or error is Wire.USE_DPOP_NONCE:
        warn(refusal)
        return
    facts = {"fout": error.value, "adres": path}
    line = Line(act, Outcome.REFUSED, refusal.code, client_id=wire.client.client_id, facts=facts)
    await record(work, line, at=at)
