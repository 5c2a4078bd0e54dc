"""Evaluate access for an actor and a target: allowed, or refused with a reason code. Pure.

Deny by default: only Casbin allows, on a complete PolicyRequest. If the decision failed, that is
the reason. After any other denial the first of these is the reason:

    1. the path names another machtiging than that of the token, or of the visitor on the portal. The answer is a 404,
       the same for every other id.
       A token for several names one in the path: without one the client is told so.
    2. the machtiging is not in force. The client is told its state.
    3. the bericht is hidden from this actor. The client gets the 404 of a bericht that does not exist.
    4. the act was not given, or the policy never allows it. The client is told.
    5. the level of assurance is too low. The client is told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from machtiging.access.actor import Actor
from machtiging.access.policy_decision import DECISION_FAILED, PolicyAllowed, PolicyDecision
from machtiging.access.policy_request import PolicyRequest
from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.delegation.rules import (
    GRANTABLE_ACTS,
    NOT_THE_HOLDER,
    Act,
    BerichtEnvelope,
    Capacity,
    scope_violation,
)
from machtiging.delegation.statutory.rules import resolve_parent_capacity
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.errors import ActionMissing, LevelTooLow, NotAllowed, NotFound, NotInForce, Refusal
from machtiging.kernel.ids import BerichtId, PersonId

DecideFunction = Callable[[PolicyRequest], PolicyDecision]
ALLOWED_REASON = "toegestaan"


@dataclass(frozen=True, slots=True)
class AccessTarget:
    """The requested object. All fields but `kind` are None when the bericht does not exist."""

    kind: str
    object_id: str | None
    bericht_id: BerichtId | None
    ontvanger_id: PersonId | None
    envelope: BerichtEnvelope | None


@dataclass(frozen=True, slots=True)
class AccessVerdict:
    """The reason for the journal, the deciding row, and the refusal to raise (None: allowed)."""

    reason: str
    policy_row_id: str | None
    refusal: Refusal | None


def evaluate_access(
    decide: DecideFunction, actor: Actor, act: Act, target: AccessTarget, at: datetime
) -> AccessVerdict:
    """Evaluate one act of an actor on a target at one instant."""
    if (verdict := _evaluate_addressed_machtiging(actor)) is not None:
        return verdict
    if target.envelope is None or target.bericht_id is None:
        return evaluate_standing(actor, at) or _not_found_verdict("bericht_bestaat_niet")
    theme, sensitivity = target.envelope.theme, target.envelope.sensitivity
    reason = _box_or_scope_violation(actor, target.ontvanger_id, target.envelope)
    policy_request = _build_policy_request(actor, act, theme, sensitivity, at, covered=reason is None)
    answer = decide(policy_request)
    if isinstance(answer, PolicyAllowed):
        return AccessVerdict(ALLOWED_REASON, answer.policy_row_id, None)
    if answer.reason == DECISION_FAILED:
        return _not_found_verdict(DECISION_FAILED)
    return (
        evaluate_standing(actor, at)
        or (_not_found_verdict(reason) if reason else _policy_hidden_verdict(decide, policy_request))
        or _act_refused_verdict(decide, policy_request, actor, answer.policy_row_id)
        or AccessVerdict("niveau_te_laag", answer.policy_row_id, _level_too_low_error(decide, [policy_request], actor))
    )


def evaluate_listing(
    decide: DecideFunction, actor: Actor, at: datetime
) -> tuple[AccessVerdict, frozenset[tuple[Theme, Sensitivity]]]:
    """Evaluate listing for each pair of theme and sensitivity, and return the allowed pairs."""
    if (verdict := _evaluate_addressed_machtiging(actor)) is not None:
        return verdict, frozenset()
    policy_requests = _vary_letter(_build_policy_request(actor, Act.LIST, Theme.OVERIG, Sensitivity.GEWOON, at))
    answers = [(policy_request, decide(policy_request)) for policy_request in policy_requests]
    pairs = _allowed_pairs(answers)
    if pairs:
        return AccessVerdict(ALLOWED_REASON, None, None), pairs
    if any(not isinstance(answer, PolicyAllowed) and answer.reason == DECISION_FAILED for _, answer in answers):
        return AccessVerdict(DECISION_FAILED, None, NotAllowed(DECISION_FAILED)), pairs
    higher = (decide(replace(policy_request, level=Assurance.HIGH)) for policy_request in policy_requests)
    reachable = any(isinstance(answer, PolicyAllowed) for answer in higher)
    too_low = AccessVerdict("niveau_te_laag", None, _level_too_low_error(decide, policy_requests, actor))
    return evaluate_standing(actor, at) or (too_low if reachable else _act_not_granted_verdict(actor, Act.LIST)), pairs


def evaluate_future_listing(
    decide: DecideFunction, capacity: Capacity, acts: frozenset[Act], level: Assurance
) -> frozenset[tuple[Theme, Sensitivity]]:
    """Return the pairs that a holder could list under a machtiging in force.

    The same decision as `evaluate_listing`, for a holder who does not exist yet.
    """
    any_bericht = PolicyRequest(
        capacity=capacity,
        act=Act.LIST,
        theme=Theme.OVERIG,
        sensitivity=Sensitivity.GEWOON,
        level=level,
        in_force=True,
        covered=True,
        act_given=Act.LIST in acts,
        chain_complete=True,
    )
    return _allowed_pairs([(policy_request, decide(policy_request)) for policy_request in _vary_letter(any_bericht)])


def _vary_letter(any_bericht: PolicyRequest) -> list[PolicyRequest]:
    return [
        replace(any_bericht, theme=theme, sensitivity=sensitivity) for theme in Theme for sensitivity in Sensitivity
    ]


def _allowed_pairs(answers: list[tuple[PolicyRequest, PolicyDecision]]) -> frozenset[tuple[Theme, Sensitivity]]:
    return frozenset(
        (policy_request.theme, policy_request.sensitivity)
        for policy_request, answer in answers
        if isinstance(answer, PolicyAllowed)
    )


def evaluate_token_act(actor: Actor, act: Act) -> AccessVerdict:
    """Evaluate one question only: did the consent give this act to the token."""
    if act in actor.acts:
        return AccessVerdict(ALLOWED_REASON, None, None)
    return _act_not_granted_verdict(actor, act)


def _evaluate_addressed_machtiging(actor: Actor) -> AccessVerdict | None:
    """Return the refusal of a path without a machtiging of token or visitor; else None."""
    if not actor.holds_addressed_machtiging:
        reason = NOT_THE_HOLDER if actor.client_id is None else "machtiging_niet_van_token"
        return AccessVerdict(reason, None, NotFound("machtiging_onbekend", private=reason))
    if actor.must_address_machtiging:
        return AccessVerdict("machtiging_niet_genoemd", None, NotAllowed("machtiging_niet_genoemd"))
    return None


def _build_policy_request(
    actor: Actor, act: Act, theme: Theme, sensitivity: Sensitivity, at: datetime, *, covered: bool = True
) -> PolicyRequest:
    authority = actor.authority
    in_force = authority is None or authority.stop_reason(at) is None
    return PolicyRequest(
        capacity=_resolve_policy_capacity(actor, at),
        act=act,
        theme=theme,
        sensitivity=sensitivity,
        level=actor.effective_assurance,
        in_force=in_force,
        covered=covered,
        act_given=act in actor.acts and (authority is None or act in authority.acts),
        chain_complete=authority is None
        or (
            in_force
            and authority.holder_refusal(actor.person_id, actor.organisation_kvk) is None
            and authority.meets_minimum(actor.assurance)
        ),
    )


def _resolve_policy_capacity(actor: Actor, at: datetime) -> Capacity:
    """Return the capacity for the policy. That of a parent follows from the child's age now."""
    if actor.authority is None or actor.capacity is not Capacity.PARENT:
        return actor.capacity
    return resolve_parent_capacity(actor.authority.root.represented_born_on, at)


