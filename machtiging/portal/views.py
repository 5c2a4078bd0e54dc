"""View models for pages about machtigingen: agreements in words, names, available actions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.agencies.queries import load_active_agencies
from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.authority.holders import load_holders
from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.authority.stop_reasons import NOT_ASSIGNED
from machtiging.delegation.helper_names import load_helper_names
from machtiging.delegation.queries import OpenCode, load_machtiging_of_person, load_open_code
from machtiging.delegation.rules import (
    OTHER_ORGANISATION,
    TRANSITIONS,
    Capacity,
    EffectiveState,
    EndReason,
    Machtiging,
    MachtigingAction,
    MachtigingRole,
    MachtigingScope,
    MachtigingState,
    effective_state,
)
from machtiging.delegation.statutory.relations import RegisterEvidence, load_register_evidence
from machtiging.identity.people import Profile, load_profile, load_profiles
from machtiging.identity.session import Visitor
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.ids import MachtigingId, PersonId
from machtiging.kernel.period import Period
from machtiging.message_catalogue import get_sentence
from machtiging.portal import labels

# The colour of the badge of a state; see `components.html`.
_TONES: Mapping[EffectiveState, str] = {
    EffectiveState.NOT_ACCEPTED: "waiting",
    EffectiveState.NOT_BEGUN: "waiting",
    EffectiveState.IN_FORCE: "good",
    EffectiveState.PAUSED: "paused",
    EffectiveState.STOPPED: "refused",
    EffectiveState.ENDED: "stopped",
    EffectiveState.EXPIRED: "stopped",
}


@dataclass(frozen=True, slots=True)
class AgreementView:
    """The terms of a machtiging in words. `senders`, `themes` and `only_letters` are None without such a limit."""

    purpose: str
    capacity: str
    senders: list[str] | None
    diensten: list[str] | None
    themes: list[str] | None
    excluded: list[str]
    sensitivity: str
    letters_from: date
    acts: list[str]
    starts_at: datetime
    ends_at: datetime
    only_letters: int | None = None


@dataclass(frozen=True, slots=True)
class MachtigingCard:
    """One machtiging as shown to its giver or helper. `kvk` and `organisation` are those of the helper.

    `helper_name`: what the giver calls the helper of an offer; only for her. `is_hidden`: this login may see neither
    the other nor the terms. `stop_text`: why it does not work now, if that lies with the organisation, the employee or
    our data. `is_from_register`: neither party can change it; `evidence` says on which decision.
    """

    id: UUID
    is_giver: bool
    other: str
    kvk: str | None
    standing: EffectiveState
    standing_word: str
    agreement: AgreementView
    offered_at: datetime
    accepted_at: datetime | None
    ended_at: datetime | None
    actions: frozenset[MachtigingAction]
    is_hidden: bool = False
    organisation: str | None = None
    stop_text: str | None = None
    helper_name: str | None = None
    end_reason: EndReason | None = None
    agreement_number: int = 1
    offered_to: UUID | None = None
    is_from_register: bool = False
    evidence: RegisterEvidence | None = None

    @property
    def is_unhindered(self) -> bool:
        """False for a machtiging in force that does not work now. `stop_text` says why."""
        return self.standing is not EffectiveState.IN_FORCE or self.stop_text is None

    @property
    def tone(self) -> str:
        """The tone of the badge with `standing_word`."""
        return _TONES[self.standing] if self.is_unhindered else "refused"

    @property
    def is_running(self) -> bool:
        """True while a party could end it, or a register could."""
        is_over = self.standing in (EffectiveState.ENDED, EffectiveState.EXPIRED)
        return bool(self.actions) or (self.is_from_register and not is_over)


@dataclass(frozen=True, slots=True)
class AgencyNames:
    """Names of agencies by OIN, and of diensten by "oin/code"."""

    agencies: Mapping[str, str]
    diensten: Mapping[str, str]

    def agency_name(self, oin: str) -> str:
        """Return the name of an agency, also of one no longer in the service."""
        return self.agencies.get(oin) or get_sentence("labels.unknown_agency")


async def load_agency_names(session: AsyncSession) -> AgencyNames:
    """Load all agency and dienst names for a page."""
    agencies = await load_active_agencies(session)
    diensten = {dienst.scope_key: dienst.name for agency in agencies for dienst in agency.diensten}
    return AgencyNames({agency.oin: agency.name for agency in agencies}, diensten)


def describe_agreement(
    capacity: Capacity, purpose: str, scope: MachtigingScope, period: Period, names: AgencyNames
) -> AgreementView:
    """Describe terms in words."""
    return AgreementView(
        purpose=purpose,
        capacity=labels.CAPACITY_LABELS[capacity],
        senders=None if scope.afzenders is None else sorted(map(names.agency_name, scope.afzenders)),
        diensten=None
        if scope.diensten is None
        else sorted(names.diensten.get(key) or get_sentence("labels.unknown_agency") for key in scope.diensten),
        themes=None if scope.themes is None else labels.label_themes(scope.themes),
        excluded=labels.label_themes(scope.excluded_themes),
        sensitivity=labels.SENSITIVITY_LABELS[scope.highest_sensitivity],
        letters_from=scope.letters_from,
        acts=labels.label_acts(scope.acts),
        starts_at=period.starts_at,
        ends_at=period.ends_at,
        only_letters=None if scope.letters is None else len(scope.letters),
    )


def describe_machtiging(machtiging: Machtiging, names: AgencyNames) -> AgreementView:
    """Describe the terms of this machtiging in words."""
    return describe_agreement(machtiging.capacity, machtiging.purpose, machtiging.scope, machtiging.period, names)


def describe_authority(authority: Authority, names: AgencyNames) -> AgreementView:
    """Describe what all links and the organisation leave of the terms, in words."""
    leaf = authority.leaf
    period = Period(leaf.period.starts_at, authority.ends_at)
    return describe_agreement(authority.capacity, leaf.purpose, authority.scope, period, names)


def available_actions(machtiging: Machtiging, party: MachtigingRole, at: datetime) -> frozenset[MachtigingAction]:
    """Return the actions that this party can take now, by the transition table.

    None once the period is over, and none if a register told it.
    """
    if machtiging.is_from_register or effective_state(machtiging, at) is EffectiveState.EXPIRED:
        return frozenset()
    return frozenset(
        deed for (state, deed), step in TRANSITIONS.items() if state is machtiging.state and step.role is party
    )


async def find_renewable_code(
    session: AsyncSession, machtiging_id: MachtigingId, giver_id: PersonId, at: datetime
) -> OpenCode | None:
    """Return the open code of the giver's own offer, if replaceable now; else None."""
    found = await load_machtiging_of_person(session, machtiging_id, giver_id)
    if found is None or found.vertegenwoordigde_id != giver_id or at >= found.period.ends_at:
        return None
    return await load_open_code(session, machtiging_id) if found.state is MachtigingState.OFFERED else None


