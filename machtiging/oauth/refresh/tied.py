"""What a refresh token is tied to: of a public client to its very key, of one that authenticates to having one at all.

Such a client may change its key (RFC 9449 section 5), or show a certificate that was renewed. It may not drop it: what
was once bound stays bound in the same way, or a stolen key of the client would make plain tokens of bound ones.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, Table

from machtiging.access.proof.binding import Binding, Bound
from machtiging.oauth.client import PUBLIC, Client
from machtiging.oauth.errors import OAuthRefusal, Wire
from machtiging.oauth.tables import RefreshToken

_TOKEN: Table = RefreshToken.__table__  # type: ignore[attr-defined]


def fitting(client: Client, shown: Binding) -> tuple[ColumnElement[bool], ...]:
    """The refresh tokens that a request may use which shows this: the conditions on their rows."""
    both = ((_TOKEN.c.jkt, shown.jkt), (_TOKEN.c.x5t, shown.x5t))
    if client.auth_method == PUBLIC:
        return tuple(column.is_not_distinct_from(value) for column, value in both)
    return tuple(column.is_(None) for column, value in both if value is None)


def fits(client: Client, tied: Binding, shown: Binding) -> bool:
    """The same, asked of a row that was seen."""
    if client.auth_method == PUBLIC:
        return tied == shown
    return (tied.jkt is None or shown.jkt is not None) and (tied.x5t is None or shown.x5t is not None)


def unfit(client: Client, was: Bound, shown: Binding) -> OAuthRefusal:
    """The refusal for a token that is tied to something else."""
    if client.auth_method == PUBLIC:
        return OAuthRefusal(Wire.INVALID_GRANT, "verversing_andere_sleutel")
    if was.jkt is not None and shown.x5t is None:
        return OAuthRefusal(Wire.INVALID_DPOP_PROOF, "verversing_zonder_bewijs")
    return OAuthRefusal(Wire.INVALID_GRANT, "verversing_anders_gebonden")
