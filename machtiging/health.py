"""Is it alive, is it ready: two questions that a load balancer and an operator ask."""

from __future__ import annotations

from datetime import datetime, timedelta

from fastapi import APIRouter, Request
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import JSONResponse

from machtiging.web.doors import Public

# Beyond this the machine and the database disagree about whether a machtiging has ended.
LARGEST_CLOCK_SKEW = timedelta(seconds=2)
router = APIRouter(prefix="/health", include_in_schema=False)


@router.get("/live")
async def live(_: Public) -> JSONResponse:
    """The process answers."""
    return JSONResponse({"status": "ok"})


@router.get("/ready")
async def ready(_: Public, request: Request) -> JSONResponse:
    """It can serve: the database answers with our schema, and both clocks agree. 503 with the failing check if not."""
    checks = {"database": "ok", "klok": "ok", "beleid": "ok" if request.app.state.policy.digest else "ontbreekt"}
    try:
        async with request.app.state.sessions() as session:
            there: datetime | None = await session.scalar(text("SELECT clock_timestamp() FROM alembic_version"))
        if there is None:
            checks["database"] = "heeft ons schema niet"
        elif abs(there - request.app.state.clock.now()) > LARGEST_CLOCK_SKEW:
            checks["klok"] = "loopt niet gelijk met de database"
    except (SQLAlchemyError, OSError, TimeoutError):
        checks["database"] = "antwoordt niet"
    healthy = all(value == "ok" for value in checks.values())
    told = {"status": "ok" if healthy else "niet gereed", "controles": checks, **_warnings(request)}
    return JSONResponse(told, 200 if healthy else 503)


def _warnings(request: Request) -> dict[str, dict[str, str]]:
    """What must be mended, and does not keep us from serving: with the older keys everything still works."""
    trouble = request.app.state.keyring.trouble
    return {"waarschuwingen": {"sleutels": f"de nieuwe zijn niet leesbaar ({trouble})"}} if trouble else {}