_RUNNING = frozenset({EffectiveState.IN_FORCE, EffectiveState.NOT_BEGUN})
_OPEN = _RUNNING | {EffectiveState.PAUSED, EffectiveState.STOPPED, EffectiveState.NOT_ACCEPTED}
# Conditions for the message after an action: the viewer is the giver or not, and the state or the reason of the end.
_CONFIRMATION_CONDITIONS: dict[labels.CompletedAction, tuple[bool, frozenset[EffectiveState | EndReason]]] = {
    labels.CompletedAction.ACCEPTED: (False, _RUNNING),
    labels.CompletedAction.AGREED: (True, _RUNNING),
    labels.CompletedAction.WITHDRAWN: (True, frozenset({EndReason.WITHDRAWN})),
    labels.CompletedAction.PAUSED: (True, frozenset({EffectiveState.PAUSED})),
    labels.CompletedAction.RESUMED: (True, _RUNNING),
    labels.CompletedAction.GIVEN_BACK: (False, frozenset({EndReason.GIVEN_BACK})),
    labels.CompletedAction.NARROWED: (True, _OPEN),
    labels.CompletedAction.EXTENDED: (True, _RUNNING | {EffectiveState.PAUSED}),
    labels.CompletedAction.READERS_CHOSEN: (True, _RUNNING | {EffectiveState.PAUSED}),
}

_AMENDMENTS = frozenset(
    {labels.CompletedAction.NARROWED, labels.CompletedAction.EXTENDED, labels.CompletedAction.READERS_CHOSEN}
)


