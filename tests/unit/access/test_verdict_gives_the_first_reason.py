"""In which order reasons are found, which of them are told, and which look like a message that is not there."""

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
from tests.builders.access import (
    CITIZEN,
    HELPER,
    KVK,
    NOON,
    POLICIES,
    STRANGER,
    a_held_machtiging,
    a_scope,
    a_target,
    an_actor,
    an_envelope,
    no_target,
)
from tests.builders.delegation import envelopes, scopes

POLICY = Policy.load(POLICIES)
LOW, SUBSTANTIAL, HIGH = Assurance


def judged(actor, target=None, act=Act.READ, at=NOON):
    return evaluate_access(POLICY.decide, actor, act, target or a_target(), at)


def seen(verdict):
    return None if verdict.refusal is None else (type(verdict.refusal), verdict.refusal.code)


HIDDEN = (NotFound, "bericht_onbekend")
ENDED = {"state": MachtigingState.ENDED, "ended_at": NOON, "end_reason": EndReason.WITHDRAWN}
NOT_YET = {"period": Period(NOON + timedelta(days=1), NOON + timedelta(days=2))}
OVER = {"period": Period(NOON - timedelta(days=2), NOON)}


def test_a_helper_reads_a_letter_within_the_agreement():
    verdict = judged(an_actor(a_held_machtiging()))
    assert (verdict.reason, verdict.row_id, verdict.refusal) == ("toegestaan", "naaste-gewoon", None)


def test_the_citizen_reads_in_the_own_box_whatever_the_letter():
    letter = an_envelope(theme=Theme.ZORG, sensitivity=Sensitivity.VERTROUWELIJK)
    verdict = judged(an_actor(assurance=LOW), a_target(letter), Act.DELETE)
    assert (verdict.reason, verdict.row_id) == ("toegestaan", "eigen-box")


STANDING = [
    (ENDED, "machtiging_beeindigd"),
    ({"state": MachtigingState.PAUSED}, "machtiging_gepauzeerd"),
    ({"state": MachtigingState.OFFERED, "accepted_assurance": None}, "machtiging_niet_aangenomen"),
    (NOT_YET, "machtiging_niet_begonnen"),
    (OVER, "machtiging_verlopen"),
    ({"gemachtigde_id": STRANGER}, "machtiging_niet_van_u"),
    ({"gemachtigde_id": None, "gemachtigde_kvk": "90000001"}, "machtiging_niet_van_u"),
    ({"parent_id": UUID(int=9)}, "machtiging_niet_van_u"),
]


@pytest.mark.parametrize(("changes", "code"), STANDING, ids=[code for _, code in STANDING])
@pytest.mark.parametrize(
    "target", [a_target(), no_target(), a_target(of=STRANGER), a_target(an_envelope(theme=Theme.ZORG))]
)
@pytest.mark.parametrize("act", Act)
def test_what_is_wrong_with_the_machtiging_is_told_first_whatever_is_asked(changes, code, target, act):
    actor = an_actor(a_held_machtiging(scope=a_scope(excluded_themes=frozenset({Theme.ZORG})), **changes))
    verdict = judged(actor, target, act)
    assert seen(verdict) == (NotInForce, code)
    assert verdict.reason == code


@pytest.mark.parametrize(
    ("capacity", "accepted_for", "used_for"),
    [
        (Capacity.PROFESSIONAL, KVK, "90000002"),
        (Capacity.PROFESSIONAL, KVK, None),
        (Capacity.PROFESSIONAL, None, None),
        (Capacity.RELATIVE, None, KVK),
        (Capacity.CURATOR, None, KVK),
    ],
)
@pytest.mark.parametrize("target", [a_target(), no_target(), a_target(of=STRANGER)])
@pytest.mark.parametrize("act", Act)
def test_actor_of_another_organisation_is_refused_openly_whatever_is_asked(
    capacity, accepted_for, used_for, target, act
):
    machtiging = a_held_machtiging(capacity=capacity, gemachtigde_kvk=accepted_for)
    actor = an_actor(machtiging, organisation_kvk=used_for, assurance=Assurance.HIGH)
    assert seen(judged(actor, target, act)) == (NotInForce, "andere_organisatie")
    listing, pairs = evaluate_listing(POLICY.decide, actor, NOON)
    assert (seen(listing), pairs) == ((NotInForce, "andere_organisatie"), frozenset())


def test_actor_of_the_same_organisation_reads_a_letter():
    machtiging = a_held_machtiging(capacity=Capacity.PROFESSIONAL)
    assert judged(an_actor(machtiging, organisation_kvk=KVK)).reason == "toegestaan"


