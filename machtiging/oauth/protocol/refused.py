"""How a refusal at an endpoint for programs is answered, and when it is written down."""

from __future__ import annotations

from datetime import datetime
from typing import Any

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


def tells_causes(state: Any) -> bool:
    """Tell whether this application (`app.state`) names the cause of every failure: in practice, unless it says not to.

    One that says nothing is in production.
    """
    return bool(getattr(state, "tells_causes", getattr(state, "practice", False)))


def told(refusal: Refusal, *, practice: bool = False) -> Response:
    """The OAuth answer (RFC 6749 section 5.2). `practice`: outside production, where causes are told."""
    answer = answer_of(refusal, practice=practice)
    body = {"error": answer.error.value, "error_description": answer.description}
    return JSONResponse(body, answer.status, headers=NO_STORE)


def warn(refusal: Refusal) -> None:
    """For the log, which is thrown away in time: the journal is not, so whoever proves nothing writes nothing in it."""
    _log.warning("oauth_refused", code=refusal.code)


async def write_down(
    work: Work, wire: WireRequest | None, act: JournalAct, refusal: Refusal, *, path: str, at: datetime
) -> None:
    """A line for a client that proved who it is, or that brought a code of ours; for all others the log will do."""
    error = answer_of(refusal).error
    if wire is None or not wire.proven or error is Wire.USE_DPOP_NONCE:
        warn(refusal)
        return
    facts = {"fout": error.value, "adres": path}
    line = Line(act, Outcome.REFUSED, refusal.code, client_id=wire.client.client_id, facts=facts)
    await record(work, line, at=at)
