"""Authority: who may act, through which links, and which link says no. Pure."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.delegation.authority.rules import build_authority
from machtiging.delegation.authority.stop_reasons import StopReason
from machtiging.delegation.rules import (
    CHANNEL_ASSURANCE,
    NOT_THE_HOLDER,
    NOT_USABLE,
    OTHER_ORGANISATION,
    Act,
    Capacity,
    Channel,
    EffectiveState,
    MachtigingState,
    effective_state,
    scope_violation,
)
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.ids import PersonId
from machtiging.kernel.period import Period
from machtiging.organisations.rules import Ceiling, EmployeeState, RecognitionStatus
from tests.builders.keys import NOON
from tests.builders.machtiging import (
    ORGANISATION,
    UWV,
    draw_envelopes,
    draw_instants,
    draw_scopes,
    is_usable_by,
    make_authority,
    make_child,
    make_machtiging,
    make_scope,
)
from tests.unit.delegation.chains import (
    CHAINS,
    EMPLOYEES,
    HELPER,
    KVK,
    LATER,
    OTHER_KVK,
    STRANGER,
    assigned,
    by_team,
    standing_in,
)


@pytest.mark.parametrize("chain", CHAINS.values(), ids=CHAINS)
def test_whole_chain_is_in_force_for_its_holder_only(chain):
    authority = chain()
    kvk = authority.organisation_kvk
    assert authority.stop_reason(NOON) is None
    assert is_usable_by(authority, HELPER, kvk, NOON)
    assert authority.refusal(HELPER, kvk, None, NOON) is None
    assert authority.holder_refusal(STRANGER, kvk) == NOT_THE_HOLDER
    assert authority.refusal(STRANGER, kvk, None, NOON) == NOT_USABLE
    assert authority.refusal(None, kvk, None, NOON) == NOT_USABLE
    for other in {KVK, OTHER_KVK, None} - {kvk}:
        assert authority.holder_refusal(HELPER, other) == OTHER_ORGANISATION
        assert authority.refusal(HELPER, other, None, NOON) == OTHER_ORGANISATION
        assert authority.refusal(HELPER, other, None, LATER) == NOT_USABLE


@given(
    capacity=st.sampled_from([c for c in Capacity if c is not Capacity.SELF]),
    accepted_for=st.sampled_from([KVK, OTHER_KVK, None]),
    used_for=st.sampled_from([KVK, OTHER_KVK, None]),
    person=st.sampled_from([HELPER, STRANGER]),
    at=draw_instants(NOON - timedelta(days=2), timedelta(days=100)),
)
def test_machtiging_is_usable_only_by_its_holder_for_its_organisation(capacity, accepted_for, used_for, person, at):
    machtiging = make_machtiging(gemachtigde_id=HELPER, capacity=capacity)
    in_force = effective_state(machtiging, at) is EffectiveState.IN_FORCE
    nameless = capacity is Capacity.PROFESSIONAL and accepted_for is None
    # A directorship comes from a register and names the business that is represented.
    is_given = capacity is not Capacity.DIRECTOR
    wanted = in_force and person == HELPER and accepted_for == used_for and not nameless and is_given
    assert is_usable_by(make_authority(machtiging, accepted_for), person, used_for, at) == wanted


@given(
    channel=st.sampled_from(Channel),
    represented=st.sampled_from(
        [ORGANISATION, replace(ORGANISATION, id=uuid4()), replace(ORGANISATION, kvk=None), None]
    ),
    used_for=st.sampled_from([KVK, OTHER_KVK, None]),
    person=st.sampled_from([HELPER, STRANGER]),
    at=draw_instants(NOON - timedelta(days=2), timedelta(days=100)),
)
def test_directorship_is_usable_only_by_the_director_for_the_business(channel, represented, used_for, person, at):
    business = PersonId(ORGANISATION.id)
    machtiging = make_machtiging(
        gemachtigde_id=HELPER, vertegenwoordigde_id=business, capacity=Capacity.DIRECTOR, channel=channel
    )
    in_force = effective_state(machtiging, at) is EffectiveState.IN_FORCE
    named = channel is Channel.REGISTER and represented is ORGANISATION
    wanted = in_force and named and person == HELPER and used_for == ORGANISATION.kvk
    authority = build_authority((machtiging,), None, None, represented_organisation=represented)
    assert is_usable_by(authority, person, used_for, at) == wanted


LINK_CODES = {
    MachtigingState.PAUSED: ("machtiging_gepauzeerd", "toewijzing_gepauzeerd"),
    MachtigingState.ENDED: ("machtiging_beeindigd", "toewijzing_beeindigd"),
    MachtigingState.OFFERED: ("machtiging_niet_aangenomen", "toewijzing_niet_bevestigd"),
}


@pytest.mark.parametrize("chain", [assigned, by_team, standing_in])
@pytest.mark.parametrize("state", LINK_CODES)
def test_link_not_in_force_stops_the_chain_and_is_named(chain, state):
    whole = chain()
    for number in range(len(whole.links)):
        links = list(whole.links)
        links[number] = replace(links[number], state=state)
        stopped = replace(whole, links=tuple(links))
        assert stopped.stop_reason(NOON) == StopReason(LINK_CODES[state][number > 0], number)
        assert not is_usable_by(stopped, HELPER, KVK, NOON)


@pytest.mark.parametrize("chain", CHAINS.values(), ids=CHAINS)
def test_expiry_cooling_off_or_confirmation_of_any_link_stops_the_chain(chain):
    whole = chain()
    for number in range(len(whole.links)):
        for change in (
            {"period": Period(NOON - timedelta(days=9), NOON)},
            {"cooling_off_until": NOON + timedelta(seconds=1)},
            {"needs_confirmation": True},
        ):
            links = list(whole.links)
            links[number] = replace(links[number], **change)
            assert replace(whole, links=tuple(links)).stop_reason(NOON).link == number


@pytest.mark.parametrize("broken", [{"parent_id": None}, {"parent_id": uuid4()}, {"vertegenwoordigde_id": uuid4()},
                                    {"capacity": Capacity.CURATOR}])  # fmt: skip
def test_link_of_another_chain_is_not_in_force(broken):
    whole = assigned()
    links = (whole.root, replace(whole.leaf, **broken))
    assert replace(whole, links=links).stop_reason(NOON) == StopReason("keten_ongeldig", 1)


def test_chain_without_its_root_or_with_four_links_is_not_in_force():
    whole = by_team()
    assert replace(whole, links=whole.links[1:]).stop_reason(NOON).code == "keten_ongeldig"
    fourth = make_child(whole.leaf, employee_id=whole.employee.id)
    assert replace(whole, links=(*whole.links, fourth)).stop_reason(NOON).code == "keten_ongeldig"


def test_row_with_invalid_mac_stops_everything():
    for chain in CHAINS.values():
        assert replace(chain(), is_authentic=False).stop_reason(NOON).code == "rij_ongeldig"


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (None, "organisatie_niet_erkend"),
        (RecognitionStatus.REQUESTED, "organisatie_niet_erkend"),
        (RecognitionStatus.REFUSED, "organisatie_niet_erkend"),
        (RecognitionStatus.SUSPENDED, "organisatie_opgeschort"),
        (RecognitionStatus.WITHDRAWN, "erkenning_ingetrokken"),
    ],
)
@pytest.mark.parametrize("chain", [assigned, by_team, standing_in])
def test_organisation_that_is_not_recognised_stops_every_chain(chain, status, code):
    whole = chain()
    stopped = replace(whole, organisation=replace(whole.organisation, recognition=status))
    assert stopped.stop_reason(NOON) == StopReason(code, 0)


def test_machtiging_of_organisation_opens_nothing_without_assignment():
    whole = assigned()
    unassigned = build_authority((whole.root,), whole.organisation, None)
    assert unassigned.stop_reason(NOON) == StopReason("niet_toegewezen", 0)
    assert unassigned.holder_id is None


@pytest.mark.parametrize(("change", "code"), EMPLOYEES)
@pytest.mark.parametrize("chain", [assigned, by_team, standing_in])
def test_inactive_or_departed_employee_stops_the_chain(chain, change, code):
    whole = chain()
    stopped = replace(whole, employee=replace(whole.employee, **change))
    assert stopped.stop_reason(NOON) == StopReason(code, len(whole.links) - 1)


def test_assignment_to_the_client_is_refused():
    whole = assigned(vertegenwoordigde_id=HELPER)
    assert whole.stop_reason(NOON).code == "toewijzing_aan_client_zelf"


@pytest.mark.parametrize("number", [0, 1])
def test_agreement_with_another_employee_or_never_this_team_stops_the_chain(number):
    whole, team = assigned(), uuid4()
    for employee, change, stops in (
        (whole.employee, {"only_employee_id": whole.employee.id}, False),
        (whole.employee, {"only_employee_id": uuid4()}, True),
        (whole.employee, {"excluded_team_ids": frozenset({team})}, False),
        (replace(whole.employee, team_ids=frozenset({team})), {"excluded_team_ids": frozenset({team})}, True),
    ):
        links = list(whole.links)
        links[number] = replace(links[number], **change)
        reason = replace(whole, links=tuple(links), employee=employee).stop_reason(NOON)
        assert (reason is not None and reason.code == "medewerker_niet_afgesproken") is stops


def test_assignment_to_excluded_team_stops_the_chain():
    whole = by_team()
    root = replace(whole.root, excluded_team_ids=frozenset({whole.links[1].team_id}))
    assert replace(whole, links=(root, *whole.links[1:])).stop_reason(NOON).code == "medewerker_niet_afgesproken"


@pytest.mark.parametrize(
    "change", [None, {"team_id": uuid4()}, {"employee_id": uuid4()}, {"ends_at": NOON}, {"starts_at": LATER}]
)
def test_employee_outside_the_team_is_refused(change):
    whole = by_team()
    member = None if change is None else replace(whole.membership, **change)
    assert replace(whole, membership=member).stop_reason(NOON) == StopReason("geen_lid_van_het_team", 2)


@pytest.mark.parametrize(
    "change",
    [None, {"absent_employee_id": uuid4()}, {"replacement_id": uuid4()}, {"ended_at": NOON}, {"ends_at": NOON},
     {"starts_at": LATER}],
)  # fmt: skip
def test_stand_in_outside_the_replacement_is_refused(change):
    whole = standing_in()
    stand_in = None if change is None else replace(whole.stand_in, **change)
    assert replace(whole, stand_in=stand_in).stop_reason(NOON) == StopReason("vervanging_voorbij", 2)


def test_absent_colleague_may_be_inactive_and_not_departed():
    whole = standing_in()
    for state, stops in ((EmployeeState.SUSPENDED, False), (EmployeeState.DEPARTED, True)):
        absent = replace(whole.absent_employee, state=state)
        assert (replace(whole, absent_employee=absent).stop_reason(NOON) is not None) is stops


@given(
    st.lists(draw_scopes(), min_size=2, max_size=3),
    draw_envelopes(),
    st.none() | st.frozensets(st.sampled_from(Theme)),
    st.sampled_from(Sensitivity),
)
def test_chain_covers_only_what_every_link_and_the_ceiling_cover(scopes, letter, themes, sensitivity):
    base = by_team() if len(scopes) == 3 else assigned()
    links = tuple(replace(link, scope=scope) for link, scope in zip(base.links, scopes, strict=True))
    ceiling = Ceiling(themes, None, sensitivity, 1826)
    whole = build_authority(links, replace(ORGANISATION, ceiling=ceiling), base.employee, membership=base.membership)
    if scope_violation(whole.scope, letter) is None:
        assert all(scope_violation(link.scope, letter) is None for link in links)
        assert themes is None or letter.theme in themes
        assert letter.sensitivity.is_at_most(sensitivity)
    assert all(whole.acts <= link.scope.acts for link in links)


@given(st.lists(st.tuples(st.sampled_from(Assurance), st.sampled_from(Channel)), min_size=2, max_size=2),
       st.sampled_from(Assurance), st.sampled_from(Assurance))  # fmt: skip
def test_level_is_the_lowest_of_login_giving_accepting_and_channel(givings, accepted, login):
    base = assigned(accepted_assurance=accepted)
    links = tuple(
        replace(link, assurance=level, channel=channel)
        for link, (level, channel) in zip(base.links, givings, strict=True)
    )
    level = replace(base, links=links).assurance(login)
    everything = [login, accepted, *(one for one, _ in givings), *(CHANNEL_ASSURANCE[one] for _, one in givings)]
    assert all(one.is_at_least(level) for one in everything)
    assert level in everything


def test_narrower_root_narrows_the_assignment_at_once():
    whole = assigned()
    root = replace(whole.root, scope=make_scope(afzenders=frozenset({UWV}), acts=frozenset({Act.LIST})))
    narrowed = build_authority((root, whole.leaf), whole.organisation, whole.employee)
    assert (narrowed.scope.afzenders, narrowed.acts) == (frozenset({UWV}), frozenset({Act.LIST}))
    assert narrowed.stop_reason(NOON) is None


def test_ceiling_shortens_the_period():
    whole = assigned()
    short = replace(whole.organisation, ceiling=replace(whole.organisation.ceiling, days=1))
    stopped = replace(whole, organisation=short)
    assert stopped.ends_at == whole.root.period.starts_at + timedelta(days=1)
    assert stopped.stop_reason(stopped.ends_at - timedelta(seconds=1)) is None
    assert stopped.stop_reason(stopped.ends_at) == StopReason("machtiging_verlopen", 0)


def test_reason_about_the_organisation_is_told_to_the_holder_only():
    whole = assigned()
    waiting = replace(whole, organisation=replace(whole.organisation, recognition=RecognitionStatus.REQUESTED))
    assert waiting.refusal(HELPER, KVK, None, NOON) == "organisatie_niet_erkend"
    assert waiting.refusal(STRANGER, KVK, None, NOON) == NOT_USABLE


def test_paused_chain_is_current_until_anything_else_ends_it():
    whole = assigned()
    paused = replace(whole, links=(replace(whole.root, state=MachtigingState.PAUSED), whole.leaf))
    assert paused.is_current(KVK, NOON)
    for ended in (
        replace(paused, links=(paused.root, replace(paused.leaf, state=MachtigingState.ENDED))),
        replace(paused, organisation=replace(paused.organisation, recognition=RecognitionStatus.WITHDRAWN)),
        replace(paused, employee=replace(paused.employee, state=EmployeeState.DEPARTED)),
        replace(paused, is_authentic=False),
    ):
        assert ended.stop_reason(NOON).code in ("machtiging_gepauzeerd", "rij_ongeldig")
        assert not ended.is_current(KVK, NOON)


@pytest.mark.parametrize("kvk", [None, KVK])
def test_employee_of_an_organisation_without_kvk_number_has_no_login_for_it(kvk):
    """Else the login as a private person (no number) would be that of the organisation."""
    authority = assigned()
    nameless = replace(authority, organisation=replace(authority.organisation, kvk=None))
    assert nameless.stop_reason(NOON) is None
    assert nameless.holder_refusal(HELPER, kvk) == OTHER_ORGANISATION
    assert not is_usable_by(nameless, HELPER, kvk, NOON)
    assert not nameless.is_current(kvk, NOON)
