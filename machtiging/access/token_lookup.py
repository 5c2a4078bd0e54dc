"""Load a token by `jti` with the authority that it names, in one statement."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import FromClause, Select, select, true

from machtiging.access_tokens.issued_token import TokenState
from machtiging.access_tokens.tokens import authenticate_token, build_token_cte, build_token_state
from machtiging.delegation.authority.queries import authority_from_row, select_authority
from machtiging.delegation.authority.rules import Authority
from machtiging.kernel.ids import TokenId
from machtiging.storage.statement import Executor, ResultRow, Statement

AuthorityToken = TokenState[Authority]
JoinedSelect = Callable[[FromClause], Select[Any]]


def _build_token_select(*, for_share: bool, joined: JoinedSelect | None = None) -> Select[Any]:
    token = build_token_cte()
    # By a value and not by a join: see `delegation.authority.queries`.
    machtiging_id = select(token.c.t_machtiging_id).scalar_subquery()
    # PostgreSQL refuses FOR SHARE on the nullable side of an outer join; in a CTE it is allowed.
    machtiging_cte = select_authority(machtiging_id, for_share=for_share).cte("held")
    token_with_machtiging = token.outerjoin(machtiging_cte, true())
    if joined is None:
        return select(token, machtiging_cte).select_from(token_with_machtiging)
    more = joined(token).lateral("beside")
    return select(token, machtiging_cte, more).select_from(token_with_machtiging.outerjoin(more, true()))


_LOAD, _LOAD_FOR_SHARE = Statement(_build_token_select(for_share=False)), Statement(_build_token_select(for_share=True))


async def load_token(executor: Executor, jti: TokenId, at: datetime | None = None) -> AuthorityToken | None:
    """Load a token with its machtiging; None for an unknown jti or a forged row."""
    return await _load_token_state(executor, _LOAD, jti, at)


async def load_token_for_share(executor: Executor, jti: TokenId, at: datetime | None = None) -> AuthorityToken | None:
    """Load a token and lock its machtiging FOR SHARE until the transaction ends.

    A concurrent revocation waits. Returns as `load_token`.
    """
    return await _load_token_state(executor, _LOAD_FOR_SHARE, jti, at)


def token_query(joined: JoinedSelect) -> Statement:
    """Build a statement for a token, its machtiging and the `joined` select.

    `joined` receives a FROM with columns `t_<name>`. Its columns are NULL when it selects nothing. Parameters: `jti`
    and those of `joined`. Read the row with `authenticate_token_row`.
    """
    return Statement(token_select(joined))


def token_select(joined: JoinedSelect) -> Select[Any]:
    """Build the select of `token_query`, for a larger statement."""
    return _build_token_select(for_share=False, joined=joined)


async def _load_token_state(
    executor: Executor, statement: Statement, jti: UUID, at: datetime | None
) -> AuthorityToken | None:
    found = await statement.one_or_none(executor, {"jti": jti})
    return None if found is None else await authenticate_token_row(executor, found, at)


async def authenticate_token_row(executor: Executor, row: ResultRow, at: datetime | None) -> AuthorityToken | None:
    """Return the token state in a row of `token_query`, after the row MAC was verified.

    None, with a journal line, for a forged row.
    """
    if not await authenticate_token(executor, row, at):
        return None
    return build_token_state(row, None if row["m_id"] is None else await authority_from_row(executor, row, at=at))
