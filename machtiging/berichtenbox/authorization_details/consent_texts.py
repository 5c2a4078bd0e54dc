"""The Dutch texts about access to a box on the consent page (NL GOV OAuth 3.1.4)."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.agencies.queries import load_active_agencies
from machtiging.berichtenbox.authorization_details.rules import sort_acts
from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.rules import Act, MachtigingScope
from machtiging.identity.people import load_profile
from machtiging.oauth.authorization_details.handler import AccessDescription, AccessFact, ConsentChoice
from machtiging.oauth.authorization_details.parsing import list_acts
from machtiging.web.pages import format_day

_ACT_TEXTS = {
    Act.LIST: "zien welke brieven er zijn",
    Act.READ: "brieven lezen",
    Act.DOWNLOAD: "bijlagen opslaan",
    Act.MARK: "aangeven of u een brief gelezen heeft, brieven in mappen leggen",
    Act.DELETE: "brieven weggooien",
}
_DELETE_WARNING = AccessFact(
    "Let op", "Een brief die de app weggooit, is meteen uit uw Berichtenbox. U kunt die niet zelf terughalen."
)


async def describe_access(
    session: AsyncSession, keyring: KeyRing, choice: ConsentChoice, authority: Authority | None
) -> AccessDescription:
    """Describe the access of a choice, under a machtiging or to the own box."""
    acts = list_acts(choice.details)
    return AccessDescription(
        person=None if authority is None else await _load_giver_name(session, keyring, authority),
        acts=[_ACT_TEXTS[act] for act in sort_acts(acts)],
        left_out=[_ACT_TEXTS[act] for act in sort_acts(choice.left_out)],
        warnings=[_DELETE_WARNING] if Act.DELETE in acts else [],
        limits=[] if authority is None else await _describe_limits(session, authority.scope),
    )


async def _load_giver_name(session: AsyncSession, keyring: KeyRing, authority: Authority) -> str:
    profile = await load_profile(session, keyring, authority.vertegenwoordigde_id)
    return "iemand die u heeft gemachtigd" if profile is None else profile.name


async def _describe_limits(session: AsyncSession, scope: MachtigingScope) -> list[AccessFact]:
    agencies = await _list_agency_names(session, scope)
    limits = [AccessFact("Brieven van", "alle organisaties" if agencies is None else ", ".join(agencies))]
    if scope.excluded_themes:
        limits.append(AccessFact("Niet over", ", ".join(sorted(scope.excluded_themes))))
    return [*limits, AccessFact("Welke brieven", f"brieven van {format_day(scope.letters_from)} en later")]


async def _list_agency_names(session: AsyncSession, scope: MachtigingScope) -> list[str] | None:
    """List the names of the allowed senders, or of single diensten.

    None when the machtiging allows all senders.
    """
    if scope.afzenders is None and scope.diensten is None:
        return None
    agencies = [
        one for one in await load_active_agencies(session) if scope.afzenders is None or one.oin in scope.afzenders
    ]
    if scope.diensten is None:
        return [agency.name for agency in agencies]
    return [
        f"{agency.name}: {dienst.name}"
        for agency in agencies
        for dienst in agency.diensten
        if dienst.scope_key in scope.diensten
    ]
