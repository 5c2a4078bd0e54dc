"""Sender constraint of refresh tokens (RFC 9449 section 5).

Public clients must use the same DPoP key. Confidential clients may change key or certificate, but may not drop the
binding: otherwise a stolen client key would turn bound tokens into plain ones.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, Table

from machtiging.access.proof.binding import Binding, Bound
from machtiging.oauth.client import PUBLIC, Client
from machtiging.oauth.errors import OAuthRefusal, Wire
from machtiging.oauth.tables import RefreshToken

_TOKEN: Table = RefreshToken.__table__  # type: ignore[attr-defined]


def fitting(client: Client, shown: Binding) -> tuple[ColumnElement[bool], ...]:
    """Build the SQL conditions for refresh tokens that these credentials may use."""
    both = ((_TOKEN.c.jkt, shown.jkt), (_TOKEN.c.x5t, shown.x5t))
    if client.auth_method == PUBLIC:
        return tuple(column.is_not_distinct_from(value) for column, value in both)
    return tuple(column.is_(None) for column, value in both if value is None)


def fits(client: Client, tied: Binding, shown: Binding) -> bool:
    """Check the same rule on a row that was read."""
    if client.auth_method == PUBLIC:
        return tied == shown
    return (tied.jkt is None or shown.jkt is not None) and (tied.x5t is None or shown.x5t is not None)


def unfit(client: Client, was: Bound, shown: Binding) -> OAuthRefusal:
    """Build the refusal for a token with another binding."""
    if client.auth_method == PUBLIC:
        return OAuthRefusal(Wire.INVALID_GRANT, "verversing_andere_sleutel")
    if was.jkt is not None and shown.x5t is None:
        return OAuthRefusal(Wire.INVALID_DPOP_PROOF, "verversing_zonder_bewijs")
    return OAuthRefusal(Wire.INVALID_GRANT, "verversing_anders_gebonden")
