"""Acting only while what was looked at still stands: asked in the very statement that acts, so nothing is held between.

Who looks, decides and then acts could hold the rows meanwhile, and pays for a transaction around it. Or the statement
that acts sees for itself whether anything has changed since, and then does nothing at all: whoever asked looks again.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Label, Select, Table, bindparam, column, literal, literal_column, select, true

from machtiging.access.tables import IssuedToken
from machtiging.delegation.gate import enter_beside_others
from machtiging.delegation.queries import machtiging_table

_TOKEN: Table = IssuedToken.__table__  # type: ignore[attr-defined]
# The row version as PostgreSQL counts it: every change of the machtiging, whatever it changes, gives it another.
VERSION: Label[Any] = literal_column("machtiging.xmin").label("m_version")


def still_open(*, under: bool) -> Select[Any]:
    """One row while the token `jti` is not revoked and, if `under`, the machtiging is the version that was seen.

    Its values are `jti` and, if `under`, `machtiging` and `version`. As with `access.tokens.hold`, the machtiging stays
    as it is until the transaction ends: a revocation waits for the answer, or the answer finds that it came too late.
    """
    token = select(literal(1).label("open")).where(_TOKEN.c.id == bindparam("jti"), _TOKEN.c.revoked_at.is_(None))
    if not under:
        return token
    machtiging = machtiging_table()
    which = bindparam("machtiging", type_=machtiging.c.id.type)
    return (
        token.join_from(_TOKEN, machtiging, machtiging.c.id == which)
        .join(enter_beside_others(which), true())
        .where(column("xmin", _selectable=machtiging) == bindparam("version"))
        .with_for_update(read=True, of=machtiging)
    )
