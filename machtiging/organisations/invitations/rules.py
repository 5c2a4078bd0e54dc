"""Invitations by a link: what is asked, limits and states. Pure: no I/O, no framework."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from machtiging.kernel.assurance import Assurance
from machtiging.kernel.errors import InvalidInput
from machtiging.organisations.rules import INVITATION_LIFETIME, EmployeeRole, require_employee_name

MAX_OPEN_INVITATIONS = 50
# The first link and nine more.
MAX_LINKS = 10
# New invitations in 24 hours, withdrawn ones too: else our mail server floods an address.
MAX_PER_ADDRESS_PER_DAY = 3
MAX_PER_ORGANISATION_PER_DAY = 100
MAX_EMAIL_LENGTH = 254
# How long a row stays after its last link expired.
INVITATION_RETENTION = timedelta(days=30)
INVITATION_LEVELS = (Assurance.SUBSTANTIAL, Assurance.HIGH)


class LinkState(StrEnum):
    """The state of an invitation by a link."""

    OPEN = "open"
    EXPIRED = "verlopen"
    ACCEPTED = "gebruikt"
    WITHDRAWN = "ingetrokken"


class _Link(Protocol):
    """The times of an invitation."""

    @property
    def expires_at(self) -> datetime: ...

    @property
    def accepted_at(self) -> datetime | None: ...

    @property
    def withdrawn_at(self) -> datetime | None: ...


def find_sent_at(link: _Link) -> datetime:
    """Return when the present link was made. Unlike `invited_at` it moves when the link is sent again."""
    return link.expires_at - INVITATION_LIFETIME


def find_link_state(link: _Link, at: datetime) -> LinkState:
    """Return the state of an invitation at this instant."""
    if link.accepted_at is not None:
        return LinkState.ACCEPTED
    if link.withdrawn_at is not None:
        return LinkState.WITHDRAWN
    return LinkState.OPEN if at < link.expires_at else LinkState.EXPIRED


@dataclass(frozen=True, slots=True)
class LinkInvitation:
    """A requested invitation. `email` was parsed before.

    Raises InvalidInput `naam_ongeldig` or `niveau_niet_te_vragen`.
    """

    email: str
    display_name: str
    roles: frozenset[EmployeeRole]
    minimum_level: Assurance

    def __post_init__(self) -> None:
        require_employee_name(self.display_name)
        if self.minimum_level not in INVITATION_LEVELS:
            raise InvalidInput("niveau_niet_te_vragen")


def list_levels(minimum: Assurance) -> list[Assurance]:
    """Return the levels that an organisation with this minimum can ask."""
    return [level for level in INVITATION_LEVELS if level.is_at_least(minimum)]
