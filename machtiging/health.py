"""Liveness and readiness endpoints for load balancers and operators."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

import structlog
from fastapi import APIRouter, Request
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import JSONResponse

from machtiging.access.dependencies import AccessServices
from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.audit.row_states.journalled_table import JournalledTable
from machtiging.audit.row_states.statement_lines import find_unstated_tables
from machtiging.dependencies import request_services
from machtiging.kernel.errors import Fault
from machtiging.kernel.sqlstate import find_sqlstate
from machtiging.storage.engine import DatabaseRole
from machtiging.storage.migration_runner import check_revision
from machtiging.supervision import TaskSupervisor
from machtiging.tasks.heartbeat import WorkerPresence, load_presence
from machtiging.web.doors import Public

# With a larger difference, machine and database disagree on the end of a machtiging.
MAX_CLOCK_SKEW = timedelta(seconds=2)
_MESSAGE_BY_FAULT = {
    "ander_schema": "heeft een ander schema",
    "geen_schema": "heeft ons schema niet",
    "database_alleen_lezen": "neemt niets aan",
    "databaserol_verkeerd": "geeft een andere rol",
    "databaserol_geweigerd": "geeft de rol niet",
    "databaseverbinding_verkeerd_ingesteld": "houdt de instellingen niet",
    "pooler_ongeschikt": "staat achter een pooler die niet past",
}
_MESSAGE_BY_SQLSTATE = {
    "25006": "neemt niets aan",
    "42501": "geeft een andere rol",
    "42P01": "heeft ons schema niet",
    "42703": "heeft een ander schema",
}
_SCHEMA_AND_TIME = text("SELECT version_num, clock_timestamp() FROM alembic_version")
_log = structlog.get_logger(__name__)
router = APIRouter(prefix="/health", include_in_schema=False)


@dataclass(frozen=True, kw_only=True)
class HealthServices(AccessServices):
    """Services whose state is reported: the access services and the background tasks of this process."""

    background: TaskSupervisor
    journalled_tables: tuple[JournalledTable, ...]


@router.get("/live")
async def check_liveness(_: Public) -> JSONResponse:
    """Report that the process answers."""
    return JSONResponse({"status": "ok"})


@router.get("/ready")
async def check_readiness(_: Public, request: Request) -> JSONResponse:
    """Report readiness: a rolled-back write, role, schema, clocks and policy. 503 with the failed checks otherwise."""
    services = request_services(request, HealthServices)
    checks = {"database": "ok", "klok": "ok", "beleid": "ok" if services.policy.digest else "ontbreekt"}
    warnings: dict[str, str] = {}
    try:
        there, warnings = await _check_database(services)
    except Fault as fault:
        checks["database"] = _MESSAGE_BY_FAULT.get(fault.code, "antwoordt niet")
        _log.warning("not_ready", code=fault.code, detail=fault.private)
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        state = find_sqlstate(error)
        checks["database"] = _MESSAGE_BY_SQLSTATE.get(str(state), "antwoordt niet")
        _log.warning("not_ready", code="opslag_niet_bereikbaar", detail=f"{type(error).__name__} {state}")
    else:
        if abs(there - services.clock.now()) > MAX_CLOCK_SKEW:
            checks["klok"] = "loopt niet gelijk met de database"
    healthy = all(value == "ok" for value in checks.values())
    body = {"status": "ok" if healthy else "niet gereed", "controles": checks, **_collect_warnings(services, warnings)}
    return JSONResponse(body, 200 if healthy else 503)


async def _check_database(services: HealthServices) -> tuple[datetime, dict[str, str]]:
    """Write a journal line, roll it back, and return the database time. Raises Fault for a failed check.

    Also returns warnings: rows that wait for `machtiging keys seal-rows`, and the state of the workers. Uses the pool
    of the requests, so that it finds a broken connection there.
    """
    line = NewJournalLine(JournalAct.LOGIN_MISLUKT, JournalOutcome.REFUSED, "proef")
    async with services.sessions() as session:
        await record(session, line, at=services.clock.now())
        role = await session.scalar(text("SELECT current_user::text"))
        found = (await session.execute(_SCHEMA_AND_TIME)).one_or_none()
        unstated = await find_unstated_tables(session, services.journalled_tables)
        presence = await load_presence(session)
        await session.rollback()
    if role != DatabaseRole.SERVICE:
        raise Fault("databaserol_verkeerd", private="the role is not that of the service")
    revision, now = (None, None) if found is None else found
    check_revision(revision)
    warnings = _describe_workers(presence)
    if unstated:
        names = ", ".join(table.name for table in unstated)
        warnings["rijen"] = f"nog niet allemaal verzegeld: {names} (machtiging keys seal-rows)"
    return cast(datetime, now), warnings


def _describe_workers(presence: WorkerPresence) -> dict[str, str]:
    """Describe the problems of the workers: none seen lately, or loops that fail."""
    found = {f"taak {name}": problem for name, problem in presence.problems.items()}
    if presence.workers == 0:
        ago = presence.last_seen_ago
        last = "nog nooit gezien" if ago is None else f"{int(ago.total_seconds())} seconden niet gezien"
        found["werker"] = f"{last} (machtiging work)"
    return found


def _collect_warnings(services: HealthServices, warnings: dict[str, str]) -> dict[str, dict[str, str]]:
    """Collect problems that do not stop the service, such as failing background tasks."""
    found = dict(warnings)
    if trouble := services.keyring.load_error:
        found["sleutels"] = f"de nieuwe zijn niet leesbaar ({trouble})"
    found |= {f"taak {name}": text for name, text in services.background.describe_problems().items()}
    return {"waarschuwingen": found} if found else {}
