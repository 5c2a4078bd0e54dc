"""The consent page: client, access, person and duration, in plain Dutch (NL GOV OAuth 3.1.4)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from urllib.parse import urlsplit

from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from machtiging.agencies.queries import all_agencies
from machtiging.delegation.rules import Act, Machtiging, Scope
from machtiging.identity.people import profile_of
from machtiging.identity.session import Visitor
from machtiging.kernel.assurance import Assurance
from machtiging.oauth.authorize.decide import Question
from machtiging.oauth.client import PUBLIC, Client
from machtiging.oauth.dependencies import oauth_services
from machtiging.oauth.openid.wishes import wishes_of
from machtiging.oauth.requests.resources import further
from machtiging.oauth.rules import CONSENTS, LONGEST_CHAIN, in_order
from machtiging.web.headers import CSP_PAGE
from machtiging.web.pages import page

_ACTS = {
    Act.LIST: "zien welke brieven er zijn",
    Act.READ: "brieven lezen",
    Act.DOWNLOAD: "bijlagen opslaan",
    Act.MARK: "aangeven of u een brief gelezen heeft, brieven in mappen leggen",
    Act.DELETE: "brieven weggooien",
}
_LEVELS = {Assurance.LOW: "laag", Assurance.SUBSTANTIAL: "substantieel", Assurance.HIGH: "hoog"}


@dataclass(frozen=True, slots=True)
class Asked:
    """The texts of the consent page.

    `person` is None for the own Berichtenbox, `agencies` None for all, `elsewhere` None for our own API.
    """

    app: str
    app_site: str
    registered: str
    person: str | None
    acts: list[str]
    deletes: bool
    left_out: list[str]
    agencies: list[str] | None
    excluded: list[str]
    letters_from: date | None
    minutes: int
    machtiging_ends_at: datetime | None
    level: str
    knows_you: bool
    learns_name: bool
    refreshes: bool
    ends_consents: bool
    elsewhere: str | None
    passed_on: list[str]


async def consent_page(request: Request, session: AsyncSession, visitor: Visitor, asking: Question) -> Response:
    """Render the consent page with a CSP that allows a redirect to this client.

    Browsers apply `form-action` to redirects after a form too. So the policy names the origin of the redirect URI.
    """
    asked = await what_is_asked(request, session, asking)
    response = page(request, "consent.html", asked=asked, reference=asking.reference, visitor=visitor)
    response.headers["content-security-policy"] = _policy(asking.redirect_uri)
    return response


def _policy(redirect_uri: str) -> str:
    parts = urlsplit(redirect_uri)
    return CSP_PAGE.replace("form-action 'self'", f"form-action 'self' {parts.scheme}://{parts.netloc}")


async def what_is_asked(request: Request, session: AsyncSession, asking: Question) -> Asked:
    """Build the texts of the consent page.

    Without a redirect URI (CIBA) `app_site` is empty.
    """
    agreement, services = asking.agreement, oauth_services(request)
    machtiging = agreement.machtiging
    scope = None if machtiging is None else machtiging.scope
    return Asked(
        app=asking.client.name,
        app_site=urlsplit(asking.redirect_uri).hostname or "",
        registered=_registered(asking.client, practice=services.practice),
        person=None if machtiging is None else await _name(session, services.keyring, machtiging),
        acts=[_ACTS[act] for act in in_order(agreement.acts)],
        deletes=Act.DELETE in agreement.acts,
        left_out=[_ACTS[act] for act in in_order(agreement.left_out)],
        agencies=None if scope is None else await _agencies(session, scope),
        excluded=[] if scope is None else sorted(scope.excluded_themes),
        letters_from=None if scope is None else scope.letters_from,
        minutes=max(1, services.access_token_seconds // 60),
        machtiging_ends_at=None if machtiging is None else machtiging.period.ends_at,
        level=_LEVELS[agreement.assurance],
        knows_you="openid" in asking.parameters.get("scope", "").split(),
        learns_name=any("name" in names for names in wishes_of(asking.parameters).released.values()),
        refreshes=asking.client.refreshes,
        ends_consents=CONSENTS in asking.parameters.get("scope", "").split(),
        elsewhere=None if asking.target.server is None else f"{asking.target.server.name} ({asking.target.uri})",
        passed_on=await further(session, asking.target, links=LONGEST_CHAIN - 1),
    )


def _registered(client: Client, *, practice: bool) -> str:
    """Describe the registration of this client and its proof of identity (NL GOV OAuth 3.1.4)."""
    how = "vooraf door ons geregistreerd"
    if client.by_program:
        how = "heeft zichzelf bij ons aangemeld"
        how += "; in een oefenomgeving kijken wij dat niet na" if practice else ", en wij hebben dat goedgekeurd"
    if client.auth_method == PUBLIC:
        how += ". Deze app heeft geen eigen sleutel: wij kunnen niet nagaan of het echt deze app is die het vraagt"
    return how


async def _name(session: AsyncSession, keyring: Any, machtiging: Machtiging) -> str:
    profile = await profile_of(session, keyring, machtiging.vertegenwoordigde_id)
    return "iemand die u heeft gemachtigd" if profile is None else profile.name


async def _agencies(session: AsyncSession, scope: Scope) -> list[str] | None:
    """List the names of the allowed senders, or of single diensten.

    None when the machtiging allows all senders.
    """
    if scope.afzenders is None and scope.diensten is None:
        return None
    agencies = [one for one in await all_agencies(session) if scope.afzenders is None or one.oin in scope.afzenders]
    if scope.diensten is None:
        return [agency.name for agency in agencies]
    return [
        f"{agency.name}: {dienst.name}"
        for agency in agencies
        for dienst in agency.diensten
        if dienst.key in scope.diensten
    ]
