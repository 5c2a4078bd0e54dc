"""Two operators recognise an organisation, and take that back, on the pages of the operator."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from machtiging.cli.demo.html import HtmlForm
from machtiging.cli.demo.narrator import check_step
from machtiging.cli.demo.portal_user import PortalUser
from machtiging.message_catalogue import get_sentence
from machtiging.organisations.rules import OrganisationKind, RecognitionStatus
from machtiging.simulators.personas import Persona

_GROUND = "oefening"


@dataclass(frozen=True, slots=True)
class Operators:
    """The operator who proposes and the one who confirms."""

    proposing: PortalUser
    confirming: PortalUser

    async def register_organisation(self, name: str, kvk: str) -> str:
        """Register an organisation. Returns the path of its page. Raises StoryFailed."""
        form = (await self.proposing.open_path("/beheer/nieuw")).find_form("/beheer/nieuw")
        kind = OrganisationKind.WELZIJN.value
        await self.proposing.browser.submit_form(form, {"naam": name, "soort": kind, "kvk": kvk, "grond": _GROUND})
        return urlsplit(self.proposing.browser.url).path

    async def decide_recognition(self, page: str, status: RecognitionStatus) -> None:
        """Propose a status, be refused alone, and let the other operator confirm it. Raises StoryFailed."""
        form_page = await self.proposing.open_path(f"{page}/voorstel?status={status.value}")
        shown = await self.proposing.browser.submit_form(form_page.find_form("/voorstel"), {"grond": _GROUND})
        values = shown.find_form("/vervallen").values
        confirmation = HtmlForm(f"{page}/bevestigen", "post", dict(values))
        refused = await self.proposing.browser.submit_form(confirmation, {}, expected_status=403)
        expected = get_sentence("eigen_voorstel")
        check_step(condition=expected in refused.text, expected=expected, got=refused.text[:300])
        form = (await self.confirming.open_path(page)).find_form("/bevestigen")
        await self.confirming.browser.submit_form(form, {})

    async def invite_administrator(self, page: str, persona: Persona) -> None:
        """Invite the first administrator, who invites all others. Raises StoryFailed."""
        form_page = await self.proposing.open_path(f"{page}/eerste-beheerder")
        answers: dict[str, str | list[str]] = {"naam": persona.name, "inlogkenmerk": persona.build_claims()["sub"]}
        await self.proposing.browser.submit_form(form_page.find_form("/eerste-beheerder"), answers)
