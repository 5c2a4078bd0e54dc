"""Resource indicators (RFC 8707): which resource a token is for, one per token. Unknown ones are `invalid_target`.

Known are our own API, and what a resource server has registered as its `resource`.
"""

from __future__ import annotations

from dataclasses import dataclass

from machtiging.oauth import queries
from machtiging.oauth.client import Client
from machtiging.oauth.errors import OAuthRefusal, Wire
from machtiging.oauth.issuer import Issuer
from machtiging.storage.statement import Work


@dataclass(frozen=True, slots=True)
class Target:
    """A resource that tokens are made for: our own API (no `server`), or that of a registered resource server."""

    uri: str
    server: Client | None = None

    @property
    def as_kept(self) -> str:
        """How rows keep it: our own API is the empty text, so that a move to another URL changes no row."""
        return "" if self.server is None else self.uri


def unknown_target(code: str) -> OAuthRefusal:
    """invalid_target: one text for unknown, suspended, not the one that was consented to."""
    return OAuthRefusal(Wire.INVALID_TARGET, code)


async def target_of(work: Work, issuer: Issuer, resource: str | None) -> Target:
    """The target behind a `resource` parameter or a kept one; nothing means our own API.

    Raises OAuthRefusal `invalid_target` for what nobody has registered, or whose server is not active.
    """
    other = resource if resource and resource != issuer.audience else None
    return target_with(issuer, resource, None if other is None else await queries.client_for_resource(work, other))


def target_with(issuer: Issuer, resource: str | None, server: Client | None) -> Target:
    """As `target_of`, for who has looked up the active resource server that registered it. Raises OAuthRefusal."""
    if not resource or resource == issuer.audience:
        return Target(issuer.audience)
    # No registration makes somebody else the server of an address of ours.
    if server is None or f"{resource}/".startswith(f"{issuer.url}/"):
        raise unknown_target("resource_onbekend")
    return Target(resource, server)


def narrowed_target(target: Target, asked: str | None) -> Target:
    """The target of one token: the one that was consented to. A token request may repeat it, and name no other.

    Raises OAuthRefusal `invalid_target`.
    """
    if asked not in (None, target.uri):
        raise unknown_target("resource_niet_toegestemd")
    return target


async def further(work: Work, target: Target, *, links: int) -> list[str]:
    """The names of the services to which this one may hand a token on, and those to theirs, within so many links."""
    names: dict[str, str] = {}
    waiting = [] if target.server is None else [(target.server, links)]
    while waiting:
        server, left = waiting.pop()
        for uri in sorted(server.exchange_targets) if left else ():
            found = None if uri in names or uri == target.uri else await queries.client_for_resource(work, uri)
            if found is not None:
                names[uri] = found.name
                waiting.append((found, left - 1))
    return sorted(names.values())
