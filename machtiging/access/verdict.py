"""Evaluate access for an actor and a target: allowed, or refused with a reason. Pure.

Only Casbin allows, on a complete PolicyRequest. After a denial the reason is determined in a fixed order. The state of
the machtiging is told to the client. Reasons in the bericht give the same 404 as a missing one. Then come the act and
the level.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from machtiging.access.actor import Actor
from machtiging.access.decision import FAILED, Allowed, Decision
from machtiging.access.question import Question
from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.delegation.chain import chain_in_force
from machtiging.delegation.rules import (
    ACTS_TO_GIVE,
    NOT_THE_HOLDER,
    OTHER_ORGANISATION,
    Act,
    Envelope,
    Standing,
    holder_refusal,
    standing,
    uncovered,
)
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.errors import ActionMissing, LevelTooLow, NotAllowed, NotFound, NotInForce, Refusal
from machtiging.kernel.ids import BerichtId, PersonId

Decide = Callable[[Question], Decision]
ALLOWED = "toegestaan"

_STANDING = {
    Standing.NOT_ACCEPTED: ("machtiging_niet_aangenomen", "Deze machtiging is nog niet aangenomen."),
    Standing.NOT_BEGUN: ("machtiging_niet_begonnen", "Deze machtiging is nog niet begonnen."),
    Standing.PAUSED: ("machtiging_gepauzeerd", "Deze machtiging is gepauzeerd. U kunt nu niet meelezen."),
    Standing.ENDED: ("machtiging_beeindigd", "Deze machtiging is beëindigd. U kunt niet meer meelezen."),
    Standing.EXPIRED: ("machtiging_verlopen", "Deze machtiging is verlopen. U kunt niet meer meelezen."),
}


_NOT_YOURS = {
    NOT_THE_HOLDER: "Deze machtiging staat niet (meer) op uw naam.",
    OTHER_ORGANISATION: "Deze machtiging hoort bij een andere organisatie dan waarvoor u bent ingelogd.",
}


@dataclass(frozen=True, slots=True)
class Target:
    """The requested object. All fields but `kind` are None when the bericht does not exist."""

    kind: str
    object_id: str | None
    bericht_id: BerichtId | None
    ontvanger_id: PersonId | None
    envelope: Envelope | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The reason for the journal, the deciding row, and the refusal to raise (None: allowed)."""

    reason: str
    row: str | None
    refusal: Refusal | None


def judge(decide: Decide, actor: Actor, act: Act, target: Target, at: datetime) -> Verdict:
    """Evaluate one act of an actor on a target at one instant."""
    if target.envelope is None or target.bericht_id is None:
        return _standing(actor, at) or _hidden("bericht_bestaat_niet")
    theme, sensitivity = target.envelope.theme, target.envelope.sensitivity
    reason = _outside(actor, target.ontvanger_id, target.envelope)
    question = _question(actor, act, theme, sensitivity, at, covered=reason is None)
    answer = decide(question)
    if isinstance(answer, Allowed):
        return Verdict(ALLOWED, answer.row, None)
    if answer.reason == FAILED:
        return _hidden(FAILED)
    return (
        _standing(actor, at)
        or (_hidden(reason) if reason else _policy_hides(decide, question))
        or _act_refused(decide, question, actor, answer.row)
        or Verdict("niveau_te_laag", answer.row, _level_too_low(decide, [question], actor))
    )


def judge_listing(decide: Decide, actor: Actor, at: datetime) -> tuple[Verdict, frozenset[tuple[Theme, Sensitivity]]]:
    """Evaluate listing for each pair of theme and sensitivity, and return the allowed pairs."""
    questions = [_question(actor, Act.LIST, theme, degree, at) for theme in Theme for degree in Sensitivity]
    answers = [(question, decide(question)) for question in questions]
    pairs = frozenset((asked.theme, asked.sensitivity) for asked, answer in answers if isinstance(answer, Allowed))
    if pairs:
        return Verdict(ALLOWED, None, None), pairs
    if any(not isinstance(answer, Allowed) and answer.reason == FAILED for _, answer in answers):
        return Verdict(FAILED, None, NotAllowed(FAILED, "Wij kunnen nu niet bepalen of dit mag.")), pairs
    higher = (decide(replace(question, level=Assurance.HIGH)) for question, _ in answers)
    reachable = any(isinstance(answer, Allowed) for answer in higher)
    asked = [question for question, _ in answers]
    too_low = Verdict("niveau_te_laag", None, _level_too_low(decide, asked, actor))
    return _standing(actor, at) or (too_low if reachable else _not_given(actor, Act.LIST)), pairs


