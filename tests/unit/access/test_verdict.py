"""Access verdicts: the order of reasons, and the refusals that are reported as not found."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machtiging.access.policy_decision import DECISION_FAILED, PolicyDenied
from machtiging.access.policy_engine import Policy
from machtiging.access.verdict import evaluate_access, evaluate_listing
from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.delegation.rules import Act, Capacity, EndReason, MachtigingState, scope_violation
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.errors import ActionMissing, LevelTooLow, NotAllowed, NotFound, NotInForce
from machtiging.kernel.period import Period
from machtiging.message_catalogue import describe_refusal
from machtiging.organisations.rules import Ceiling
from tests.builders.applications import POLICIES
from tests.builders.keys import NOON
from tests.builders.machtiging import draw_envelopes, draw_scopes, make_authority
from tests.unit.access.actors import (
    CITIZEN,
    HELPER,
    KVK,
    STRANGER,
    make_absent_target,
    make_active_machtiging,
    make_actor,
    make_narrow_scope,
    make_old_envelope,
    make_target,
)

POLICY = Policy.load(POLICIES)
LOW, SUBSTANTIAL, HIGH = Assurance


def judged(actor, target=None, act=Act.READ, at=NOON):
    return evaluate_access(POLICY.decide, actor, act, target or make_target(), at)


def refusal_of(verdict):
    return None if verdict.refusal is None else (type(verdict.refusal), verdict.refusal.code)


HIDDEN = (NotFound, "bericht_onbekend")
ENDED_STATE = {"state": MachtigingState.ENDED, "ended_at": NOON, "end_reason": EndReason.WITHDRAWN}
NOT_YET = {"period": Period(NOON + timedelta(days=1), NOON + timedelta(days=2))}
EXPIRED_PERIOD = {"period": Period(NOON - timedelta(days=2), NOON)}


def test_gemachtigde_reads_bericht_within_scope():
    verdict = judged(make_actor(make_active_machtiging()))
    assert (verdict.reason, verdict.policy_row_id, verdict.refusal) == ("toegestaan", "naaste-gewoon", None)


def test_citizen_reads_every_bericht_in_own_box():
    letter = make_old_envelope(theme=Theme.ZORG, sensitivity=Sensitivity.VERTROUWELIJK)
    verdict = judged(make_actor(assurance=LOW), make_target(letter), Act.DELETE)
    assert (verdict.reason, verdict.policy_row_id) == ("toegestaan", "eigen-box")


STANDING = [
    (ENDED_STATE, "machtiging_beeindigd"),
    ({"state": MachtigingState.PAUSED}, "machtiging_gepauzeerd"),
    ({"state": MachtigingState.OFFERED, "accepted_assurance": None}, "machtiging_niet_aangenomen"),
    (NOT_YET, "machtiging_niet_begonnen"),
    (EXPIRED_PERIOD, "machtiging_verlopen"),
    ({"gemachtigde_id": STRANGER}, "machtiging_niet_van_u"),
    ({"gemachtigde_id": None}, "machtiging_niet_van_u"),
    ({"parent_id": UUID(int=9)}, "keten_ongeldig"),
]


@pytest.mark.parametrize(("changes", "code"), STANDING, ids=[code for _, code in STANDING])
@pytest.mark.parametrize(
    "target",
    [make_target(), make_absent_target(), make_target(of=STRANGER), make_target(make_old_envelope(theme=Theme.ZORG))],
)
@pytest.mark.parametrize("act", Act)
def test_machtiging_not_in_force_is_the_first_reason(changes, code, target, act):
    actor = make_actor(
        make_active_machtiging(scope=make_narrow_scope(excluded_themes=frozenset({Theme.ZORG})), **changes)
    )
    verdict = judged(actor, target, act)
    assert refusal_of(verdict) == (NotInForce, code)
    assert verdict.reason == code


@pytest.mark.parametrize(
    ("capacity", "accepted_for", "used_for"),
    [
        (Capacity.PROFESSIONAL, KVK, "90000002"),
        (Capacity.PROFESSIONAL, KVK, None),
        (Capacity.RELATIVE, None, KVK),
        (Capacity.CURATOR, None, KVK),
    ],
)
@pytest.mark.parametrize("target", [make_target(), make_absent_target(), make_target(of=STRANGER)])
@pytest.mark.parametrize("act", Act)
def test_actor_of_another_organisation_is_refused(capacity, accepted_for, used_for, target, act):
    machtiging = make_active_machtiging(capacity=capacity)
    actor = make_actor(machtiging, accepted_for, organisation_kvk=used_for, assurance=Assurance.HIGH)
    assert refusal_of(judged(actor, target, act)) == (NotInForce, "andere_organisatie")
    listing, pairs = evaluate_listing(POLICY.decide, actor, NOON)
    assert (refusal_of(listing), pairs) == ((NotInForce, "andere_organisatie"), frozenset())


def test_actor_of_the_same_organisation_reads_bericht():
    machtiging = make_active_machtiging(capacity=Capacity.PROFESSIONAL)
    assert judged(make_actor(machtiging, organisation_kvk=KVK)).reason == "toegestaan"


def test_actor_of_professional_machtiging_without_organisation_is_refused():
    held = make_authority(make_active_machtiging(capacity=Capacity.PROFESSIONAL))
    actor = replace(make_actor(make_active_machtiging()), authority=held)
    assert refusal_of(judged(actor)) == (NotInForce, "andere_organisatie")


@pytest.mark.parametrize("login", [Assurance.SUBSTANTIAL, Assurance.HIGH])
def test_actor_below_the_minimum_of_the_organisation_must_step_up(login):
    actor = make_actor(make_active_machtiging(capacity=Capacity.PROFESSIONAL, assurance=Assurance.HIGH,
                                              accepted_assurance=Assurance.HIGH), assurance=login)  # fmt: skip
    strict = replace(actor.authority.organisation, ceiling=Ceiling(minimum_level=Assurance.HIGH, days=1826))
    verdict = judged(replace(actor, authority=replace(actor.authority, organisation=strict)))
    assert (verdict.reason == "toegestaan") is (login is Assurance.HIGH)
    if login is not Assurance.HIGH:
        assert refusal_of(verdict) == (LevelTooLow, "niveau_te_laag")
        assert verdict.refusal.level == "hoog"


def test_level_that_no_login_can_reach_names_no_level():
    actor = make_actor(make_active_machtiging(capacity=Capacity.PROFESSIONAL), assurance=Assurance.HIGH)
    strict = replace(actor.authority.organisation, ceiling=Ceiling(minimum_level=Assurance.HIGH, days=1826))
    verdict = judged(replace(actor, authority=replace(actor.authority, organisation=strict)))
    assert refusal_of(verdict) == (NotAllowed, "niveau_te_laag")


@pytest.mark.parametrize("act", Act)
@pytest.mark.parametrize(
    ("scope", "target", "reason"),
    [
        ({}, make_absent_target(), "bericht_bestaat_niet"),
        ({}, replace(make_target(), bericht_id=None), "bericht_bestaat_niet"),
        ({}, make_target(of=STRANGER), "bericht_van_ander"),
        ({}, make_target(of=HELPER), "bericht_van_ander"),
        ({}, make_target(of=None), "bericht_van_ander"),
        ({"afzenders": frozenset({"00000099000000009999"})}, make_target(), "afzender_niet_afgesproken"),
        ({"diensten": frozenset({"00000099000000000001/anders"})}, make_target(), "dienst_niet_afgesproken"),
        ({"themes": frozenset({Theme.ZORG})}, make_target(), "thema_niet_afgesproken"),
        ({"excluded_themes": frozenset({Theme.TOESLAGEN})}, make_target(), "thema_uitgesloten"),
        ({}, make_target(make_old_envelope(sensitivity=Sensitivity.VERTROUWELIJK)), "te_gevoelig"),
        ({}, make_target(make_old_envelope(published_at=NOON - timedelta(days=900))), "te_oud"),
        (
            {"highest_sensitivity": Sensitivity.VERTROUWELIJK},
            make_target(make_old_envelope(sensitivity=Sensitivity.VERTROUWELIJK)),
            "beleid_verbiedt",
        ),
    ],
)
def test_bericht_outside_scope_is_reported_as_not_found(scope, target, reason, act):
    # Also with an act that was not given: the refusal tells nothing about the bericht.
    actor = make_actor(make_active_machtiging(scope=make_narrow_scope(**scope)), assurance=LOW)
    verdict = judged(actor, target, act)
    assert refusal_of(verdict) == HIDDEN
    assert verdict.reason == reason
    assert describe_refusal(verdict.refusal) == describe_refusal(judged(actor, make_absent_target(), act).refusal)


def test_theme_denied_by_policy_is_reported_as_not_found():
    bewind = make_active_machtiging(capacity=Capacity.BEWINDVOERDER)
    verdict = judged(make_actor(bewind, assurance=HIGH), make_target(make_old_envelope(theme=Theme.ZORG)))
    assert (refusal_of(verdict), verdict.reason, verdict.policy_row_id) == (
        HIDDEN,
        "beleid_verbiedt",
        "nooit-zorg-bewindvoerder",
    )
    verdict = judged(make_actor(bewind, assurance=HIGH), make_target(make_old_envelope(theme=Theme.ONDERWIJS)))
    assert (refusal_of(verdict), verdict.reason, verdict.policy_row_id) == (HIDDEN, "beleid_kent_dit_niet", None)


NOT_GIVEN = (NotAllowed, "handeling_niet_toegestaan")


@pytest.mark.parametrize("act", [Act.MARK, Act.DELETE])
def test_gemachtigde_marking_or_deleting_is_refused(act):
    assert refusal_of(judged(make_actor(make_active_machtiging()), act=act)) == NOT_GIVEN


def test_scope_with_delete_does_not_let_gemachtigde_delete():
    agreed = make_active_machtiging(scope=make_narrow_scope(acts=frozenset(Act)))
    verdict = judged(make_actor(agreed), act=Act.DELETE)
    assert (refusal_of(verdict), verdict.policy_row_id) == (NOT_GIVEN, "nooit-wijzigen")


def test_act_outside_machtiging_is_refused():
    machtiging = make_active_machtiging(scope=make_narrow_scope(acts=frozenset({Act.LIST})))
    assert refusal_of(judged(make_actor(machtiging))) == NOT_GIVEN


def test_act_outside_token_is_refused_with_the_missing_action():
    for actor, act in (
        (make_actor(make_active_machtiging(), acts=frozenset({Act.LIST})), Act.READ),
        (make_actor(acts=frozenset({Act.LIST})), Act.DELETE),
        (make_actor(acts=frozenset()), Act.READ),
    ):
        verdict = judged(actor, act=act)
        assert refusal_of(verdict) == (ActionMissing, "handeling_niet_toegestaan")
        assert verdict.refusal.action == act.value
        assert f"'{act.value}'" in describe_refusal(verdict.refusal)


@pytest.mark.parametrize("act", [Act.MARK, Act.DELETE])
def test_gemachtigde_gets_no_missing_action_of_the_own_box(act):
    scope = make_narrow_scope(acts=frozenset(Act))
    assert (
        refusal_of(judged(make_actor(make_active_machtiging(scope=scope), acts=frozenset({Act.LIST})), act=act))
        == NOT_GIVEN
    )


def test_portal_session_gets_no_missing_action():
    assert refusal_of(judged(make_actor(client_id=None, acts=frozenset({Act.LIST})), act=Act.READ)) == NOT_GIVEN


@pytest.mark.parametrize("act", Act)
def test_bericht_of_another_box_without_action_is_reported_as_not_found(act):
    assert refusal_of(judged(make_actor(acts=frozenset()), make_target(of=STRANGER), act)) == HIDDEN


def test_missing_act_is_reported_before_low_assurance():
    letter = make_target(make_old_envelope(sensitivity=Sensitivity.GEVOELIG))
    low = make_actor(make_active_machtiging(), assurance=LOW)
    assert refusal_of(judged(low, letter, Act.DELETE)) == NOT_GIVEN
    assert refusal_of(judged(low, letter)) == (LevelTooLow, "niveau_te_laag")


@pytest.mark.parametrize(
    ("login", "given", "accepted"), [(LOW, HIGH, HIGH), (HIGH, LOW, HIGH), (HIGH, HIGH, LOW), (HIGH, HIGH, None)]
)
def test_lowest_assurance_of_login_offer_and_acceptance_decides(login, given, accepted):
    machtiging = make_active_machtiging(assurance=given, accepted_assurance=accepted)
    actor = make_actor(machtiging, assurance=login)
    assert actor.effective_assurance is LOW
    verdict = judged(actor, make_target(make_old_envelope(sensitivity=Sensitivity.GEVOELIG)))
    # A new login raises the assurance of the login only, not that of the offer or the acceptance.
    expected = LevelTooLow if login is LOW else NotAllowed
    assert refusal_of(verdict) == (expected, "niveau_te_laag")


def test_low_assurance_refusal_names_required_acr():
    target = make_target(make_old_envelope(sensitivity=Sensitivity.GEVOELIG))
    refusal = judged(
        make_actor(make_active_machtiging(assurance=HIGH, accepted_assurance=HIGH), assurance=LOW), target
    ).refusal
    assert (refusal.level, refusal.acr) == (SUBSTANTIAL.value, SUBSTANTIAL.acr)
    secret = make_target(make_old_envelope(sensitivity=Sensitivity.VERTROUWELIJK))
    wide = make_narrow_scope(highest_sensitivity=Sensitivity.VERTROUWELIJK)
    held = make_active_machtiging(capacity=Capacity.CURATOR, assurance=HIGH, accepted_assurance=HIGH, scope=wide)
    refusal = judged(make_actor(held, assurance=SUBSTANTIAL), secret).refusal
    assert (refusal.level, refusal.acr) == (HIGH.value, HIGH.acr)


def test_failed_policy_decision_is_refused():
    def broken(_question):
        return PolicyDenied(None, DECISION_FAILED)

    for actor in (make_actor(), make_actor(make_active_machtiging())):
        verdict = evaluate_access(broken, actor, Act.READ, make_target(), NOON)
        assert (refusal_of(verdict), verdict.reason) == (HIDDEN, DECISION_FAILED)
        verdict, pairs = evaluate_listing(broken, actor, NOON)
        assert (refusal_of(verdict), pairs) == ((NotAllowed, DECISION_FAILED), frozenset())


def test_refusal_without_known_reason_stays_a_refusal():
    def grumpy(question):
        return PolicyDenied(None, "beleid_kent_dit_niet") if question.level is SUBSTANTIAL else POLICY.decide(question)

    assert (
        evaluate_access(grumpy, make_actor(make_active_machtiging()), Act.READ, make_target(), NOON).refusal is not None
    )


@pytest.mark.parametrize(("changes", "code"), STANDING, ids=[code for _, code in STANDING])
def test_listing_with_machtiging_not_in_force_is_refused(changes, code):
    verdict, pairs = evaluate_listing(POLICY.decide, make_actor(make_active_machtiging(**changes)), NOON)
    assert (refusal_of(verdict), pairs) == ((NotInForce, code), frozenset())


def test_listing_outside_token_is_refused():
    verdict, _ = evaluate_listing(POLICY.decide, make_actor(acts=frozenset({Act.READ})), NOON)
    assert refusal_of(verdict) == (ActionMissing, "handeling_niet_toegestaan")
    assert verdict.refusal.action == "lijst"


def test_listing_with_low_assurance_is_refused():
    machtiging = make_active_machtiging(capacity=Capacity.PROFESSIONAL)
    verdict, _ = evaluate_listing(POLICY.decide, make_actor(machtiging, assurance=LOW), NOON)
    assert refusal_of(verdict) == (LevelTooLow, "niveau_te_laag")


@given(
    scope=draw_scopes(),
    envelope=draw_envelopes(),
    capacity=st.sampled_from([c for c in Capacity if c is not Capacity.SELF]),
    level=st.sampled_from(Assurance),
)
def test_bericht_is_listed_only_if_readable(scope, envelope, capacity, level):
    scope = replace(scope, acts=frozenset({Act.LIST, Act.READ}))
    machtiging = make_active_machtiging(
        scope=scope, capacity=capacity, assurance=Assurance.HIGH, accepted_assurance=Assurance.HIGH
    )
    actor = make_actor(machtiging, assurance=level)
    _, pairs = evaluate_listing(POLICY.decide, actor, NOON)
    listed = scope_violation(scope, envelope) is None and (envelope.theme, envelope.sensitivity) in pairs
    assert listed == (judged(actor, make_target(envelope)).refusal is None)


def test_bericht_of_another_citizen_is_reported_as_not_found():
    verdict = judged(make_actor(), make_target(of=STRANGER), Act.DELETE)
    assert (refusal_of(verdict), verdict.reason) == (HIDDEN, "bericht_van_ander")
    assert judged(make_actor(), make_target(of=CITIZEN)).refusal is None