@pytest.mark.parametrize("act", Act)
@pytest.mark.parametrize(
    ("scope", "target", "reason"),
    [
        ({}, no_target(), "bericht_bestaat_niet"),
        ({}, replace(a_target(), bericht_id=None), "bericht_bestaat_niet"),
        ({}, a_target(of=STRANGER), "bericht_van_ander"),
        ({}, a_target(of=HELPER), "bericht_van_ander"),
        ({}, a_target(of=None), "bericht_van_ander"),
        ({"afzenders": frozenset({"00000099000000009999"})}, a_target(), "afzender_niet_afgesproken"),
        ({"diensten": frozenset({"00000099000000000001/anders"})}, a_target(), "dienst_niet_afgesproken"),
        ({"themes": frozenset({Theme.ZORG})}, a_target(), "thema_niet_afgesproken"),
        ({"excluded_themes": frozenset({Theme.TOESLAGEN})}, a_target(), "thema_uitgesloten"),
        ({}, a_target(an_envelope(sensitivity=Sensitivity.VERTROUWELIJK)), "te_gevoelig"),
        ({}, a_target(an_envelope(published_at=NOON - timedelta(days=900))), "te_oud"),
        (
            {"highest_sensitivity": Sensitivity.VERTROUWELIJK},
            a_target(an_envelope(sensitivity=Sensitivity.VERTROUWELIJK)),
            "beleid_verbiedt",
        ),
    ],
)
def test_what_lies_in_the_message_looks_like_no_message(scope, target, reason, act):
    # Not even an act that nobody gave makes a difference: whoever asks learns nothing about the letter.
    actor = an_actor(a_held_machtiging(scope=a_scope(**scope)), assurance=LOW)
    verdict = judged(actor, target, act)
    assert seen(verdict) == HIDDEN
    assert verdict.reason == reason
    assert verdict.refusal.public == judged(actor, no_target(), act).refusal.public


def test_a_theme_that_the_policy_keeps_from_this_capacity_looks_like_no_message():
    bewind = a_held_machtiging(capacity=Capacity.BEWINDVOERDER)
    verdict = judged(an_actor(bewind, assurance=HIGH), a_target(an_envelope(theme=Theme.ZORG)))
    assert (seen(verdict), verdict.reason, verdict.row_id) == (HIDDEN, "beleid_verbiedt", "nooit-zorg-bewindvoerder")
    verdict = judged(an_actor(bewind, assurance=HIGH), a_target(an_envelope(theme=Theme.ONDERWIJS)))
    assert (seen(verdict), verdict.reason, verdict.row_id) == (HIDDEN, "beleid_kent_dit_niet", None)


NOT_GIVEN = (NotAllowed, "handeling_niet_toegestaan")


@pytest.mark.parametrize("act", [Act.MARK, Act.DELETE])
def test_a_helper_who_wants_to_change_the_box_is_told_so(act):
    assert seen(judged(an_actor(a_held_machtiging()), act=act)) == NOT_GIVEN


def test_even_an_agreement_to_delete_does_not_let_a_helper_delete():
    agreed = a_held_machtiging(scope=a_scope(acts=frozenset(Act)))
    verdict = judged(an_actor(agreed), act=Act.DELETE)
    assert (seen(verdict), verdict.row_id) == (NOT_GIVEN, "nooit-wijzigen")


def test_an_act_that_the_machtiging_does_not_give_is_refused_openly():
    machtiging = a_held_machtiging(scope=a_scope(acts=frozenset({Act.LIST})))
    assert seen(judged(an_actor(machtiging))) == NOT_GIVEN


def test_an_act_that_the_app_was_not_given_is_refused_openly_with_the_action_to_ask_for():
    for actor, act in (
        (an_actor(a_held_machtiging(), acts=frozenset({Act.LIST})), Act.READ),
        (an_actor(acts=frozenset({Act.LIST})), Act.DELETE),
        (an_actor(acts=frozenset()), Act.READ),
    ):
        verdict = judged(actor, act=act)
        assert seen(verdict) == (ActionMissing, "handeling_niet_toegestaan")
        assert verdict.refusal.action == act.value
        assert f"'{act.value}'" in verdict.refusal.public


@pytest.mark.parametrize("act", [Act.MARK, Act.DELETE])
def test_helper_is_never_told_to_ask_for_an_action_of_the_own_box(act):
    scope = a_scope(acts=frozenset(Act))
    assert seen(judged(an_actor(a_held_machtiging(scope=scope), acts=frozenset({Act.LIST})), act=act)) == NOT_GIVEN


def test_session_on_the_portal_is_never_told_to_ask_for_an_action():
    assert seen(judged(an_actor(client_id=None, acts=frozenset({Act.LIST})), act=Act.READ)) == NOT_GIVEN


@pytest.mark.parametrize("act", Act)
def test_letter_of_another_box_is_not_found_also_without_the_action(act):
    assert seen(judged(an_actor(acts=frozenset()), a_target(of=STRANGER), act)) == HIDDEN


def test_an_act_that_is_not_given_is_told_before_a_level_that_is_too_low():
    letter = a_target(an_envelope(sensitivity=Sensitivity.GEVOELIG))
    low = an_actor(a_held_machtiging(), assurance=LOW)
    assert seen(judged(low, letter, Act.DELETE)) == NOT_GIVEN
    assert seen(judged(low, letter)) == (LevelTooLow, "niveau_te_laag")


