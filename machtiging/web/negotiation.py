"""Content negotiation: reject a wrong Content-Type (415) and an unsatisfiable Accept (406)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.exceptions import HTTPException
from starlette.requests import Request


def content_type(request: Request) -> str:
    """Return the body's media type, lower case, without parameters; empty if absent."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def takes(*accepted: str) -> Callable[[Request], Awaitable[None]]:
    """Make a dependency that requires one of these body types. Raises HTTPException 415.

    The response names the accepted types; for PATCH in Accept-Patch (RFC 5789 section 3.1).
    """

    async def check(request: Request) -> None:
        if content_type(request) not in accepted:
            name = "Accept-Patch" if request.method == "PATCH" else "Accept"
            raise HTTPException(415, headers={name: ", ".join(accepted)})

    return check


def gives(*offered: str) -> Callable[[Request], Awaitable[None]]:
    """Make a dependency that requires Accept to match one of these types. Raises HTTPException 406."""

    async def check(request: Request) -> None:
        header = request.headers.get("accept", "*/*")
        if not any(_matches(wanted, offer) for wanted in header.split(",") for offer in offered):
            raise HTTPException(406)

    return check


def preferred(request: Request, *offered: str) -> str:
    """Return the first of these types that Accept matches; without a match, the first."""
    header = request.headers.get("accept", "*/*")
    matching = (offer for offer in offered if any(_matches(wanted, offer) for wanted in header.split(",")))
    return next(matching, offered[0])


def _matches(wanted: str, offered: str) -> bool:
    media, *parameters = (part.strip().lower() for part in wanted.split(";"))
    if any(parameter in {"q=0", "q=0.0", "q=0.00", "q=0.000"} for parameter in parameters):
        return False
    kind = offered.partition("/")[0]
    return media in {"", "*/*", f"{kind}/*", offered}
