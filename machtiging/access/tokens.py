"""Rows of issued access tokens by `jti`: inserted when issued, loaded on every use."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CTE,
    FromClause,
    Select,
    bindparam,
    func,
    insert,
    select,
    true,
)
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access.issued_token import IssuedTokenFacts, TokenState
from machtiging.access.optimistic_lock import MACHTIGING_VERSION
from machtiging.access.tables import SEALED_TOKEN, IssuedToken
from machtiging.audit.journal import NewJournalLine, build_journal_insert_cte, build_journal_line_params
from machtiging.audit.row_authentication import authenticate_row
from machtiging.delegation.locks import lock_shared
from machtiging.delegation.queries import MACHTIGING_COLUMNS, machtiging_from_mapping, machtiging_table
from machtiging.delegation.rules import Act
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.errors import Fault
from machtiging.kernel.ids import GrantId, TokenId, uuid7
from machtiging.storage.columns import table_of
from machtiging.storage.row_mac import MAC_COLUMN, seal_row
from machtiging.storage.statement import Executor, ResultRow, Statement

_TOKEN_TABLE = table_of(IssuedToken)


_FACT_COLUMNS = tuple(field.name for field in fields(IssuedTokenFacts))


async def insert_token(session: AsyncSession, facts: IssuedTokenFacts) -> None:
    """Insert a token that is about to be issued."""
    await session.execute(insert(_TOKEN_TABLE), seal_row(session, SEALED_TOKEN, _build_row_values(facts)))


def build_token_insert_cte(gate: FromClause) -> tuple[CTE, CTE]:
    """Build CTEs that insert a token and its journal line.

    They insert only if `gate` returns a row.

    Parameters: see `build_token_params`.
    """
    names = (*_FACT_COLUMNS, MAC_COLUMN)
    parameters = [bindparam(f"token_{name}", type_=_TOKEN_TABLE.c[name].type).label(name) for name in names]
    token = insert(_TOKEN_TABLE).from_select(list(names), select(*parameters).select_from(gate)).cte("registered")
    return token, build_journal_insert_cte(gate).cte("line")


def build_token_params(executor: Executor, facts: IssuedTokenFacts, line: NewJournalLine) -> dict[str, Any]:
    """Return the parameters of `build_token_insert_cte` for a token and its journal line."""
    sealed = seal_row(executor, SEALED_TOKEN, _build_row_values(facts))
    token = {f"token_{name}": value for name, value in sealed.items()}
    return token | build_journal_line_params(line, uuid7(), facts.issued_at)


def _build_row_values(facts: IssuedTokenFacts) -> dict[str, Any]:
    # Not `asdict`: it deep-copies the values, which is slow on this hot path.
    row = {name: getattr(facts, name) for name in _FACT_COLUMNS}
    return row | {"acts": sorted(facts.acts), "assurance": facts.assurance.value}


async def load_latest_expiry_by_grant(
    session: AsyncSession, grant_ids: Collection[GrantId], at: datetime
) -> dict[GrantId, datetime]:
    """Return the latest expiry of each grant's active tokens.

    A grant without active tokens is left out.
    """
    theirs = _TOKEN_TABLE.c.grant_id.in_(grant_ids)
    still = select(_TOKEN_TABLE.c.grant_id, func.max(_TOKEN_TABLE.c.expires_at)).where(
        theirs, _TOKEN_TABLE.c.revoked_at.is_(None), _TOKEN_TABLE.c.expires_at > at
    )
    return {
        GrantId(grant_id): ends for grant_id, ends in await session.execute(still.group_by(_TOKEN_TABLE.c.grant_id))
    }


JoinedSelect = Callable[[FromClause], Select[Any]]


def _build_token_select(*, for_share: bool, joined: JoinedSelect | None = None) -> Select[Any]:
    token = (
        select(*(c.label(f"t_{c.name}") for c in _TOKEN_TABLE.c))
        .where(_TOKEN_TABLE.c.id == bindparam("jti"))
        .cte("token")
    )
    machtiging = machtiging_table()
    theirs = select(*MACHTIGING_COLUMNS, MACHTIGING_VERSION).join_from(
        machtiging, token, machtiging.c.id == token.c.t_machtiging_id
    )
    if for_share:
        # In the FROM, so that the advisory lock is taken before the row lock; the other order could deadlock.
        theirs = theirs.join(lock_shared(token.c.t_machtiging_id), true())
        theirs = theirs.with_for_update(read=True, of=machtiging)
    # PostgreSQL refuses FOR SHARE on the nullable side of an outer join; in a CTE it is allowed.
    machtiging_cte = theirs.cte("held")
    token_with_machtiging = token.outerjoin(machtiging_cte, true())
    if joined is None:
        return select(token, machtiging_cte).select_from(token_with_machtiging)
    more = joined(token).lateral("beside")
    return select(token, machtiging_cte, more).select_from(token_with_machtiging.outerjoin(more, true()))


_LOAD, _LOAD_FOR_SHARE = Statement(_build_token_select(for_share=False)), Statement(_build_token_select(for_share=True))


async def load_token(executor: Executor, jti: TokenId, at: datetime | None = None) -> TokenState | None:
    """Load a token with its machtiging; None for an unknown jti or a forged row."""
    return await _load_token_state(executor, _LOAD, jti, at)


async def load_token_for_share(executor: Executor, jti: TokenId, at: datetime | None = None) -> TokenState | None:
    """Load a token and lock its machtiging FOR SHARE until the transaction ends.

    A concurrent revocation waits. Returns as `load_token`.
    """
    return await _load_token_state(executor, _LOAD_FOR_SHARE, jti, at)


def token_query(joined: JoinedSelect) -> Statement:
    """Build a statement for a token, its machtiging and the `joined` select.

    `joined` receives a FROM with columns `t_<name>`. Its columns are NULL when it selects nothing. Parameters: `jti`
    and those of `joined`. Read the row with `token_state_from_row`.
    """
    return Statement(token_select(joined))


def token_select(joined: JoinedSelect) -> Select[Any]:
    """Build the select of `token_query`, for a larger statement."""
    return _build_token_select(for_share=False, joined=joined)


async def _load_token_state(
    executor: Executor, statement: Statement, jti: UUID, at: datetime | None
) -> TokenState | None:
    found = await statement.one_or_none(executor, {"jti": jti})
    return None if found is None else await authenticate_token_row(executor, found, at)


async def authenticate_token_row(executor: Executor, row: ResultRow, at: datetime | None) -> TokenState | None:
    """Return the token state in a row of `token_query`, after the row MAC was verified.

    None, with a journal line, for a forged row.
    """
    return token_state_from_row(row) if await authenticate_row(executor, SEALED_TOKEN, row, "t_", at=at) else None


def token_state_from_row(row: ResultRow) -> TokenState:
    """Return the token state in a row of `token_query` with a verified MAC.

    Raises Fault `machtiging_ontbreekt`.
    """
    machtiging = None if row["m_id"] is None else machtiging_from_mapping(row)
    if machtiging is None and row["t_machtiging_id"] is not None:
        # Fail closed: without its machtiging this token would count as one for the own box.
        raise Fault("machtiging_ontbreekt", private=f"token {row['t_id']} hangs on a machtiging that is not there")
    return TokenState(_facts_from_row(row), row["t_revoked_at"], machtiging)


def _facts_from_row(row: Mapping[Any, Any]) -> IssuedTokenFacts:
    return IssuedTokenFacts(
        id=row["t_id"],
        client_id=row["t_client_id"],
        grant_id=row["t_grant_id"],
        person_id=row["t_person_id"],
        machtiging_id=row["t_machtiging_id"],
        oin=row["t_oin"],
        scope=row["t_scope"],
        acts=frozenset(map(Act, row["t_acts"])),
        assurance=Assurance(row["t_assurance"]),
        issued_at=row["t_issued_at"],
        expires_at=row["t_expires_at"],
        audience=row["t_audience"],
        jkt=row["t_jkt"],
        x5t=row["t_x5t"],
        parent_id=row["t_parent_id"],
        organisation_kvk=row["t_organisation_kvk"],
    )
