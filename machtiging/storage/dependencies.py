"""Services that a unit of work needs."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from starlette.requests import HTTPConnection

from machtiging.dependencies import request_services


@dataclass(frozen=True, kw_only=True)
class StorageServices:
    """The session factory of the application."""

    sessions: async_sessionmaker[AsyncSession]


def storage_services(request: HTTPConnection) -> StorageServices:
    """Return the storage services behind a request. Raises Fault `diensten_ontbreken`."""
    return request_services(request, StorageServices)
