"""The guard before every bericht: evaluate access, journal it, then issue a Permit or refuse.

Nothing is loaded here: the machtiging came with the token, the envelope with the bericht, in the same transaction. The
journal line is the only statement, also for a refusal, so timing reveals no reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from machtiging.access.actor import Actor
from machtiging.access.engine import Policy
from machtiging.access.permit import SEAL, ListingPermit, Permit
from machtiging.access.verdict import Target, Verdict, judge, judge_listing
from machtiging.audit.acts import JournalAct, Outcome
from machtiging.audit.journal import Line, as_values, record
from machtiging.delegation.rules import Act
from machtiging.kernel.errors import Fault, Refusal
from machtiging.kernel.ids import uuid7
from machtiging.storage.statement import Found, Statement, Work

__all__ = ["Fetch", "Policy", "Target", "permit", "permit_and_fetch", "permit_listing"]


class Fetch(NamedTuple):
    """A query for one act: its statement (from `audit.journal.writing_a_line`) and its parameters for a Permit."""

    act: Act
    statement: Statement
    values: Callable[[Permit], Mapping[str, Any]]


async def permit(work: Work, policy: Policy, actor: Actor, act: Act, target: Target, *, at: datetime) -> Permit:
    """Issue and journal a Permit for one act on one bericht or bijlage.

    A refusal is journalled too.

    Raises NotInForce (the machtiging is not in force now). Raises NotFound `bericht_onbekend`: no such bericht, another
    person's, out of scope, or hidden by the policy; the client cannot tell which. Raises NotAllowed
    `handeling_niet_toegestaan` or `niveau_te_laag`.
    """
    line, answer = _weighed(policy, actor, act, target, at)
    if isinstance(answer, Refusal):
        await record(work, line, at=at)
        raise answer
    await record(work, line, at=at, line_id=answer.journal_id)
    return answer


async def permit_and_fetch(
    work: Work, policy: Policy, actor: Actor, target: Target, fetch: Fetch, *, at: datetime
) -> tuple[Permit, Found | None]:
    """Issue a Permit, and fetch the rows in the statement that writes the journal line.

    A refusal fetches nothing. Raises as `issue_permit`.
    """
    line, answer = _weighed(policy, actor, fetch.act, target, at)
    if isinstance(answer, Refusal):
        await record(work, line, at=at)
        raise answer
    found = await fetch.statement.one(work, {**as_values(line, answer.journal_id, at), **fetch.values(answer)})
    return answer, found


def _weighed(policy: Policy, actor: Actor, act: Act, target: Target, at: datetime) -> tuple[Line, Permit | Refusal]:
    verdict = judge(policy.decide, actor, act, target, at)
    line = _line(policy, actor, act, verdict, (target.kind, target.object_id))
    if verdict.refusal is not None:
        return line, verdict.refusal
    if target.bericht_id is None or target.object_id is None:
        raise Fault("permit_zonder_bericht", private="the verdict allowed a message that is not there")
    leave = Permit(
        actor_id=actor.person_id,
        capacity=actor.capacity,
        vertegenwoordigde_id=actor.vertegenwoordigde_id,
        machtiging_id=actor.machtiging.id if actor.machtiging else None,
        act=act,
        kind=target.kind,
        object_id=target.object_id,
        bericht_id=target.bericht_id,
        at=at,
        journal_id=uuid7(),
        seal=SEAL,
    )
    return line, leave


async def permit_listing(work: Work, policy: Policy, actor: Actor, *, at: datetime) -> ListingPermit:
    """Issue and journal a Permit to list, with the limits of the list.

    A refusal is journalled too.

    Raises NotInForce, NotAllowed `handeling_niet_toegestaan` or `niveau_te_laag`.
    """
    verdict, pairs = judge_listing(policy.decide, actor, at)
    line = _line(policy, actor, Act.LIST, verdict, ("berichtenbox", None))
    journal_id = await record(work, line, at=at)
    if verdict.refusal is not None:
        raise verdict.refusal
    return ListingPermit(
        actor_id=actor.person_id,
        capacity=actor.capacity,
        vertegenwoordigde_id=actor.vertegenwoordigde_id,
        machtiging_id=actor.machtiging.id if actor.machtiging else None,
        pairs=pairs,
        scope=actor.machtiging.scope if actor.machtiging else None,
        at=at,
        journal_id=journal_id,
        seal=SEAL,
    )


def _line(policy: Policy, actor: Actor, act: Act, verdict: Verdict, what: tuple[str, str | None]) -> Line:
    return Line(
        act=JournalAct(f"bericht:{act}"),
        outcome=Outcome.ALLOWED if verdict.refusal is None else Outcome.REFUSED,
        reason=verdict.reason,
        actor_id=actor.person_id,
        capacity=actor.capacity,
        client_id=actor.client_id,
        for_person_id=actor.vertegenwoordigde_id,
        machtiging_id=actor.machtiging.id if actor.machtiging else None,
        object_kind=what[0],
        object_id=what[1],
        policy_digest=policy.digest,
        facts={"niveau": actor.level} | ({"regel": verdict.row} if verdict.row else {}),
    )
