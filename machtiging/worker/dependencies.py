"""Services that the worker needs."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine

from machtiging.audit.head_anchor import HeadAnchor
from machtiging.audit.row_states.journalled_table import JournalledTable
from machtiging.delegation.statutory.precedence import Precedence
from machtiging.notifications.outbox_dispatcher import Mailer
from machtiging.oauth.dependencies import OAuthServices
from machtiging.supervision import TaskSupervisor


@dataclass(frozen=True, kw_only=True)
class WorkerServices(OAuthServices):
    """The services of the loops: sealing, sending, checking, expiring and deleting."""

    background: TaskSupervisor
    precedence: Precedence
    sealer_engine: AsyncEngine
    head_keeper: HeadAnchor | None
    mailer: Mailer
    journalled_tables: tuple[JournalledTable, ...]
