"""Evaluate a machtiging for a dienst: the allowed acts, each with its login. Pure.

For a person it is the decision of the guard (`access.verdict`), on a letter of that dienst that is published now. For
an organisation it is the same question to the policy, without an employee.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from machtiging.access.actor import Actor
from machtiging.access.policy_decision import NO_MATCHING_POLICY_ROW, PolicyAllowed
from machtiging.access.policy_request import PolicyRequest
from machtiging.access.verdict import AccessTarget, AccessVerdict, DecideFunction, evaluate_access
from machtiging.agencies.queries import DienstView
from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.authority.stop_reasons import NOT_ASSIGNED
from machtiging.delegation.rules import GRANTABLE_ACTS, Act, BerichtEnvelope, Capacity, scope_violation
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.ids import BerichtId, PersonId, uuid7

_ACTS_IN_ORDER = tuple(act for act in Act if act in GRANTABLE_ACTS)


@dataclass(frozen=True, slots=True)
class DienstEvaluation:
    """The allowed acts, each with the lowest sufficient login. `reason`: why there is none."""

    levels: Mapping[Act, Assurance]
    reason: str | None

    @property
    def is_allowed(self) -> bool:
        """True if at least one act is allowed."""
        return bool(self.levels)


def evaluate_dienst(decide: DecideFunction, authority: Authority, dienst: DienstView, at: datetime) -> DienstEvaluation:
    """Evaluate every act of the holder on letters of this dienst at this instant."""
    envelope = _build_envelope(dienst, at)
    if authority.holder_id is None and authority.organisation is not None and len(authority.links) == 1:
        return _evaluate_organisation(decide, authority, envelope, at)
    if authority.holder_id is None:
        stop = authority.stop_reason(at)
        return DienstEvaluation({}, stop.code if stop else NOT_ASSIGNED)
    levels: dict[Act, Assurance] = {}
    reasons: list[str] = []
    for act in _ACTS_IN_ORDER:
        for level in Assurance:
            verdict = _evaluate_holder(decide, authority, authority.holder_id, act, level, envelope, at)
            if verdict.refusal is None:
                levels[act] = level
                break
            reasons.append(verdict.reason)
    return DienstEvaluation(levels, None if levels else reasons[-1])


def _evaluate_holder(
    decide: DecideFunction,
    authority: Authority,
    holder_id: PersonId,
    act: Act,
    level: Assurance,
    envelope: BerichtEnvelope,
    at: datetime,
) -> AccessVerdict:
    """Evaluate as the guard does when the holder opens such a letter at this level."""
    actor = build_holder_actor(authority, holder_id, level)
    return evaluate_access(decide, actor, act, _build_target(authority.vertegenwoordigde_id, envelope), at)


def build_holder_actor(authority: Authority, holder_id: PersonId, level: Assurance) -> Actor:
    """Build the actor of the holder of this authority after a login of this level."""
    return Actor(
        person_id=holder_id,
        authority=authority,
        assurance=level,
        acts=GRANTABLE_ACTS,
        client_id=None,
        token_id=None,
        organisation_kvk=_login_organisation(authority),
    )


def build_dienst_target(represented_id: PersonId, dienst: DienstView, at: datetime) -> AccessTarget:
    """Build the target for the guard: a letter of this dienst that is published now."""
    return _build_target(represented_id, _build_envelope(dienst, at))


def _build_envelope(dienst: DienstView, at: datetime) -> BerichtEnvelope:
    return BerichtEnvelope(dienst.oin, dienst.code, dienst.theme, dienst.sensitivity, at)


def _build_target(represented_id: PersonId, envelope: BerichtEnvelope) -> AccessTarget:
    letter_id = BerichtId(uuid7())
    return AccessTarget("bericht", str(letter_id), letter_id, represented_id, envelope)


def _login_organisation(authority: Authority) -> str | None:
    """Return the KvK number for which the holder logs in; None for a private person."""
    if authority.capacity is Capacity.DIRECTOR:
        business = authority.represented_organisation
        return None if business is None else business.kvk
    return authority.organisation_kvk


def _evaluate_organisation(
    decide: DecideFunction, authority: Authority, envelope: BerichtEnvelope, at: datetime
) -> DienstEvaluation:
    """Evaluate for the organisation itself, whoever of its employees acts."""
    stop = next((code for code in authority.stop_codes(at) if code != NOT_ASSIGNED), None)
    if stop is not None:
        return DienstEvaluation({}, stop)
    violation = scope_violation(authority.scope, envelope)
    levels: dict[Act, Assurance] = {}
    for act in _ACTS_IN_ORDER:
        for level in Assurance:
            request = PolicyRequest(
                capacity=authority.capacity,
                act=act,
                theme=envelope.theme,
                sensitivity=envelope.sensitivity,
                level=authority.assurance(level),
                in_force=True,
                covered=violation is None,
                act_given=act in authority.acts,
                chain_complete=authority.meets_minimum(level),
            )
            if isinstance(decide(request), PolicyAllowed):
                levels[act] = level
                break
    return DienstEvaluation(levels, None if levels else violation or NO_MATCHING_POLICY_ROW)
