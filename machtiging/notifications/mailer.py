"""Send one e-mail over SMTP (RFC 5321) and classify the reply of the server.

Addresses are checked against header injection."""

from __future__ import annotations

import asyncio
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

from machtiging.notifications.texts import EmailText, MailContact

# For each reply, and for the whole dialogue: less than the shortest pause of the outbox, after which a notification is
# due again.
_SMTP_TIMEOUT = 15.0
_DIALOGUE_TIMEOUT = 45.0


class DeliveryStatus(StrEnum):
    """The result of one attempt. UNREACHABLE: no server, so the next e-mail would fail as well."""

    ACCEPTED = "aangenomen"
    RETRY = "later"
    UNREACHABLE = "onbereikbaar"
    REJECTED = "nooit"


@dataclass(frozen=True, slots=True)
class DeliveryResult:
    """The result of one attempt, with a reason code that contains no address."""

    status: DeliveryStatus
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Mailer:
    """The SMTP server, the sender ("Name <address>") and the contact in the foot."""

    host: str
    port: int
    starttls: bool
    sender: str
    contact: MailContact

    @property
    def sender_address(self) -> str:
        """The bare address of the sender."""
        return parseaddr(self.sender)[1]


@dataclass(frozen=True, slots=True)
class EmailId:
    """The id and the creation time of a notification, for Message-ID and Date."""

    id: UUID
    created_at: datetime


def compose_email(mailer: Mailer, address: str, message: EmailText, email_id: EmailId) -> EmailMessage:
    """Compose the e-mail. A repeat has the same Message-ID. Raises ValueError `adres_ongeldig`."""
    local_part, domain = parse_email_address(address)
    mail = EmailMessage(policy=SMTP_POLICY)
    mail["From"] = mailer.sender
    mail["To"] = Address(username=local_part, domain=domain)
    mail["Subject"] = message.subject
    mail["Date"] = format_datetime(email_id.created_at)
    mail["Message-ID"] = f"<{email_id.id}@{mailer.sender_address.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday replies to this
    mail.set_content(message.body, charset="utf-8")
    return mail


def parse_email_address(address: str) -> tuple[str, str]:
    """Parse an address into local part and domain, an international domain in ASCII (RFC 5890).

    It is stricter than RFC 5322: no quoted local part, no display name, no address literal. So a typed address cannot
    inject a header or a recipient. There is no DNS lookup. Raises ValueError `adres_ongeldig`.
    """
    try:
        valid = validate_email(address, check_deliverability=False, globally_deliverable=False, strict=True)
    except EmailNotValidError as error:
        raise ValueError("adres_ongeldig") from error
    return valid.local_part, valid.ascii_domain


async def send_email(mailer: Mailer, mail: EmailMessage) -> DeliveryResult:
    """Send the e-mail. Only a permanent refusal of this recipient or this message is final.

    A 5xx reply to the greeting, to STARTTLS or to the sender is a fault on our side, and is retried.
    """
    server = aiosmtplib.SMTP(hostname=mailer.host, port=mailer.port, start_tls=mailer.starttls, timeout=_SMTP_TIMEOUT)
    try:
        async with asyncio.timeout(_DIALOGUE_TIMEOUT), server:
            if await _lacks_smtputf8(server, mail):
                return DeliveryResult(DeliveryStatus.REJECTED, "smtputf8_ontbreekt")
            await server.send_message(mail, sender=mailer.sender_address)
    except aiosmtplib.SMTPRecipientsRefused as refused:
        return _classify_reply(refused.recipients[0].code)
    except aiosmtplib.SMTPDataError as refused:
        return _classify_reply(refused.code)
    except aiosmtplib.SMTPResponseException as refused:
        return DeliveryResult(DeliveryStatus.RETRY, f"smtp_{refused.code}")
    except (aiosmtplib.SMTPException, OSError) as error:
        return DeliveryResult(DeliveryStatus.UNREACHABLE, type(error).__name__)
    return DeliveryResult(DeliveryStatus.ACCEPTED)


async def _lacks_smtputf8(server: aiosmtplib.SMTP, mail: EmailMessage) -> bool:
    """Return whether the address needs SMTPUTF8 (RFC 6531) and the server lacks it."""
    if all(address.addr_spec.isascii() for address in mail["To"].addresses):
        return False
    await server.ehlo()
    return not server.supports_extension("smtputf8")


def _classify_reply(code: int) -> DeliveryResult:
    return DeliveryResult(DeliveryStatus.REJECTED if code >= 500 else DeliveryStatus.RETRY, f"smtp_{code}")