def find_confirmation(gedaan: str | None, card: MachtigingCard) -> str | None:
    """Return the message for the action in the URL, if it is still true. No party acts on what a register told."""
    if gedaan not in _CONFIRMATION_CONDITIONS or card.is_from_register:
        return None
    by_giver, states = _CONFIRMATION_CONDITIONS[labels.CompletedAction(gedaan)]
    is_true = card.is_giver is by_giver and (card.end_reason or card.standing) in states
    if gedaan in _AMENDMENTS:
        is_true = is_true and card.agreement_number > 1
    if is_true and gedaan == labels.CompletedAction.AGREED and card.stop_text is not None:
        return get_sentence("labels.agreed_without_reader")
    return labels.describe_completed_action(gedaan) if is_true else None


def name_of_profile(profile: Profile | None) -> str:
    """Return the name in a profile; words for a name that is not known."""
    return profile.name if profile and profile.name else get_sentence("labels.unknown_person")


class PersonNames:
    """Names of people, each loaded once per page."""

    def __init__(self, session: AsyncSession, keyring: KeyRing) -> None:
        self._session = session
        self._keyring = keyring
        self._name_cache: dict[PersonId, str] = {}
        self._holder_cache: dict[MachtigingId, list[PersonId]] = {}
        self._helper_name_cache: dict[MachtigingId, str | None] = {}

    async def preload(self, authorities: Sequence[Authority], viewer: Visitor, at: datetime) -> None:
        """Load all holders and names for these cards in two statements."""
        viewer_id, shown = viewer.person_id, [one for one in authorities if find_hidden_reason(one, viewer, at) is None]
        by_viewer = [one for one in shown if one.vertegenwoordigde_id == viewer_id]
        self._holder_cache |= await load_holders(self._session, by_viewer, at=at)
        await self._preload_helper_names(viewer_id, [one.machtiging_id for one in by_viewer if one.holder_id is None])
        holders = {holder_id for one in by_viewer for holder_id in self._holder_cache[one.machtiging_id]}
        givers = {one.vertegenwoordigde_id for one in shown if one.vertegenwoordigde_id != viewer_id}
        profiles = await load_profiles(self._session, self._keyring, holders | givers)
        self._name_cache |= {person_id: name_of_profile(profiles.get(person_id)) for person_id in holders | givers}

    async def load_holder_ids(self, authority: Authority, at: datetime) -> list[PersonId]:
        """Load who holds it: its holder, or all to whom the organisation assigned it."""
        if authority.machtiging_id not in self._holder_cache:
            self._holder_cache |= await load_holders(self._session, [authority], at=at)
        return self._holder_cache[authority.machtiging_id]

    async def _preload_helper_names(self, giver_id: PersonId, ids: Sequence[MachtigingId]) -> None:
        found = await load_helper_names(self._session, self._keyring, giver_id, ids)
        self._helper_name_cache |= {machtiging_id: found.get(machtiging_id) for machtiging_id in ids}

    async def load_helper_name(self, authority: Authority) -> str | None:
        """Return the giver's own name for the helper, until somebody accepts. Only for a page of the giver."""
        if authority.holder_id is not None:
            return None
        if authority.machtiging_id not in self._helper_name_cache:
            await self._preload_helper_names(authority.vertegenwoordigde_id, [authority.machtiging_id])
        return self._helper_name_cache[authority.machtiging_id]

    async def load_evidence(self, authority: Authority) -> RegisterEvidence | None:
        """Load the decision behind a machtiging from a register; None of any other."""
        if not authority.root.is_from_register:
            return None
        return await load_register_evidence(self._session, authority.root.id)

    async def join_holder_names(self, authority: Authority, holder_ids: Sequence[PersonId]) -> str:
        """Return the names of the holders; the organisation, if it is assigned to nobody."""
        if holder_ids:
            return labels.join_phrases([await self.load_name(holder_id) for holder_id in holder_ids])
        if authority.organisation is not None:
            return authority.organisation.name
        return await self.load_helper_name(authority) or get_sentence("labels.nobody_yet")

    async def load_reader_name(self, link: Authority, holder_id: PersonId) -> str:
        """Return the name of an employee; of a stand-in also that of the absent colleague."""
        name = await self.load_name(holder_id)
        absent = link.absent_employee
        if link.stand_in is None or absent is None or absent.person_id is None:
            return name
        return get_sentence("labels.stand_in", name=name, absent=await self.load_name(absent.person_id))

    async def load_name(self, person_id: PersonId) -> str:
        """Return the name of a person as given by the login."""
        if person_id not in self._name_cache:
            self._name_cache[person_id] = name_of_profile(await load_profile(self._session, self._keyring, person_id))
        return self._name_cache[person_id]