@pytest.mark.parametrize(
    ("login", "given", "accepted"), [(LOW, HIGH, HIGH), (HIGH, LOW, HIGH), (HIGH, HIGH, LOW), (HIGH, HIGH, None)]
)
def test_the_weakest_of_login_giving_and_accepting_counts(login, given, accepted):
    machtiging = a_held_machtiging(assurance=given, accepted_assurance=accepted)
    actor = an_actor(machtiging, assurance=login)
    assert actor.effective_assurance is LOW
    verdict = judged(actor, a_target(an_envelope(sensitivity=Sensitivity.GEVOELIG)))
    # Logging in again can mend the login only, not the level at which the machtiging was given or accepted.
    expected = LevelTooLow if login is LOW else NotAllowed
    assert seen(verdict) == (expected, "niveau_te_laag")


def test_it_says_which_level_it_takes():
    target = a_target(an_envelope(sensitivity=Sensitivity.GEVOELIG))
    refusal = judged(
        an_actor(a_held_machtiging(assurance=HIGH, accepted_assurance=HIGH), assurance=LOW), target
    ).refusal
    assert (refusal.level, refusal.acr) == (SUBSTANTIAL.value, SUBSTANTIAL.acr)
    secret = a_target(an_envelope(sensitivity=Sensitivity.VERTROUWELIJK))
    wide = a_scope(highest_sensitivity=Sensitivity.VERTROUWELIJK)
    held = a_held_machtiging(capacity=Capacity.CURATOR, assurance=HIGH, accepted_assurance=HIGH, scope=wide)
    refusal = judged(an_actor(held, assurance=SUBSTANTIAL), secret).refusal
    assert (refusal.level, refusal.acr) == (HIGH.value, HIGH.acr)


def test_a_decision_that_fails_is_hidden_and_never_a_yes():
    def broken(_question):
        return PolicyDenied(None, DECISION_FAILED)

    for actor in (an_actor(), an_actor(a_held_machtiging())):
        verdict = evaluate_access(broken, actor, Act.READ, a_target(), NOON)
        assert (seen(verdict), verdict.reason) == (HIDDEN, DECISION_FAILED)
        verdict, pairs = evaluate_listing(broken, actor, NOON)
        assert (seen(verdict), pairs) == ((NotAllowed, DECISION_FAILED), frozenset())


def test_a_refusal_without_a_findable_reason_is_still_a_refusal():
    def grumpy(question):
        return PolicyDenied(None, "beleid_kent_dit_niet") if question.level is SUBSTANTIAL else POLICY.decide(question)

    assert evaluate_access(grumpy, an_actor(a_held_machtiging()), Act.READ, a_target(), NOON).refusal is not None


@pytest.mark.parametrize(("changes", "code"), STANDING, ids=[code for _, code in STANDING])
def test_a_list_is_refused_for_the_same_reasons(changes, code):
    verdict, pairs = evaluate_listing(POLICY.decide, an_actor(a_held_machtiging(**changes)), NOON)
    assert (seen(verdict), pairs) == ((NotInForce, code), frozenset())


def test_a_list_that_was_not_given_is_refused_openly():
    verdict, _ = evaluate_listing(POLICY.decide, an_actor(acts=frozenset({Act.READ})), NOON)
    assert seen(verdict) == (ActionMissing, "handeling_niet_toegestaan")
    assert verdict.refusal.action == "lijst"


def test_a_list_for_which_the_level_is_too_low_is_refused_openly():
    machtiging = a_held_machtiging(capacity=Capacity.PROFESSIONAL)
    verdict, _ = evaluate_listing(POLICY.decide, an_actor(machtiging, assurance=LOW), NOON)
    assert seen(verdict) == (LevelTooLow, "niveau_te_laag")


@given(
    scope=scopes(),
    envelope=envelopes(),
    capacity=st.sampled_from([c for c in Capacity if c is not Capacity.SELF]),
    level=st.sampled_from(Assurance),
)
def test_a_letter_is_in_the_list_if_and_only_if_it_may_be_read(scope, envelope, capacity, level):
    scope = replace(scope, acts=frozenset({Act.LIST, Act.READ}))
    machtiging = a_held_machtiging(
        scope=scope, capacity=capacity, assurance=Assurance.HIGH, accepted_assurance=Assurance.HIGH
    )
    actor = an_actor(machtiging, assurance=level)
    _, pairs = evaluate_listing(POLICY.decide, actor, NOON)
    listed = scope_violation(scope, envelope) is None and (envelope.theme, envelope.sensitivity) in pairs
    assert listed == (judged(actor, a_target(envelope)).refusal is None)


def test_somebody_elses_letter_in_the_own_box_looks_like_no_message():
    verdict = judged(an_actor(), a_target(of=STRANGER), Act.DELETE)
    assert (seen(verdict), verdict.reason) == (HIDDEN, "bericht_van_ander")
    assert judged(an_actor(), a_target(of=CITIZEN)).refusal is None
