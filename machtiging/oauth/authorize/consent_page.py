"""The consent page: client, access, person and duration, in plain words (NL GOV OAuth 3.1.4)."""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from machtiging.identity.session import Visitor
from machtiging.oauth.authorize.consent_view import build_consent_view
from machtiging.oauth.authorize.decision import ChoicePrompt, ConsentPrompt
from machtiging.oauth.dependencies import oauth_services
from machtiging.web.headers import CSP_PAGE
from machtiging.web.pages import render_page

# The query parameter and form field with the key of the choice.
CHOICE_PARAMETER = "voor"


async def render_choice_page(request: Request, session: AsyncSession, prompt: ChoicePrompt) -> Response:
    """Render the page on which the person chooses whose post the app may see. Its refusal goes to the client."""
    services = oauth_services(request)
    labels = await services.details_handler.label_choices(session, services.keyring, prompt.choices)
    status = 400 if prompt.is_key_unknown else 200
    response = render_page(
        request, "consent_keuze.html", status=status, prompt=prompt, labels=labels, visitor=prompt.visitor
    )
    response.headers["content-security-policy"] = _build_csp(prompt.redirect_uri)
    return response


async def render_consent_page(
    request: Request, session: AsyncSession, visitor: Visitor, prompt: ConsentPrompt
) -> Response:
    """Render the consent page with a CSP that allows a redirect to this client.

    Browsers apply `form-action` to redirects after a form too. So the policy names the origin of the redirect URI.
    """
    consent_view = await build_consent_view(request, session, visitor, prompt)
    response = render_page(request, "consent.html", asked=consent_view, prompt=prompt, visitor=visitor)
    response.headers["content-security-policy"] = _build_csp(prompt.redirect_uri)
    return response


def _build_csp(redirect_uri: str) -> str:
    parts = urlsplit(redirect_uri)
    return CSP_PAGE.replace("form-action 'self'", f"form-action 'self' {parts.scheme}://{parts.netloc}")
