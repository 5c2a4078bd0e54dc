"""Load a token by `jti` with the authority that it names, in one statement."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import FromClause, Select, Uuid, bindparam, case, func, select, true

from machtiging.access_tokens.issued_token import IssuedTokenFacts, TokenState
from machtiging.access_tokens.tokens import authenticate_token, build_token_cte, build_token_state
from machtiging.delegation.authority.machtiging_set import read_machtiging_set
from machtiging.delegation.authority.queries import authority_from_row, select_authority
from machtiging.delegation.authority.rules import Authority
from machtiging.kernel.ids import TokenId
from machtiging.storage.statement import Executor, ResultRow, Statement

AuthorityToken = TokenState[Authority]
JoinedSelect = Callable[[FromClause], Select[Any]]


def _build_token_select(*, for_share: bool, joined: JoinedSelect | None = None) -> Select[Any]:
    token = build_token_cte()
    # A token for several has no machtiging of its own: then it is the one that the request names.
    addressed = case((token.c.t_representation_set.is_not(None), bindparam("addressed", type_=Uuid())))
    # By a value and not by a join: see `delegation.authority.queries`.
    machtiging_id = select(func.coalesce(token.c.t_machtiging_id, addressed)).scalar_subquery()
    # PostgreSQL refuses FOR SHARE on the nullable side of an outer join; in a CTE it is allowed.
    machtiging_cte = select_authority(machtiging_id, for_share=for_share).cte("held")
    token_with_machtiging = token.outerjoin(machtiging_cte, true())
    if joined is None:
        return select(token, machtiging_cte).select_from(token_with_machtiging)
    more = joined(token).lateral("beside")
    return select(token, machtiging_cte, more).select_from(token_with_machtiging.outerjoin(more, true()))


_LOAD, _LOAD_FOR_SHARE = Statement(_build_token_select(for_share=False)), Statement(_build_token_select(for_share=True))


async def load_token(
    executor: Executor, jti: TokenId, at: datetime | None = None, *, addressed: UUID | None = None
) -> AuthorityToken | None:
    """Load a token with its machtiging; None for an unknown jti or a forged row.

    `addressed`: the machtiging that the request names, for a token for several. One that the token does not cover, or
    that its person does not hold, is not loaded.
    """
    return await _load_token_state(executor, _LOAD, jti, at, addressed)


async def load_token_for_share(
    executor: Executor, jti: TokenId, at: datetime | None = None, *, addressed: UUID | None = None
) -> AuthorityToken | None:
    """Load a token and lock its machtiging FOR SHARE until the transaction ends.

    A concurrent revocation waits. Returns as `load_token`.
    """
    return await _load_token_state(executor, _LOAD_FOR_SHARE, jti, at, addressed)


def token_query(joined: JoinedSelect) -> Statement:
    """Build a statement for a token, its machtiging and the `joined` select.

    `joined` receives a FROM with columns `t_<name>`. Its columns are NULL when it selects nothing. Parameters: `jti`,
    `addressed` and those of `joined`. Read the row with `authenticate_token_row`.
    """
    return Statement(token_select(joined))


def token_select(joined: JoinedSelect) -> Select[Any]:
    """Build the select of `token_query`, for a larger statement."""
    return _build_token_select(for_share=False, joined=joined)


async def _load_token_state(
    executor: Executor, statement: Statement, jti: UUID, at: datetime | None, addressed: UUID | None
) -> AuthorityToken | None:
    found = await statement.one_or_none(executor, {"jti": jti, "addressed": addressed})
    return None if found is None else await authenticate_token_row(executor, found, at)


async def authenticate_token_row(executor: Executor, row: ResultRow, at: datetime | None) -> AuthorityToken | None:
    """Return the token state in a row of `token_query`, after the row MAC was verified.

    None, with a journal line, for a forged row.
    """
    if not await authenticate_token(executor, row, at):
        return None
    state: AuthorityToken = build_token_state(
        row, None if row["m_id"] is None else await authority_from_row(executor, row, at=at)
    )
    covered = state.representation is None or _covers(state.facts, state.representation)
    return state if covered else replace(state, representation=None)


def _covers(facts: IssuedTokenFacts, authority: Authority) -> bool:
    if facts.representation_set is None:
        # SQL and Python differ about a JSON null in the column: a token of its own has no addressed machtiging.
        return authority.machtiging_id == facts.machtiging_id
    return read_machtiging_set(facts.representation_set).covers(authority, facts.person_id, facts.organisation_kvk)