async def build_machtiging_card(
    authority: Authority, viewer: Visitor, people: PersonNames, names: AgencyNames, at: datetime
) -> MachtigingCard:
    """Build the card of a machtiging for its giver or its holder."""
    machtiging, is_giver = authority.leaf, authority.vertegenwoordigde_id == viewer.person_id
    hidden = find_hidden_reason(authority, viewer, at)
    link = _link_to_show(authority, at)
    now = effective_state(link, at)
    holder_ids = await people.load_holder_ids(authority, at) if is_giver and hidden is None else []
    stop_code = hidden
    if hidden is None and now is EffectiveState.IN_FORCE:
        stop_code = _find_stop_code(authority, holder_ids, at)
    stop_text = None
    if stop_code not in (None, OTHER_ORGANISATION):
        stop_text = labels.describe_stop(stop_code, is_giver=is_giver)
    is_over = link is not machtiging and now in (EffectiveState.ENDED, EffectiveState.EXPIRED)
    role = MachtigingRole.GIVER if is_giver else MachtigingRole.HELPER
    return MachtigingCard(
        id=machtiging.id,
        is_giver=is_giver,
        other=await _load_other_name(authority, holder_ids, people, is_giver=is_giver, is_hidden=hidden is not None),
        kvk=authority.organisation_kvk,
        organisation=None if authority.organisation is None else authority.organisation.name,
        standing=now,
        standing_word=_describe_standing(link, now, stop_text),
        agreement=describe_authority(authority, names),
        offered_at=machtiging.offered_at,
        accepted_at=machtiging.accepted_at,
        ended_at=link.ended_at,
        actions=frozenset() if is_over else available_actions(machtiging, role, at),
        is_hidden=hidden is not None,
        helper_name=await people.load_helper_name(authority) if is_giver else None,
        end_reason=link.end_reason,
        agreement_number=machtiging.agreement_number,
        is_from_register=authority.root.is_from_register,
        evidence=await people.load_evidence(authority) if hidden is None else None,
        offered_to=machtiging.offered_to if is_giver else None,
        stop_text=stop_text,
    )


def _describe_standing(link: Machtiging, now: EffectiveState, stop_text: str | None) -> str:
    """Describe the state of a link in a few words. What is in force may be stopped by something else."""
    if link.end_reason:
        return labels.ENDED_LABELS[link.end_reason]
    if now is EffectiveState.IN_FORCE and stop_text is not None:
        return get_sentence("helpers.state.not_now_label")
    return labels.STANDING_LABELS[now]


def _find_stop_code(authority: Authority, holder_ids: Sequence[PersonId], at: datetime) -> str | None:
    """Return the reason code if nobody can read with it now; else None."""
    stop = authority.stop_reason(at)
    if stop is not None and stop.code != NOT_ASSIGNED:
        return stop.code
    if not authority.meets_minimum(Assurance.HIGH):  # so no login of a holder is enough
        return labels.MACHTIGING_LEVEL_TOO_LOW
    # What the organisation holds is assigned; whether that stands is on the cards of its employees.
    return None if stop is None or holder_ids else stop.code


def find_hidden_reason(authority: Authority, viewer: Visitor, at: datetime) -> str | None:
    """Return the reason code if this visitor may not see party and terms; else None."""
    return authority.visibility_refusal(viewer.person_id, viewer.organisation_kvk, viewer.assurance, at)


async def _load_other_name(
    authority: Authority, holder_ids: Sequence[PersonId], people: PersonNames, *, is_giver: bool, is_hidden: bool
) -> str:
    if is_hidden:
        return get_sentence("labels.unknown_person")
    if is_giver:
        return await people.join_holder_names(authority, holder_ids)
    return await people.load_name(authority.vertegenwoordigde_id)


def _link_to_show(authority: Authority, at: datetime) -> Machtiging:
    """Return the link that the card shows: the viewer's ended one, else the first stopped."""
    number = authority.first_stopped_link(at)
    is_leaf = number is None or authority.leaf.state is MachtigingState.ENDED
    return authority.leaf if number is None or is_leaf else authority.links[number]
