"""Load a login session and the authority that it uses, in one statement."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import FromClause, Select, Uuid, bindparam, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.delegation.authority.queries import authority_from_row, select_authority
from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.rules import NOT_THE_HOLDER
from machtiging.identity.session import Visitor, login_session_table
from machtiging.kernel.errors import NotAuthenticated
from machtiging.storage.statement import Executor, ResultRow, Statement

_SESSION_TABLE = login_session_table()
JoinedSelect = Callable[[FromClause], Select[Any]]


def session_query(joined: JoinedSelect | None = None, *, for_share: bool = False) -> Statement:
    """Build a statement for an open login session, an authority and the `joined` select.

    `joined` receives a FROM with the columns of the authority. Its columns are NULL when it selects nothing.
    Parameters: those of `session_params`, and those of `joined`. Read the row with `authorize_session_row`. `for_share`
    locks the machtiging until the transaction ends.
    """
    open_session = (_SESSION_TABLE.c.id == bindparam("session_id"), _SESSION_TABLE.c.ended_at.is_(None))
    login = select(_SESSION_TABLE.c.id.label("s_id")).where(*open_session).cte("login")
    # As in `access.token_lookup`: by a value, and in a CTE because of FOR SHARE.
    authority = select_authority(bindparam("machtiging_id", type_=Uuid()), for_share=for_share).cte("held")
    found = login.outerjoin(authority, true())
    if joined is None:
        return Statement(select(login, authority).select_from(found))
    more = joined(authority).lateral("beside")
    return Statement(select(login, authority, more).select_from(found.outerjoin(more, true())))


def session_params(session_id: UUID, machtiging_id: UUID | None) -> dict[str, Any]:
    """Return the parameters of `session_query`. The id is None if the path has no canonical one."""
    return {"session_id": session_id, "machtiging_id": machtiging_id}


async def authorize_session_row(
    executor: Executor, row: ResultRow | None, visitor: Visitor, *, at: datetime
) -> Authority | None:
    """Return the authority in a row of `session_query`, if this person holds it; else None.

    It need not be in force, and the login may be for another organisation: the guard decides. Raises NotAuthenticated
    `niet_ingelogd` if the session ended meanwhile.
    """
    if row is None:
        raise NotAuthenticated("niet_ingelogd")
    if row["m_id"] is None:
        return None
    authority = await authority_from_row(executor, row, at=at)
    is_other = authority.holder_refusal(visitor.person_id, visitor.organisation_kvk) == NOT_THE_HOLDER
    return None if is_other else authority


_LOAD_FOR_SHARE = session_query(for_share=True)


async def load_session_authority_for_share(
    session: AsyncSession, visitor: Visitor, machtiging_id: UUID | None, *, at: datetime
) -> Authority | None:
    """Load the machtiging that this visitor holds, locked FOR SHARE until the transaction ends.

    Returns and raises as `authorize_session_row`.
    """
    row = await _LOAD_FOR_SHARE.one_or_none(session, session_params(visitor.session_id, machtiging_id))
    return await authorize_session_row(session, row, visitor, at=at)


async def load_open_session_authority(
    session: AsyncSession, session_id: UUID, machtiging_id: UUID, *, at: datetime
) -> Authority | None:
    """Load the authority, locked FOR SHARE, if the login session has not ended; else None.

    For a response under way, whose session and machtiging were checked at its beginning.
    """
    row = await _LOAD_FOR_SHARE.one_or_none(session, session_params(session_id, machtiging_id))
    return None if row is None or row["m_id"] is None else await authority_from_row(session, row, at=at)
