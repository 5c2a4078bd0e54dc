"""The texts of the consent page and of a pending CIBA request (NL GOV OAuth 3.1.4)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.identity.session import Visitor
from machtiging.kernel.assurance import Assurance
from machtiging.message_catalogue import CatalogueLabels, get_sentence
from machtiging.oauth.authorization_details.handler import AccessFact
from machtiging.oauth.authorize.decision import ConsentPrompt
from machtiging.oauth.client import AUTH_METHOD_NONE, Client
from machtiging.oauth.dependencies import oauth_services
from machtiging.oauth.openid.authentication_request import load_authentication_request
from machtiging.oauth.request_parameters.resource_indicators import list_downstream_services
from machtiging.oauth.rules import CONSENT_MANAGEMENT_SCOPE, MAX_EXCHANGE_CHAIN
from machtiging.web.pages import format_period_end

_LEVEL_LABELS: Mapping[Assurance, str] = CatalogueLabels("consent.level", Assurance)


@dataclass(frozen=True, slots=True)
class ConsentView:
    """The content of the consent page.

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
    learns_name: str | None
    refreshes: bool
    ends_consents: bool
    elsewhere: str | None
    passed_on: list[str]

    @property
    def rows(self) -> list[AccessFact]:
        """The rows of the consent page."""
        who = AccessFact(get_sentence("consent.row.who"), f"{self.app} ({self.app_site}). {self.registered}")
        how_long = AccessFact(get_sentence("consent.row.how_long"), " ".join(self._describe_duration()))
        return [who, *self.access_rows, *self._list_identity_rows(), how_long]

    @property
    def access_rows(self) -> list[AccessFact]:
        """The rows about the access: for whom, the acts, and the limits."""
        rows = [AccessFact(get_sentence("consent.row.for_whom"), self.person)] if self.person else []
        if self.acts:
            rows.append(AccessFact(get_sentence("consent.row.may"), self.acts))
        rows += self.warnings
        if self.elsewhere:
            rows.append(AccessFact(get_sentence("consent.row.where"), " ".join(self._describe_service(self.elsewhere))))
        if self.left_out:
            left_out = get_sentence("consent.text.left_out", acts=", ".join(self.left_out))
            rows.append(AccessFact(get_sentence("consent.row.left_out"), left_out))
        return [*rows, *self.limits]

    @property
    def identity_row(self) -> AccessFact:
        """The row about what the app learns of the person."""
        name = self.learns_name
        release = get_sentence("consent.text.name", name=name) if name else get_sentence("consent.text.pseudonym")
        return AccessFact(
            get_sentence("consent.row.learns"), f"{release} {get_sentence('consent.text.level', level=self.level)}"
        )

    def _list_identity_rows(self) -> list[AccessFact]:
        rows = [self.identity_row] if self.knows_you else []
        if self.ends_consents:
            rows.append(AccessFact(get_sentence("consent.row.may_also"), get_sentence("consent.text.ends_consents")))
        return rows

    def _describe_service(self, service: str) -> Iterator[str]:
        yield get_sentence("consent.text.service", service=service)
        if self.passed_on:
            yield get_sentence("consent.text.passed_on", names=", ".join(self.passed_on))

    def _describe_duration(self) -> Iterator[str]:
        yield (
            get_sentence("consent.text.day") if self.refreshes else get_sentence("consent.text.minutes", n=self.minutes)
        )
        yield get_sentence("consent.text.again")
        if self.refreshes:
            yield get_sentence("consent.text.stop_earlier")
        if self.machtiging_ends_at:
            until = format_period_end(self.machtiging_ends_at)
            yield get_sentence("consent.text.machtiging_ends", until=until)


async def build_consent_view(
    request: Request, session: AsyncSession, visitor: Visitor, prompt: ConsentPrompt
) -> ConsentView:
    """Build the texts of the consent page.

    Without a redirect URI (CIBA) `app_site` is empty.
    """
    choice, services = prompt.grantable, oauth_services(request)
    described = await services.details_handler.describe_choice(
        session, services.keyring, choice, prompt.visitor, at=services.clock.now()
    )
    claims = load_authentication_request(prompt.parameters).claims_to_release.values()
    scopes = prompt.parameters.get("scope", "").split()
    server = prompt.target.resource_server
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
        level=_LEVEL_LABELS[choice.assurance],
        knows_you="openid" in scopes,
        learns_name=visitor.name if any("name" in names for names in claims) else None,
        refreshes=prompt.client.may_refresh,
        ends_consents=CONSENT_MANAGEMENT_SCOPE in scopes,
        elsewhere=None if server is None else f"{server.name} ({prompt.target.uri})",
        passed_on=await list_downstream_services(session, prompt.target, max_links=MAX_EXCHANGE_CHAIN - 1),
    )


def _describe_registration(client: Client, *, practice: bool) -> str:
    """Describe the registration of this client and its proof of identity (NL GOV OAuth 3.1.4)."""
    registered = get_sentence("consent.registered.by_us")
    if client.by_program:
        registered = get_sentence(
            "consent.registered.self_practice" if practice else "consent.registered.self_approved"
        )
    if client.auth_method == AUTH_METHOD_NONE:
        registered += " " + get_sentence("consent.registered.no_key")
    return registered
