"""CSRF protection of forms: a synchroniser token per session, and a check of the origin.

Source: OWASP Cross-Site Request Forgery Prevention (synchroniser token; verifying the origin as second line).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request

from machtiging.crypto import secrets
from machtiging.identity.dependencies import identity_services
from machtiging.identity.session import Visitor, require_visitor
from machtiging.kernel.errors import NotAllowed

CSRF_FIELD = "csrf"
CSRF_HEADER = "X-CSRF-Token"


class FormExpired(NotAllowed):
    """Refusal of a form from another site or from another session."""


def _build_refusal(reason: str) -> FormExpired:
    return FormExpired("formulier_verlopen", private=reason)


def parse_origin(url: str) -> str:
    """Return scheme, host and port of a URL, as browsers write them in `Origin`."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


def check_origin(request: Request) -> None:
    """Refuse a request that another site started. Raises NotAllowed `formulier_verlopen`.

    A page cannot set `Sec-Fetch-Site`. `Origin: null` proves nothing, because a strict referrer policy causes it too.
    It is ignored when `Sec-Fetch-Site` is `same-origin`. A browser that sends neither header is refused.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None and site != "same-origin":
        raise _build_refusal("sec-fetch-site")
    if site is not None and origin in (None, "null"):
        return
    if origin is None or origin.lower() != parse_origin(identity_services(request).issuer):
        raise _build_refusal("origin")


async def verify_csrf(request: Request, visitor: Visitor, *, max_files: int = 0) -> None:
    """Check the origin and the CSRF token of a posted form. Raises NotAllowed `formulier_verlopen`."""
    check_origin(request)
    # Other forms have no file fields. An uploaded file is refused before it is stored anywhere.
    offered = (await request.form(max_files=max_files)).get(CSRF_FIELD)
    if not isinstance(offered, str) or not secrets.constant_time_equals(offered, visitor.csrf_token):
        raise _build_refusal("token")


async def _require_csrf(request: Request, visitor: Annotated[Visitor, Depends(require_visitor)]) -> None:
    await verify_csrf(request, visitor)


async def _require_upload_csrf(
    request: Request, visitor: Annotated[Visitor, Depends(require_visitor)]
) -> AsyncIterator[None]:
    """Check as `verify_csrf`, and close the temporary file after the request."""
    try:
        await verify_csrf(request, visitor, max_files=1)
        yield
    finally:
        await request.close()


async def _require_csrf_header(request: Request, visitor: Annotated[Visitor, Depends(require_visitor)]) -> None:
    """Check the origin and the CSRF token of a JSON request. Raises NotAllowed `formulier_verlopen`."""
    check_origin(request)
    if not secrets.constant_time_equals(request.headers.get(CSRF_HEADER, ""), visitor.csrf_token):
        raise _build_refusal("token")


CsrfProtected = Annotated[None, Depends(_require_csrf)]
# For a form with one file.
UploadCsrfProtected = Annotated[None, Depends(_require_upload_csrf)]
# For routes of the API, which get no form.
CsrfHeaderProtected = Annotated[None, Depends(_require_csrf_header)]
