"""Optimistic lock: the write statement checks again that token and authority are unchanged.

The write succeeds only if the token is unrevoked and every row of the authority has the same xmin as when it was read.
Otherwise it returns no row and the caller retries. No row lock or transaction is needed between read and write.

One race is left (docs/decisions/0017): a token that is revoked while the statement waits for a change of the
machtiging.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, bindparam, literal, select, true

from machtiging.access_tokens.tables import IssuedToken
from machtiging.delegation.authority.queries import AUTHORITY_FROM, AUTHORITY_VERSION
from machtiging.delegation.locks import lock_shared
from machtiging.delegation.queries import machtiging_table
from machtiging.storage.columns import table_of

_TOKEN_TABLE = table_of(IssuedToken)


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
    if not with_machtiging:
        return token
    machtiging = machtiging_table()
    which = bindparam("machtiging", type_=machtiging.c.id.type)
    return (
        token.join_from(_TOKEN_TABLE, AUTHORITY_FROM, machtiging.c.id == which)
        .join(lock_shared(which), true())
        .where(bindparam("version") == AUTHORITY_VERSION)
        .with_for_update(read=True, of=machtiging)
    )
