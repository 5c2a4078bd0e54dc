"""Rows of issued access tokens by `jti`: inserted when issued, loaded on every use."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import CTE, FromClause, bindparam, func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access_tokens.issued_token import IssuedTokenFacts, RepresentationT_co, TokenState
from machtiging.access_tokens.tables import SEALED_TOKEN, IssuedToken
from machtiging.audit.journal import NewJournalLine, build_journal_insert_cte, build_journal_line_params
from machtiging.audit.row_authentication import authenticate_row
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.errors import Fault
from machtiging.kernel.ids import GrantId, uuid7
from machtiging.storage.columns import table_of
from machtiging.storage.row_mac import MAC_COLUMN, seal_row
from machtiging.storage.statement import Executor, ResultRow

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


def build_token_cte() -> CTE:
    """Build the CTE with a token's row, its columns as `t_<name>`. Parameter: `jti`."""
    columns = (column.label(f"t_{column.name}") for column in _TOKEN_TABLE.c)
    return select(*columns).where(_TOKEN_TABLE.c.id == bindparam("jti")).cte("token")


async def authenticate_token(executor: Executor, row: ResultRow, at: datetime | None) -> bool:
    """Verify the row MAC of a token in a row with the columns of `build_token_cte`.

    False, with a journal line, for a forged row.
    """
    return await authenticate_row(executor, SEALED_TOKEN, row, "t_", at=at)


def build_token_state(row: ResultRow, representation: RepresentationT_co | None) -> TokenState[RepresentationT_co]:
    """Build the token state from a row with a verified MAC.

    Raises Fault `machtiging_ontbreekt`.
    """
    if representation is None and row["t_machtiging_id"] is not None:
        # Fail closed: without its machtiging this token would count as one for the own box.
        raise Fault("machtiging_ontbreekt", private=f"token {row['t_id']} hangs on a machtiging that is not there")
    return TokenState(_facts_from_row(row), row["t_revoked_at"], representation)


def _facts_from_row(row: Mapping[Any, Any]) -> IssuedTokenFacts:
    return IssuedTokenFacts(
        id=row["t_id"],
        client_id=row["t_client_id"],
        grant_id=row["t_grant_id"],
        person_id=row["t_person_id"],
        machtiging_id=row["t_machtiging_id"],
        oin=row["t_oin"],
        scope=row["t_scope"],
        acts=frozenset(row["t_acts"]),
        assurance=Assurance(row["t_assurance"]),
        issued_at=row["t_issued_at"],
        expires_at=row["t_expires_at"],
        audience=row["t_audience"],
        jkt=row["t_jkt"],
        x5t=row["t_x5t"],
        parent_id=row["t_parent_id"],
        organisation_kvk=row["t_organisation_kvk"],
        representation_set=row["t_representation_set"],
    )
