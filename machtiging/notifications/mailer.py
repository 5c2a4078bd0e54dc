"""One mail to one person over SMTP (RFC 5321), and what the server made of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime, parseaddr
from enum import StrEnum
from uuid import UUID

import aiosmtplib
from email_validator import EmailNotValidError, validate_email

from machtiging.notifications.texts import Message

# Well under the database's limit on idle transactions: the row stays locked while we talk to the mail server.
_PATIENCE = 15.0


class Delivery(StrEnum):
    """How one try ended. UNREACHABLE: nobody there, so that the next mail would fare no better."""

    TAKEN = "aangenomen"
    LATER = "later"
    UNREACHABLE = "onbereikbaar"
    NEVER = "nooit"


@dataclass(frozen=True, slots=True)
class Answer:
    """How one try ended, and why, in a word that holds no address."""

    delivery: Delivery
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Mailer:
    """The mail server, and who mails come from ("Name <address>")."""

    host: str
    port: int
    starttls: bool
    sender: str

    @property
    def sender_address(self) -> str:
        """The bare address."""
        return parseaddr(self.sender)[1]


@dataclass(frozen=True, slots=True)
class Slip:
    """What tells one mail from another: the id of the notification and when it was written down."""

    id: UUID
    created_at: datetime


def compose(mailer: Mailer, address: str, message: Message, slip: Slip) -> EmailMessage:
    """The mail; sent twice, it has the same Message-ID twice. Raises ValueError `adres_ongeldig`."""
    local_part, domain = mailbox_of(address)
    mail = EmailMessage(policy=SMTP_POLICY)
    mail["From"] = mailer.sender
    mail["To"] = Address(username=local_part, domain=domain)
    mail["Subject"] = message.subject
    mail["Date"] = format_datetime(slip.created_at)
    mail["Message-ID"] = f"<{slip.id}@{mailer.sender_address.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday replies to this
    mail.set_content(message.body, charset="utf-8")
    return mail


def mailbox_of(address: str) -> tuple[str, str]:
    """Local part and domain of one address; an internationalised domain in its ASCII form (RFC 5890).

    Narrower than RFC 5322: no quoted local part, no display name, no address literal, so that nothing a person typed
    can add a header or a recipient. Nobody's name server is asked. Raises ValueError `adres_ongeldig`.
    """
    try:
        valid = validate_email(address, check_deliverability=False, globally_deliverable=False, strict=True)
    except EmailNotValidError as error:
        raise ValueError("adres_ongeldig") from error
    return valid.local_part, valid.ascii_domain


async def hand_over(mailer: Mailer, mail: EmailMessage) -> Answer:
    """Offer the mail to the server. Only a lasting "no" about this addressee or this mail is final.

    A 5xx at the greeting, at STARTTLS or about ourselves as sender is our own trouble, to be mended: later.
    """
    server = aiosmtplib.SMTP(hostname=mailer.host, port=mailer.port, start_tls=mailer.starttls, timeout=_PATIENCE)
    try:
        async with server:
            if await _lacks_smtputf8(server, mail):
                return Answer(Delivery.NEVER, "smtputf8_ontbreekt")
            await server.send_message(mail, sender=mailer.sender_address)
    except aiosmtplib.SMTPRecipientsRefused as refused:
        return _final(refused.recipients[0].code)
    except aiosmtplib.SMTPDataError as refused:
        return _final(refused.code)
    except aiosmtplib.SMTPResponseException as refused:
        return Answer(Delivery.LATER, f"smtp_{refused.code}")
    except (aiosmtplib.SMTPException, OSError) as error:
        return Answer(Delivery.UNREACHABLE, type(error).__name__)
    return Answer(Delivery.TAKEN)


async def _lacks_smtputf8(server: aiosmtplib.SMTP, mail: EmailMessage) -> bool:
    """A local part outside ASCII can only go to a server with SMTPUTF8 (RFC 6531)."""
    if all(address.addr_spec.isascii() for address in mail["To"].addresses):
        return False
    await server.ehlo()
    return not server.supports_extension("smtputf8")


def _final(code: int) -> Answer:
    return Answer(Delivery.NEVER if code >= 500 else Delivery.LATER, f"smtp_{code}")