def _question(
    actor: Actor, act: Act, theme: Theme, sensitivity: Sensitivity, at: datetime, *, covered: bool = True
) -> Question:
    machtiging = actor.machtiging
    own = machtiging is None
    return Question(
        capacity=actor.capacity,
        act=act,
        theme=theme,
        sensitivity=sensitivity,
        level=actor.level,
        in_force=machtiging is None or standing(machtiging, at) is Standing.IN_FORCE,
        covered=covered,
        act_given=act in actor.acts and (machtiging is None or act in machtiging.scope.acts),
        chain_complete=own or _chain_complete(actor, at),
    )


def _chain_complete(actor: Actor, at: datetime) -> bool:
    # The parents are not loaded here, so a machtiging with a parent is never complete and is refused.
    machtiging = actor.machtiging
    if machtiging is None or holder_refusal(machtiging, actor.person_id, actor.organisation_kvk) is not None:
        return False
    return chain_in_force(machtiging, (), at)


def _outside(actor: Actor, ontvanger_id: PersonId | None, envelope: Envelope) -> str | None:
    if ontvanger_id is None or ontvanger_id != actor.vertegenwoordigde_id:
        return "bericht_van_ander"
    return None if actor.machtiging is None else uncovered(actor.machtiging.scope, envelope)


def _standing(actor: Actor, at: datetime) -> Verdict | None:
    if actor.machtiging is None:
        return None
    found = standing(actor.machtiging, at)
    if found is not Standing.IN_FORCE:
        code, public = _STANDING[found]
        return Verdict(code, None, NotInForce(code, public))
    if not _chain_complete(actor, at):
        code = holder_refusal(actor.machtiging, actor.person_id, actor.organisation_kvk) or NOT_THE_HOLDER
        return Verdict(code, None, NotInForce(code, _NOT_YOURS[code]))
    return None


def _policy_hides(decide: Decide, question: Question) -> Verdict | None:
    """Refuse as not found if even listing at the highest level is denied.

    Then the policy hides the bericht itself, not only this act.
    """
    best = replace(question, act=Act.LIST, act_given=True, level=Assurance.HIGH)
    answer = decide(best)
    return None if isinstance(answer, Allowed) else _hidden(answer.reason, answer.row)


def _act_refused(decide: Decide, question: Question, actor: Actor, row: str | None) -> Verdict | None:
    if not question.act_given:
        return _not_given(actor, question.act)
    if isinstance(decide(replace(question, level=Assurance.HIGH)), Allowed):
        return None
    return _not_given(actor, question.act, row)


def _not_given(actor: Actor, act: Act, row: str | None = None) -> Verdict:
    """Refuse the act, with a challenge when a new consent could give it.

    In the own box a consent can give any act, otherwise only those of the machtiging.
    """
    code, machtiging = "handeling_niet_toegestaan", actor.machtiging
    by_token = actor.client_id is not None and act not in actor.acts
    if by_token and (machtiging is None or act in machtiging.scope.acts & ACTS_TO_GIVE):
        public = (
            f"Dit toegangsbewijs geeft de handeling '{act}' niet. Vraag bij het inloggen om authorization_details "
            f"van het type berichtenbox, met de handeling '{act}'."
        )
        return Verdict(code, row, ActionMissing(code, public, action=act.value))
    return Verdict(code, row, NotAllowed(code, "Deze handeling hoort niet bij wat u hier mag doen."))


def _level_too_low(decide: Decide, questions: list[Question], actor: Actor) -> NotAllowed:
    """Return the refusal with the level that a new login needs (RFC 9470).

    It names no level if no login can help.
    """
    for level in Assurance:
        reached = replace(actor, assurance=level).level
        if reached is level and any(isinstance(decide(replace(one, level=level)), Allowed) for one in questions):
            public = f"Hiervoor moet u zekerder inloggen: op niveau {level.value}."
            return LevelTooLow("niveau_te_laag", public, level=level.value, acr=level.acr)
    return NotAllowed("niveau_te_laag", "Hiervoor moet zekerder zijn ingelogd, bij het geven, aannemen en nu.")


def _hidden(reason: str, row: str | None = None) -> Verdict:
    return Verdict(reason, row, NotFound("bericht_onbekend", "Dit bericht is er niet, of niet voor u.", private=reason))
