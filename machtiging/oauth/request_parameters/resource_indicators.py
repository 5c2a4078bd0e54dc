"""Resource indicators (RFC 8707): one resource per token.

Unknown ones are `invalid_target`.

Known are our own API and the `resource` of each registered resource server.
"""

from __future__ import annotations

from dataclasses import dataclass

from machtiging.oauth import queries
from machtiging.oauth.client import Client
from machtiging.oauth.errors import OAuthErrorCode, OAuthRefusal
from machtiging.oauth.issuer import Issuer
from machtiging.storage.statement import Executor


@dataclass(frozen=True, slots=True)
class ResourceTarget:
    """The resource of a token: our own API, or that of a resource server. `resource_server` is None for our own."""

    uri: str
    resource_server: Client | None = None

    @property
    def stored_uri(self) -> str:
        """The value in rows. Our own API is the empty text, so that another issuer URL changes no row."""
        return "" if self.resource_server is None else self.uri


def invalid_target_error(code: str) -> OAuthRefusal:
    """Build an `invalid_target` refusal: one text for unknown, suspended or not consented."""
    return OAuthRefusal(OAuthErrorCode.INVALID_TARGET, code)


async def find_target(executor: Executor, issuer: Issuer, resource: str | None) -> ResourceTarget:
    """Find the target of a `resource` parameter or stored value; empty means our own API.

    Raises OAuthRefusal `invalid_target` for an unregistered resource, or an inactive resource server.
    """
    other = resource if resource and resource != issuer.api_audience else None
    return build_target(
        issuer, resource, None if other is None else await queries.find_resource_server(executor, other)
    )


def build_target(issuer: Issuer, resource: str | None, resource_server: Client | None) -> ResourceTarget:
    """Build the target from a resource server that was loaded before. Raises OAuthRefusal `invalid_target`."""
    if not resource or resource == issuer.api_audience:
        return ResourceTarget(issuer.api_audience)
    # No registration may claim a URL under our issuer.
    if resource_server is None or f"{resource}/".startswith(f"{issuer.url}/"):
        raise invalid_target_error("resource_onbekend")
    return ResourceTarget(resource, resource_server)


def narrow_target(target: ResourceTarget, requested: str | None) -> ResourceTarget:
    """Check a token request's resource against the consented target.

    It may repeat it only.

    Raises OAuthRefusal `invalid_target`.
    """
    if requested not in (None, target.uri):
        raise invalid_target_error("resource_niet_toegestemd")
    return target


async def list_downstream_services(executor: Executor, target: ResourceTarget, *, max_links: int) -> list[str]:
    """List the names of the services that can receive a token onward by exchange.

    The services are those reachable from this target within `max_links` exchanges.
    """
    names: dict[str, str] = {}
    waiting = [] if target.resource_server is None else [(target.resource_server, max_links)]
    while waiting:
        server, hops_left = waiting.pop()
        for uri in sorted(server.exchange_targets) if hops_left else ():
            found = None if uri in names or uri == target.uri else await queries.find_resource_server(executor, uri)
            if found is not None:
                names[uri] = found.name
                waiting.append((found, hops_left - 1))
    return sorted(names.values())
