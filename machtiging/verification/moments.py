"""The authorities of questions at their instant, with the policy of then."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access.oversight.past_policy import load_policy_at
from machtiging.access.verdict import DecideFunction
from machtiging.audit.row_states.past_rows import HISTORY_INCOMPLETE
from machtiging.delegation.authority.between_parties import load_authorities_between
from machtiging.delegation.authority.history import PastAuthority, load_authorities_at
from machtiging.delegation.authority.rules import Authority
from machtiging.kernel.errors import NotInForce
from machtiging.kernel.ids import MachtigingId
from machtiging.verification.parties import ResolvedParties
from machtiging.verification.rules import PartyReference, Verification


@dataclass(frozen=True, slots=True)
class Moment:
    """One instant: the policy, and the authorities that the questions about it may mean.

    `present` are the rows of now. For the past they only say which machtigingen to look at: `past` has what they were.
    """

    decide: DecideFunction
    policy_digest: str
    present: Sequence[Authority]
    past: Mapping[MachtigingId, PastAuthority] | None = None

    def find_fitting(self, question: Verification, parties: ResolvedParties) -> list[Authority]:
        """Find the authorities that this question is about.

        Raises NotInForce `geschiedenis_onvolledig` if the journal cannot tell what one of them was.
        """
        represented = None if question.vertegenwoordigde is None else parties[question.vertegenwoordigde]
        holders = None if question.gemachtigde is None else parties[question.gemachtigde]
        found = []
        for authority in self.present:
            is_named = question.machtiging_id in (None, authority.machtiging_id)
            is_represented = represented is None or authority.vertegenwoordigde_id in represented
            # The holder never changes. So a broken history of another holder refuses nothing here.
            is_held = holders is None or find_holder(authority) in holders
            then = self._recall(authority) if is_named and is_represented and is_held else None
            if then is not None and (holders is None or find_holder(then) in holders):
                found.append(then)
        return found

    def _recall(self, authority: Authority) -> Authority | None:
        """Return what it was at this moment; None if there was no such machtiging yet."""
        if self.past is None:
            return authority
        then = self.past[authority.machtiging_id]
        if then.problem is not None:
            raise NotInForce(HISTORY_INCOMPLETE, private=then.problem)
        return then.authority


def find_holder(authority: Authority) -> UUID | None:
    """Return the holder: a person, or the organisation if no employee is named."""
    if authority.holder_id is not None:
        return authority.holder_id
    return authority.organisation_id if len(authority.links) == 1 else None


async def load_present_moment(
    session: AsyncSession,
    decide: DecideFunction,
    policy_digest: str,
    questions: Collection[Verification],
    parties: ResolvedParties,
    *,
    at: datetime,
) -> Moment:
    """Load the moment of the questions about now, in one statement."""
    return Moment(decide, policy_digest, await _load_between(session, questions, parties, at, include_ended=False))


async def load_past_moment(
    session: AsyncSession,
    questions: Collection[Verification],
    parties: ResolvedParties,
    as_of: datetime,
    *,
    at: datetime,
) -> Moment:
    """Load the moment of the questions about one instant in the past, in four statements.

    Raises NotInForce `beleid_van_toen_onbekend`.
    """
    policy = await load_policy_at(session, as_of)
    present = await _load_between(session, questions, parties, at, include_ended=True)
    past = await load_authorities_at(session, [one.machtiging_id for one in present], as_of)
    return Moment(policy.decide, policy.digest, present, past)


async def _load_between(
    session: AsyncSession,
    questions: Collection[Verification],
    parties: ResolvedParties,
    at: datetime,
    *,
    include_ended: bool,
) -> list[Authority]:
    represented = _collect_parties(parties, (one.vertegenwoordigde for one in questions))
    holders = _collect_parties(parties, (one.gemachtigde for one in questions))
    named = {one.machtiging_id for one in questions if one.machtiging_id is not None}
    return await load_authorities_between(session, represented, holders, named, include_ended=include_ended, at=at)


def _collect_parties(parties: ResolvedParties, references: Iterable[PartyReference | None]) -> set[UUID]:
    return {party_id for one in references if one is not None for party_id in parties[one]}
