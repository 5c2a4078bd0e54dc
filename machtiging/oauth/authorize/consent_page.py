"""The consent page: client, access, person and duration, in plain Dutch (NL GOV OAuth 3.1.4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from machtiging.identity.session import Visitor
from machtiging.kernel.assurance import Assurance
from machtiging.oauth.authorization_details.handler import AccessFact
from machtiging.oauth.authorize.decision import ChoicePrompt, ConsentPrompt
from machtiging.oauth.client import AUTH_METHOD_NONE, Client
from machtiging.oauth.dependencies import oauth_services
from machtiging.oauth.openid.authentication_request import load_authentication_request
from machtiging.oauth.request_parameters.resource_indicators import list_downstream_services
from machtiging.oauth.rules import CONSENT_MANAGEMENT_SCOPE, MAX_EXCHANGE_CHAIN
from machtiging.web.headers import CSP_PAGE
from machtiging.web.pages import render_page

_LEVEL_TEXTS = {Assurance.LOW: "laag", Assurance.SUBSTANTIAL: "substantieel", Assurance.HIGH: "hoog"}


@dataclass(frozen=True, slots=True)
class ConsentView:
    """The texts of the consent page.

    `person` is None for the own Berichtenbox, `elsewhere` None for our own API.
    """

    app: str
    app_site: str
    registered: str
    person: str | None
    acts: Sequence[str]
    left_out: Sequence[str]
    warnings: Sequence[AccessFact]
    limits: Sequence[AccessFact]
    is_several: bool
    minutes: int
    machtiging_ends_at: datetime | None
    level: str
    knows_you: bool
    learns_name: bool
    refreshes: bool
    ends_consents: bool
    elsewhere: str | None
    passed_on: list[str]


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
    consent_view = await build_consent_view(request, session, prompt)
    response = render_page(request, "consent.html", asked=consent_view, prompt=prompt, visitor=visitor)
    response.headers["content-security-policy"] = _build_csp(prompt.redirect_uri)
    return response


def _build_csp(redirect_uri: str) -> str:
    parts = urlsplit(redirect_uri)
    return CSP_PAGE.replace("form-action 'self'", f"form-action 'self' {parts.scheme}://{parts.netloc}")


async def build_consent_view(request: Request, session: AsyncSession, prompt: ConsentPrompt) -> ConsentView:
    """Build the texts of the consent page.

    Without a redirect URI (CIBA) `app_site` is empty.
    """
    choice, services = prompt.grantable, oauth_services(request)
    described = await services.details_handler.describe_choice(
        session, services.keyring, choice, prompt.visitor, at=services.clock.now()
    )
    return ConsentView(
        app=prompt.client.name,
        app_site=urlsplit(prompt.redirect_uri).hostname or "",
        registered=_describe_registration(prompt.client, practice=services.practice),
        person=described.person,
        acts=described.acts,
        left_out=described.left_out,
        warnings=described.warnings,
        limits=described.limits,
        is_several=described.is_several,
        minutes=max(1, services.access_token_seconds // 60),
        machtiging_ends_at=None if choice.representation is None else choice.representation.ends_at,
        level=_LEVEL_TEXTS[choice.assurance],
        knows_you="openid" in prompt.parameters.get("scope", "").split(),
        learns_name=any(
            "name" in names for names in load_authentication_request(prompt.parameters).claims_to_release.values()
        ),
        refreshes=prompt.client.may_refresh,
        ends_consents=CONSENT_MANAGEMENT_SCOPE in prompt.parameters.get("scope", "").split(),
        elsewhere=None
        if prompt.target.resource_server is None
        else f"{prompt.target.resource_server.name} ({prompt.target.uri})",
        passed_on=await list_downstream_services(session, prompt.target, max_links=MAX_EXCHANGE_CHAIN - 1),
    )


def _describe_registration(client: Client, *, practice: bool) -> str:
    """Describe the registration of this client and its proof of identity (NL GOV OAuth 3.1.4)."""
    how = "vooraf door ons geregistreerd"
    if client.by_program:
        how = "heeft zichzelf bij ons aangemeld"
        how += "; in een oefenomgeving kijken wij dat niet na" if practice else ", en wij hebben dat goedgekeurd"
    if client.auth_method == AUTH_METHOD_NONE:
        how += ". Deze app heeft geen eigen sleutel: wij kunnen niet nagaan of het echt deze app is die het vraagt"
    return how