def _box_or_scope_violation(actor: Actor, ontvanger_id: PersonId | None, envelope: BerichtEnvelope) -> str | None:
    if ontvanger_id is None or ontvanger_id != actor.vertegenwoordigde_id:
        return "bericht_van_ander"
    return None if actor.authority is None else scope_violation(actor.authority.scope, envelope)


def evaluate_standing(actor: Actor, at: datetime) -> AccessVerdict | None:
    """Return the refusal if the authority of this actor gives nothing now; else None."""
    if actor.authority is None:
        return None
    stop = actor.authority.stop_reason(at)
    code = stop.code if stop else actor.authority.holder_refusal(actor.person_id, actor.organisation_kvk)
    return _below_minimum_verdict(actor) if code is None else _not_in_force_verdict_for(code)


def _below_minimum_verdict(actor: Actor) -> AccessVerdict | None:
    """Refuse a level below the minimum of the organisation.

    It names the level that a new login needs (RFC 9470).
    """
    if actor.authority is None or actor.authority.meets_minimum(actor.assurance):
        return None
    minimum = actor.minimum_assurance
    refusal = NotAllowed("niveau_te_laag", message="niveau_te_laag.any_login")
    if replace(actor, assurance=minimum).effective_assurance.is_at_least(minimum):
        step_up = "niveau_te_laag.step_up"
        refusal = LevelTooLow("niveau_te_laag", message=step_up, level=minimum.value, acr=minimum.acr)
    return AccessVerdict("niveau_te_laag", None, refusal)


