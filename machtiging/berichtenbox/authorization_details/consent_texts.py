"""The texts about access to a box on the consent page (NL GOV OAuth 3.1.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.agencies.queries import load_active_agencies
from machtiging.agencies.rules import Theme
from machtiging.berichtenbox.authorization_details.rules import sort_acts
from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.authority.holders import load_employee_authorities
from machtiging.delegation.authority.machtiging_set import read_machtiging_set
from machtiging.delegation.authority.queries import load_authority_page
from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.rules import Act, MachtigingScope
from machtiging.identity.people import Profile, load_profile, load_profiles
from machtiging.identity.session import Visitor
from machtiging.message_catalogue import CatalogueLabels, get_sentence
from machtiging.oauth.authorization_details.handler import AccessDescription, AccessFact, ChoiceLabel, ConsentChoice
from machtiging.oauth.authorization_details.parsing import extract_representation_set, list_acts
from machtiging.web.pages import format_day, format_period_end

_ACT_LABELS: Mapping[Act, str] = CatalogueLabels("consent.act", Act)
_THEME_LABELS: Mapping[Theme, str] = CatalogueLabels("labels.theme", Theme)


async def describe_access(
    session: AsyncSession, keyring: KeyRing, choice: ConsentChoice, visitor: Visitor, *, at: datetime
) -> AccessDescription:
    """Describe the access of a choice: under machtigingen, or to the own box."""
    acts = list_acts(choice.details)
    if choice.is_several:
        return AccessDescription(
            person=await _name_several(session, keyring, choice, visitor, at),
            acts=[_ACT_LABELS[act] for act in sort_acts(acts)],
            left_out=[],
            warnings=[],
            limits=[AccessFact(get_sentence("consent.limit.letters"), get_sentence("consent.limit.each"))],
            is_several=True,
        )
    authority = choice.representation if isinstance(choice.representation, Authority) else None
    return AccessDescription(
        person=None if authority is None else await _load_giver_name(session, keyring, authority),
        acts=[_ACT_LABELS[act] for act in sort_acts(acts)],
        left_out=[_ACT_LABELS[act] for act in sort_acts(choice.left_out)],
        warnings=_describe_warnings(acts),
        limits=[] if authority is None else await _describe_limits(session, authority.scope),
    )


async def label_choices(session: AsyncSession, keyring: KeyRing, choices: Sequence[ConsentChoice]) -> list[ChoiceLabel]:
    """Label the choices: the own box first, then by the names of the givers."""
    authorities = [(choice.key, choice.representation) for choice in choices]
    givers = {one.vertegenwoordigde_id for _, one in authorities if isinstance(one, Authority)}
    profiles = await load_profiles(session, keyring, givers)
    labels = [
        ChoiceLabel(key, _name_giver(profiles.get(one.vertegenwoordigde_id)), _describe_machtiging(one))
        for key, one in authorities
        if isinstance(one, Authority)
    ]
    own = get_sentence("consent.choice.own"), get_sentence("consent.choice.own_note")
    own_box = [ChoiceLabel(key, *own) for key, one in authorities if one is None]
    return own_box + sorted(labels, key=lambda label: (label.name.casefold(), label.note))


async def _name_several(
    session: AsyncSession, keyring: KeyRing, choice: ConsentChoice, visitor: Visitor, at: datetime
) -> str:
    """Name the people whose post a choice for several is about.

    Each who gave one of the machtigingen in it; of an employee all clients together.
    """
    several = read_machtiging_set(extract_representation_set(choice.details) or {})
    person_id, kvk = visitor.person_id, visitor.organisation_kvk
    if several.ids is None:
        employed = [] if kvk is None else await load_employee_authorities(session, person_id, kvk, at=at)
        employers = sorted({one.organisation.name for one in employed}, key=str.casefold)
        unnamed = [get_sentence("consent.organisation_unknown")]
        return get_sentence("consent.assigned_by", organisation=_join_names(employers or unnamed, "consent.or"))
    page = await load_authority_page(session, several, person_id, kvk, limit=len(several.ids), at=at)
    givers = {one.vertegenwoordigde_id for one in page}
    profiles = await load_profiles(session, keyring, givers)
    # Namesakes are named each: the number of people is part of what she consents to.
    return _join_names(sorted((_name_giver(profiles.get(one)) for one in givers), key=str.casefold), "labels.and")


def _join_names(names: Sequence[str], conjunction_key: str) -> str:
    parts = [", ".join(names[:-1]), names[-1]] if len(names) > 1 else names
    return f" {get_sentence(conjunction_key)} ".join(parts)


def _describe_machtiging(authority: Authority) -> str:
    return f"{authority.root.purpose}, {format_period_end(authority.ends_at)}"


async def _load_giver_name(session: AsyncSession, keyring: KeyRing, authority: Authority) -> str:
    return _name_giver(await load_profile(session, keyring, authority.vertegenwoordigde_id))


def _name_giver(profile: Profile | None) -> str:
    return get_sentence("consent.giver_unknown") if profile is None else profile.name


def _describe_warnings(acts: Sequence[str]) -> list[AccessFact]:
    if Act.DELETE not in acts:
        return []
    return [AccessFact(get_sentence("consent.warning"), get_sentence("consent.warning_delete"))]


async def _describe_limits(session: AsyncSession, scope: MachtigingScope) -> list[AccessFact]:
    agencies = await _list_agency_names(session, scope)
    senders = get_sentence("consent.limit.all_senders") if agencies is None else ", ".join(agencies)
    limits = [AccessFact(get_sentence("consent.limit.senders"), senders)]
    for key, themes in (("consent.limit.about", scope.themes), ("consent.limit.not_about", scope.excluded_themes)):
        if themes:
            labels = [label for theme, label in _THEME_LABELS.items() if theme in themes]
            limits.append(AccessFact(get_sentence(key), ", ".join(labels)))
    letters = get_sentence("consent.limit.from_day", day=format_day(scope.letters_from))
    if scope.letters is not None:
        letters = get_sentence("consent.limit.named", n=len(scope.letters))
    return [*limits, AccessFact(get_sentence("consent.limit.letters"), letters)]


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
