"""The rules of a question to renew: its states, and which machtigingen can be asked. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.rules import Channel
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.errors import Conflict
from machtiging.kernel.ids import MachtigingId, PersonId

# What ends within this time can be asked, and one client once in it.
RENEWAL_WINDOW = timedelta(days=30)
MAX_ASKED_PER_ROUND = 500


class RenewalState(StrEnum):
    """The state of a question, as stored. EXPIRED is never stored: it follows from the time."""

    WAITING = "verstuurd"
    AGREED = "ingewilligd"
    REFUSED = "geweigerd"
    EXPIRED = "verlopen"


@dataclass(frozen=True, slots=True)
class RenewalQuestion:
    """One question to one client. `root_id`: the machtiging to the organisation."""

    id: UUID
    round_id: UUID
    root_id: MachtigingId
    giver_id: PersonId
    organisation_id: UUID
    asked_by: UUID
    state: RenewalState
    asked_at: datetime
    decided_at: datetime | None
    expires_at: datetime

    def state_at(self, at: datetime) -> RenewalState:
        """Return the state at an instant."""
        has_expired = self.state is RenewalState.WAITING and at >= self.expires_at
        return RenewalState.EXPIRED if has_expired else self.state


def can_be_renewed(
    authority: Authority, person_id: PersonId, organisation_kvk: str | None, login: Assurance, at: datetime
) -> bool:
    """Return True if this employee reads under it now and it ends soon.

    Its giver can let it run longer: what a register gave is left out.
    """
    if authority.refusal(person_id, organisation_kvk, login, at) is not None:
        return False
    return authority.ends_at < at + RENEWAL_WINDOW and authority.root.channel is not Channel.REGISTER


def require_waiting_question(question: RenewalQuestion, at: datetime) -> None:
    """Require a question that waits for an answer. Raises Conflict `verlenging_al_beantwoord`."""
    if question.state_at(at) is not RenewalState.WAITING:
        raise Conflict("verlenging_al_beantwoord")