def _not_in_force_verdict_for(code: str) -> AccessVerdict:
    return AccessVerdict(code, None, NotInForce(code, message=f"{code}.reading"))


def _policy_hidden_verdict(decide: DecideFunction, policy_request: PolicyRequest) -> AccessVerdict | None:
    """Refuse as not found if even listing at the highest level is denied.

    Then the policy hides the bericht itself, not only this act.
    """
    best = replace(policy_request, act=Act.LIST, act_given=True, level=Assurance.HIGH)
    answer = decide(best)
    return None if isinstance(answer, PolicyAllowed) else _not_found_verdict(answer.reason, answer.policy_row_id)


def _act_refused_verdict(
    decide: DecideFunction, policy_request: PolicyRequest, actor: Actor, policy_row_id: str | None
) -> AccessVerdict | None:
    if not policy_request.act_given:
        return _act_not_granted_verdict(actor, policy_request.act)
    if isinstance(decide(replace(policy_request, level=Assurance.HIGH)), PolicyAllowed):
        return None
    return _act_not_granted_verdict(actor, policy_request.act, policy_row_id)


def _act_not_granted_verdict(actor: Actor, act: Act, policy_row_id: str | None = None) -> AccessVerdict:
    """Refuse the act, with a challenge when a new consent could give it.

    In the own box a consent can give any act, otherwise only those of the machtiging.
    """
    code, authority = "handeling_niet_toegestaan", actor.authority
    by_token = actor.client_id is not None and act not in actor.acts
    if by_token and (authority is None or act in authority.acts & GRANTABLE_ACTS):
        missing = ActionMissing(code, message="handeling_niet_toegestaan.token", action=act.value)
        return AccessVerdict(code, policy_row_id, missing)
    return AccessVerdict(code, policy_row_id, NotAllowed(code))


def _level_too_low_error(decide: DecideFunction, policy_requests: list[PolicyRequest], actor: Actor) -> NotAllowed:
    """Return the refusal with the level that a new login needs (RFC 9470).

    It names no level if no login can help.
    """
    for level in Assurance:
        reached = replace(actor, assurance=level).effective_assurance
        if reached is level and any(
            isinstance(decide(replace(one, level=level)), PolicyAllowed) for one in policy_requests
        ):
            return LevelTooLow("niveau_te_laag", message="niveau_te_laag.step_up", level=level.value, acr=level.acr)
    return NotAllowed("niveau_te_laag", message="niveau_te_laag.any_login")


def _not_found_verdict(reason: str, policy_row_id: str | None = None) -> AccessVerdict:
    return AccessVerdict(reason, policy_row_id, NotFound("bericht_onbekend", private=reason))
