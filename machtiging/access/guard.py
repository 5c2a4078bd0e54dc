"""The guard before every bericht: evaluate access, journal it, then issue a Permit or refuse.

It is the policy enforcement point of the box. It decides on rows that are already loaded. A refusal runs one statement,
the journal line, so timing reveals no reason. A permitted fetch runs that statement with the content.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access.actor import Actor
from machtiging.access.permit import PERMIT_SEAL, ListingPermit, Permit
from machtiging.access.policy_engine import Policy
from machtiging.access.verdict import AccessTarget, AccessVerdict, evaluate_access, evaluate_listing, evaluate_token_act
from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, build_journal_line_params, record, record_all
from machtiging.delegation.rules import Act
from machtiging.kernel.errors import Fault, Refusal
from machtiging.kernel.ids import uuid7
from machtiging.storage.statement import Executor, ResultRow, Statement

__all__ = [
    "AccessTarget",
    "GuardedQuery",
    "Policy",
    "issue_listing_permit",
    "issue_listing_permits",
    "issue_permit",
    "issue_permit_and_fetch",
    "require_token_act",
]


class GuardedQuery(NamedTuple):
    """A query for one act: its statement, and its parameters for a Permit.

    The statement writes the journal line too (`audit.journal.build_journal_insert_cte`): nothing is fetched without it.
    `journal_act`: what the line says was done, if that is not the act that the policy decides on.
    """

    act: Act
    statement: Statement
    params_for_permit: Callable[[Permit], Mapping[str, Any]]
    journal_act: JournalAct | None = None


async def issue_permit(
    executor: Executor, policy: Policy, actor: Actor, act: Act, target: AccessTarget, *, at: datetime
) -> Permit:
    """Issue and journal a Permit for one act on one bericht or bijlage.

    A refusal is journalled too.

    Raises NotFound `machtiging_onbekend` (the path names another machtiging) or NotInForce (it is not in force now).
    Raises NotFound `bericht_onbekend`: no such bericht, another person's, out of scope, or hidden by the policy; the
    client cannot tell which. Raises NotAllowed `handeling_niet_toegestaan` or `niveau_te_laag`.
    """
    line, answer = _evaluate_and_build_permit(policy, actor, act, target, at)
    if isinstance(answer, Refusal):
        await record(executor, line, at=at)
        raise answer
    await record(executor, line, at=at, line_id=answer.journal_id)
    return answer


async def issue_permit_and_fetch(
    executor: Executor, policy: Policy, actor: Actor, target: AccessTarget, fetch: GuardedQuery, *, at: datetime
) -> tuple[Permit, ResultRow | None]:
    """Issue a Permit, and fetch the rows in the statement that writes the journal line.

    A refusal fetches nothing. Raises as `issue_permit`.
    """
    line, answer = _evaluate_and_build_permit(policy, actor, fetch.act, target, at)
    if fetch.journal_act is not None:
        line = replace(line, act=fetch.journal_act)
    if isinstance(answer, Refusal):
        await record(executor, line, at=at)
        raise answer
    row = await fetch.statement.one_or_none(
        executor, {**build_journal_line_params(line, answer.journal_id, at), **fetch.params_for_permit(answer)}
    )
    return answer, row


def _evaluate_and_build_permit(
    policy: Policy, actor: Actor, act: Act, target: AccessTarget, at: datetime
) -> tuple[NewJournalLine, Permit | Refusal]:
    verdict = evaluate_access(policy.decide, actor, act, target, at)
    line = _build_journal_line(policy, actor, act, verdict, (target.kind, target.object_id))
    if verdict.refusal is not None:
        return line, verdict.refusal
    if target.bericht_id is None or target.object_id is None:
        raise Fault("permit_zonder_bericht", private="the verdict allowed a message that is not there")
    permit = Permit(
        actor_id=actor.person_id,
        capacity=actor.capacity,
        vertegenwoordigde_id=actor.vertegenwoordigde_id,
        machtiging_id=actor.machtiging_id,
        act=act,
        kind=target.kind,
        object_id=target.object_id,
        bericht_id=target.bericht_id,
        at=at,
        journal_id=uuid7(),
        seal=PERMIT_SEAL,
    )
    return line, permit


async def issue_listing_permit(executor: Executor, policy: Policy, actor: Actor, *, at: datetime) -> ListingPermit:
    """Issue and journal a Permit to list, with the limits of the list.

    A refusal is journalled too.

    Raises NotFound `machtiging_onbekend`, NotInForce, NotAllowed `handeling_niet_toegestaan` or `niveau_te_laag`.
    """
    verdict, pairs = evaluate_listing(policy.decide, actor, at)
    line = _build_journal_line(policy, actor, Act.LIST, verdict, ("berichtenbox", None))
    journal_id = await record(executor, line, at=at)
    if verdict.refusal is not None:
        raise verdict.refusal
    return _build_listing_permit(actor, pairs, at, journal_id)


async def issue_listing_permits(
    executor: AsyncSession, policy: Policy, actors: Sequence[Actor], *, at: datetime
) -> list[ListingPermit]:
    """Issue and journal a Permit to list for each of these actors, in one statement.

    For one list over many boxes. An actor that is refused gets none, and no journal line: its box is not in the list.
    """
    permits, lines = [], []
    for actor in actors:
        verdict, pairs = evaluate_listing(policy.decide, actor, at)
        if verdict.refusal is None:
            line = _build_journal_line(policy, actor, Act.LIST, verdict, ("berichtenbox", None))
            permits.append(_build_listing_permit(actor, pairs, at, uuid7()))
            lines.append((line, permits[-1].journal_id))
    await record_all(executor, lines, at=at)
    return permits


def _build_listing_permit(
    actor: Actor, pairs: frozenset[tuple[Theme, Sensitivity]], at: datetime, journal_id: UUID
) -> ListingPermit:
    return ListingPermit(
        actor_id=actor.person_id,
        capacity=actor.capacity,
        vertegenwoordigde_id=actor.vertegenwoordigde_id,
        machtiging_id=actor.machtiging_id,
        allowed_pairs=pairs,
        scope=actor.authority.scope if actor.authority else None,
        at=at,
        journal_id=journal_id,
        seal=PERMIT_SEAL,
    )


async def require_token_act(executor: Executor, policy: Policy, actor: Actor, act: Act, *, at: datetime) -> None:
    """Require this act of the token, for a route that opens no box.

    Only a refusal is journalled. Raises ActionMissing or NotAllowed `handeling_niet_toegestaan`.
    """
    verdict = evaluate_token_act(actor, act)
    if verdict.refusal is not None:
        await record(executor, _build_journal_line(policy, actor, act, verdict, ("berichtenbox", None)), at=at)
        raise verdict.refusal


def _build_journal_line(
    policy: Policy, actor: Actor, act: Act, verdict: AccessVerdict, object_ref: tuple[str, str | None]
) -> NewJournalLine:
    return NewJournalLine(
        act=JournalAct(f"bericht:{act}"),
        outcome=JournalOutcome.ALLOWED if verdict.refusal is None else JournalOutcome.REFUSED,
        reason=verdict.reason,
        actor_id=actor.person_id,
        capacity=actor.capacity,
        client_id=actor.client_id,
        for_person_id=None if actor.must_address_machtiging else actor.vertegenwoordigde_id,
        machtiging_id=actor.machtiging_id,
        object_kind=object_ref[0],
        object_id=object_ref[1],
        policy_digest=policy.digest,
        on_behalf_of=actor.organisation_id,
        facts={"niveau": actor.effective_assurance}
        | ({"regel": verdict.policy_row_id} if verdict.policy_row_id else {}),
    )
