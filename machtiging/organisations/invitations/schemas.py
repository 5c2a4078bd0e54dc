"""Request and response models of invitations, in the Dutch terms of the wire."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints

from machtiging.kernel.assurance import Assurance
from machtiging.kernel.errors import InvalidInput
from machtiging.notifications.mailer import parse_email_address
from machtiging.organisations.invitations.rules import MAX_EMAIL_LENGTH, LinkInvitation
from machtiging.organisations.rules import EmployeeRole, parse_roles
from machtiging.web.validation import StrictRequestModel, parse_body

_Line = Annotated[str, StringConstraints(min_length=1, max_length=255)]


class UitnodigingStatus(StrEnum):
    """De stand van een uitnodiging die nog niet gebruikt of ingetrokken is."""

    OPEN = "open"
    VERLOPEN = "verlopen"


class UitnodigingIn(StrictRequestModel):
    """Een uitnodiging met een link per mail. Het niveau is dat waarop iemand dan inlogt."""

    emailadres: _Line
    naam: _Line
    rollen: list[EmployeeRole]
    niveau: Assurance = Assurance.SUBSTANTIAL


class NieuweUitnodigingOut(BaseModel):
    """De nieuwe uitnodiging."""

    uitnodigingId: UUID  # noqa: N815


class UitnodigingOut(BaseModel):
    """Een uitnodiging die nog niet gebruikt of ingetrokken is."""

    uitnodigingId: UUID  # noqa: N815
    naam: str
    emailadres: str
    rollen: list[EmployeeRole]
    niveau: Assurance
    status: UitnodigingStatus
    verlooptOp: datetime  # noqa: N815
    verstuurd: bool = Field(description="Of de mail weg is.")
    onbestelbaar: bool = Field(description="Of de mailserver de mail weigerde.")


class UitnodigingenOut(BaseModel):
    """De uitnodigingen van uw organisatie, nieuwste eerst."""

    uitnodigingen: list[UitnodigingOut]


def parse_email(text: str) -> str:
    """Parse an address, its domain in lower case. Raises InvalidInput `emailadres_ongeldig`."""
    try:
        local_part, domain = parse_email_address(text)
    except ValueError as error:
        raise InvalidInput("emailadres_ongeldig") from error
    address = f"{local_part}@{domain.lower()}"
    if len(address) > MAX_EMAIL_LENGTH:
        raise InvalidInput("emailadres_ongeldig")
    return address


def parse_link_invitation(body: bytes) -> LinkInvitation:
    """Parse an invitation by a link. Raises InvalidInput."""
    sent = parse_body(UitnodigingIn, body)
    return LinkInvitation(parse_email(sent.emailadres), sent.naam, parse_roles(sent.rollen), sent.niveau)
