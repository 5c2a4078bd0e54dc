"""Forms are only taken from our own pages: the session's token in the form, and a request that our origin started.

Source: OWASP Cross-Site Request Forgery Prevention (synchroniser token, and verifying origin as second line).
"""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request

from machtiging.crypto import secrets
from machtiging.identity.session import Visitor, visitor_or_refused
from machtiging.kernel.errors import NotAllowed

FIELD = "csrf"


class FormExpired(NotAllowed):
    """A form that is not taken: another site started it, or it was made in another session."""


def _refusal(reason: str) -> FormExpired:
    sentence = "Dit formulier is verlopen. Ga terug, laad de pagina opnieuw en probeer het nog een keer."
    return FormExpired("formulier_verlopen", sentence, private=reason)


def origin_of(url: str) -> str:
    """Scheme, host and port of a URL, as browsers write them in `Origin`."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


def check_origin(request: Request) -> None:
    """Refuse what another site started. Raises NotAllowed `formulier_verlopen`.

    `Sec-Fetch-Site` cannot be set by a page. `Origin: null` says nothing (a strict referrer policy causes it), so it
    is passed over when `Sec-Fetch-Site` vouches. A browser that sends neither is refused.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None and site != "same-origin":
        raise _refusal("sec-fetch-site")
    if site is not None and origin in (None, "null"):
        return
    if origin is None or origin.lower() != origin_of(request.app.state.issuer):
        raise _refusal("origin")


async def check_form(request: Request, visitor: Visitor) -> None:
    """Both checks for a form that this visitor posts. Raises NotAllowed `formulier_verlopen`."""
    check_origin(request)
    # Our forms send no files: one that comes along is refused before it is written anywhere.
    offered = (await request.form(max_files=0)).get(FIELD)
    if not isinstance(offered, str) or not secrets.same(offered, visitor.csrf_token):
        raise _refusal("token")


async def _csrf(request: Request, visitor: Annotated[Visitor, Depends(visitor_or_refused)]) -> None:
    await check_form(request, visitor)


CsrfProtected = Annotated[None, Depends(_csrf)]
