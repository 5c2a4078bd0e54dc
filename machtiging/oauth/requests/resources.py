"""Resource indicators (RFC 8707): one resource per token.

Unknown ones are `invalid_target`.

Known are our own API and the `resource` of each registered resource server.
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
    """The resource of a token: our own API (no `resource_server`), or that of a resource server."""

    uri: str
    server: Client | None = None

    @property
    def as_kept(self) -> str:
        """The value in rows. Our own API is the empty text, so that another issuer URL changes no row."""
        return "" if self.server is None else self.uri


def unknown_target(code: str) -> OAuthRefusal:
    """Build an `invalid_target` refusal: one text for unknown, suspended or not consented."""
    return OAuthRefusal(Wire.INVALID_TARGET, code)


async def target_of(work: Work, issuer: Issuer, resource: str | None) -> Target:
    """Find the target of a `resource` parameter or stored value; empty means our own API.

    Raises OAuthRefusal `invalid_target` for an unregistered resource, or an inactive resource server.
    """
    other = resource if resource and resource != issuer.audience else None
    return target_with(issuer, resource, None if other is None else await queries.client_for_resource(work, other))


def target_with(issuer: Issuer, resource: str | None, server: Client | None) -> Target:
    """Build the target from a resource server that was loaded before. Raises OAuthRefusal `invalid_target`."""
    if not resource or resource == issuer.audience:
        return Target(issuer.audience)
    # No registration may claim a URL under our issuer.
    if server is None or f"{resource}/".startswith(f"{issuer.url}/"):
        raise unknown_target("resource_onbekend")
    return Target(resource, server)


def narrowed_target(target: Target, asked: str | None) -> Target:
    """Check a token request's resource against the consented target.

    It may repeat it only.

    Raises OAuthRefusal `invalid_target`.
    """
    if asked not in (None, target.uri):
        raise unknown_target("resource_niet_toegestemd")
    return target


async def further(work: Work, target: Target, *, links: int) -> list[str]:
    """List the names of the services that can receive a token onward by exchange.

    The services are those reachable from this target within `max_links` exchanges.
    """
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
