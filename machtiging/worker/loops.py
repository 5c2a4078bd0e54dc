"""The loops of a worker. Any number of workers may run them: each loop claims or locks what it works on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.row_states.row_check import RowCheck
from machtiging.audit.seal import run_sealer
from machtiging.delegation.assignment_tasks.execution import run_due_items
from machtiging.delegation.assignments.proposals import end_lapsed_proposals
from machtiging.delegation.handover.due_items import tell_due_clients
from machtiging.delegation.help_requests.retention import expired_delegation_rows_sweep
from machtiging.delegation.statutory.application import EventContext
from machtiging.delegation.statutory.majority_notices import send_majority_notices
from machtiging.delegation.statutory.register_events import apply_overdue_events, find_person_with_overdue_event
from machtiging.delegation.suspension.organisation_stops import (
    end_machtigingen_of_stopped,
    tell_clients_of_stopped,
)
from machtiging.identity.people import load_email, load_language, load_profile
from machtiging.kernel.errors import Fault
from machtiging.kernel.ids import PersonId, uuid7
from machtiging.notifications.outbox_dispatcher import run_outbox_dispatcher
from machtiging.oauth.dependencies import build_issuer
from machtiging.oauth.openid.backchannel_logout import LogoutSender, build_post_form, send_due_notices
from machtiging.oauth.openid.session_expiry import expire_sessions
from machtiging.oauth.retention import delete_expired_rows
from machtiging.organisations.invitations.mail import send_due_invitations
from machtiging.storage.unit_of_work import unit_of_work
from machtiging.supervision import BackgroundTask, TaskRecord, run_repeatedly
from machtiging.tasks.heartbeat import HEARTBEAT_SECONDS, delete_heartbeat, write_heartbeat
from machtiging.verification.codes.retention import expired_codes_sweep
from machtiging.worker.dependencies import WorkerServices

_HOUSEKEEPING_SECONDS = 1.0
_SESSION_EXPIRY_SECONDS = 15.0
_RETENTION_SECONDS = 15.0
_ROW_CHECK_SECONDS = 15.0
_HANDOVER_SECONDS = 60.0
_REGISTER_SECONDS = 15.0
_MAJORITY_SECONDS = 60.0
_STOP_SECONDS = 10.0
_log = structlog.get_logger(__name__)


@asynccontextmanager
async def run_worker_loops(services: WorkerServices) -> AsyncIterator[UUID]:
    """Run every loop of a worker under its Dutch name in the log. Yields the id of the worker.

    Its first heartbeat is written before, and the last one is deleted after all loops have ended. A database that does
    not answer stops no start: the loops wait for it.
    """
    worker_id = uuid7()
    with suppress(Fault):
        await _write_heartbeat(services, worker_id)
    loops = _build_journal_and_post_tasks(services) | _build_expiry_tasks(services) | _build_register_tasks(services)
    loops |= {"taken": _build_items_task(services), "hartslag": _build_heartbeat_task(services, worker_id)}
    for name, loop in loops.items():
        services.background.start_task(name, loop)
    try:
        yield worker_id
    finally:
        await services.background.stop_tasks(patience=_STOP_SECONDS)
        await _delete_heartbeat(services, worker_id)


async def _write_heartbeat(services: WorkerServices, worker_id: UUID) -> None:
    async with unit_of_work(services.sessions) as session:
        await write_heartbeat(session, worker_id, services.background.describe_problems())


async def _delete_heartbeat(services: WorkerServices, worker_id: UUID) -> None:
    """Delete the heartbeat. A worker that cannot is seen as late after a minute."""
    try:
        async with unit_of_work(services.sessions) as session:
            await delete_heartbeat(session, worker_id)
    except Fault as fault:
        _log.warning("heartbeat_not_deleted", code=fault.code)


def _build_heartbeat_task(services: WorkerServices, worker_id: UUID) -> BackgroundTask:
    async def run_heartbeat_task(record: TaskRecord) -> None:
        work = partial(_write_heartbeat, services, worker_id)
        await run_repeatedly(work, record, every=HEARTBEAT_SECONDS, stop=services.background.stop)

    return run_heartbeat_task


def _build_journal_and_post_tasks(services: WorkerServices) -> dict[str, BackgroundTask]:
    """Build the tasks that seal the journal, compare rows with it, and send messages."""
    stop, sessions = services.background.stop, services.sessions
    keyring, clock = services.keyring, services.clock

    async def resolve_address(session: AsyncSession, person_id: PersonId) -> str | None:
        return await load_email(session, keyring, person_id)

    async def resolve_name(session: AsyncSession, person_id: PersonId) -> str | None:
        profile = await load_profile(session, keyring, person_id)
        return profile.name if profile else None

    async def run_sealer_task(record: TaskRecord) -> None:
        at = (services.sealer_engine, keyring, clock)
        await run_sealer(*at, every=_HOUSEKEEPING_SECONDS, stop=stop, anchor=services.head_keeper, record=record)

    async def run_notification_task(record: TaskRecord) -> None:
        post = (sessions, resolve_address, services.mailer, clock)
        dispatch = partial(run_outbox_dispatcher, *post, find_name=resolve_name, find_language=load_language)
        await dispatch(every=_HOUSEKEEPING_SECONDS, stop=stop, record=record)

    async def run_invitation_task(record: TaskRecord) -> None:
        sending = partial(send_due_invitations, sessions, keyring, services.mailer, clock)
        await run_repeatedly(sending, record, every=_HOUSEKEEPING_SECONDS, stop=stop)

    async def run_logout_task(record: TaskRecord) -> None:
        sender = LogoutSender(sessions, build_issuer(services), clock, build_post_form(services.outbound))
        await run_repeatedly(partial(send_due_notices, sender), record, every=_HOUSEKEEPING_SECONDS, stop=stop)

    async def run_row_check_task(record: TaskRecord) -> None:
        check = RowCheck(sessions, keyring, clock, services.journalled_tables)
        await run_repeatedly(check.check_next_batch, record, every=_ROW_CHECK_SECONDS, stop=stop)

    return {
        "zegelen": run_sealer_task,
        "post": run_notification_task,
        "uitnodigingen": run_invitation_task,
        "uitlogberichten": run_logout_task,
        "rijcontrole": run_row_check_task,
    }


def _build_expiry_tasks(services: WorkerServices) -> dict[str, BackgroundTask]:
    """Build the tasks that end sessions and lapsed proposals, tell clients, and delete expired rows."""
    stop, sessions, clock = services.background.stop, services.sessions, services.clock

    async def run_session_expiry_task(record: TaskRecord) -> None:
        expiring = partial(expire_sessions, sessions, services.session_limits, clock)
        await run_repeatedly(expiring, record, every=_SESSION_EXPIRY_SECONDS, stop=stop)

    async def run_retention_task(record: TaskRecord) -> None:
        work = partial(delete_expired_rows, sessions, clock, expired_delegation_rows_sweep)
        await run_repeatedly(work, record, every=_RETENTION_SECONDS, stop=stop)

    async def run_code_retention_task(record: TaskRecord) -> None:
        work = partial(delete_expired_rows, sessions, clock, expired_codes_sweep)
        await run_repeatedly(work, record, every=_RETENTION_SECONDS, stop=stop)

    async def run_handover_task(record: TaskRecord) -> None:
        telling = partial(tell_due_clients, sessions, clock)
        await run_repeatedly(telling, record, every=_HANDOVER_SECONDS, stop=stop)

    async def run_proposal_task(record: TaskRecord) -> None:
        ending = partial(end_lapsed_proposals, sessions, clock)
        await run_repeatedly(ending, record, every=_HANDOVER_SECONDS, stop=stop)

    async def run_organisation_stop_task(record: TaskRecord) -> None:
        telling = partial(_settle_stopped_organisations, services)
        await run_repeatedly(telling, record, every=_HANDOVER_SECONDS, stop=stop)

    return {
        "gestopte_organisaties": run_organisation_stop_task,
        "sessies": run_session_expiry_task,
        "overdracht": run_handover_task,
        "vier_ogen": run_proposal_task,
        "opruimen": run_retention_task,
        "opruimen_controlecodes": run_code_retention_task,
    }


def _build_items_task(services: WorkerServices) -> BackgroundTask:
    """Build the task that does what employees asked in bulk."""
    stop = services.background.stop

    async def run_items_task(record: TaskRecord) -> None:
        working = partial(run_due_items, services.sessions, services.keyring, services.clock, stop)
        await run_repeatedly(working, record, every=_HOUSEKEEPING_SECONDS, stop=stop)

    return run_items_task


async def _settle_stopped_organisations(services: WorkerServices) -> None:
    """Tell clients of stopped organisations, and end what waited thirty days."""
    await tell_clients_of_stopped(services.sessions, services.clock)
    await end_machtigingen_of_stopped(services.sessions, services.clock)


def _build_register_tasks(services: WorkerServices) -> dict[str, BackgroundTask]:
    """Build the tasks for overdue register events and for notices to children."""
    stop, sessions, clock = services.background.stop, services.sessions, services.clock
    context = EventContext(services.keyring, services.precedence)

    async def apply_overdue() -> None:
        async with unit_of_work(sessions) as session:
            person_id = await find_person_with_overdue_event(session, at=clock.now())
            if person_id is not None:
                await apply_overdue_events(session, context, person_id, at=clock.now())

    async def send_notices() -> None:
        async with unit_of_work(sessions) as session:
            await send_majority_notices(session, at=clock.now())

    async def run_register_task(record: TaskRecord) -> None:
        await run_repeatedly(apply_overdue, record, every=_REGISTER_SECONDS, stop=stop)

    async def run_majority_task(record: TaskRecord) -> None:
        await run_repeatedly(send_notices, record, every=_MAJORITY_SECONDS, stop=stop)

    return {"registergebeurtenissen": run_register_task, "meerderjarig": run_majority_task}
