"""Optimistic lock: the write statement checks again that token or session, and authority, are unchanged.

The write succeeds only if the token is unrevoked, or the login session not ended, and every row of the authority has
the same xmin as when it was read. Otherwise it returns no row and the caller retries. No row lock or transaction is
needed between read and write.

One race is left (docs/decisions/0017): a token that is revoked, or a session that ends, while the statement waits for
a change of the machtiging.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import FromClause, Select, bindparam, literal, select, true

from machtiging.access_tokens.tables import IssuedToken
from machtiging.delegation.authority.queries import AUTHORITY_FROM, AUTHORITY_VERSION
from machtiging.delegation.locks import lock_shared
from machtiging.delegation.queries import machtiging_table
from machtiging.identity.session import login_session_table
from machtiging.storage.columns import table_of

_TOKEN_TABLE = table_of(IssuedToken)
_SESSION_TABLE = login_session_table()


def unchanged_since_read(*, with_machtiging: bool) -> Select[Any]:
    """Select one row if the token is unrevoked and, `with_machtiging`, its whole authority is unchanged.

    Parameters: `jti` and, with a machtiging, `machtiging` and the `version` of the authority. Every row that the
    authority hangs on is compared as this statement sees it. The machtiging itself is locked FOR SHARE until the
    transaction ends, as in `access.token_lookup.load_token_for_share`. A concurrent revocation of the machtiging waits
    for this statement. If the revocation came first, this statement finds it.
    """
    token = select(literal(1).label("open")).where(
        _TOKEN_TABLE.c.id == bindparam("jti"), _TOKEN_TABLE.c.revoked_at.is_(None)
    )
    return _with_unchanged_authority(token, _TOKEN_TABLE) if with_machtiging else token


def unchanged_since_read_in_session() -> Select[Any]:
    """Select one row if the login session has not ended and the authority is unchanged.

    Parameters: `session_id`, `machtiging` and `version`, as for `unchanged_since_read`.
    """
    login = select(literal(1).label("open")).where(
        _SESSION_TABLE.c.id == bindparam("session_id"), _SESSION_TABLE.c.ended_at.is_(None)
    )
    return _with_unchanged_authority(login, _SESSION_TABLE)


def _with_unchanged_authority(credential: Select[Any], table: FromClause) -> Select[Any]:
    machtiging = machtiging_table()
    which = bindparam("machtiging", type_=machtiging.c.id.type)
    return (
        credential.join_from(table, AUTHORITY_FROM, machtiging.c.id == which)
        .join(lock_shared(which), true())
        .where(bindparam("version") == AUTHORITY_VERSION)
        .with_for_update(read=True, of=machtiging)
    )
