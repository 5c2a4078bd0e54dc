"""Send the e-mails with invitation links: claim, send, mark, as the outbox does.

The recipient is no person that we know, so the outbox of notifications cannot hold it. A repeat after a crash has the
same Message-ID. A link that was sent again is another e-mail.
"""

from __future__ import annotations

from datetime import datetime
from email.message import EmailMessage
from typing import Any, NamedTuple
from uuid import UUID, uuid5

import structlog
from sqlalchemy import Row, select, update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from machtiging.audit.row_authentication import authenticate_row
from machtiging.crypto.keyring import KeyRing
from machtiging.identity.people import load_data_key
from machtiging.kernel.clock import Clock
from machtiging.kernel.errors import MachtigingError
from machtiging.message_catalogue import DUTCH, ENGLISH, get_sentence, use_language
from machtiging.notifications.mailer import DeliveryResult, DeliveryStatus, EmailId, Mailer, compose_email, send_email
from machtiging.notifications.outbox_dispatcher import RETRY_DELAYS
from machtiging.notifications.texts import EmailText, MailContact, normalise_name_line
from machtiging.organisations.invitations.links import decrypt_email, derive_link_token
from machtiging.organisations.invitations.queries import INVITATION, IS_UNUSED
from machtiging.organisations.invitations.tables import SEALED_INVITATION_LINK
from machtiging.organisations.queries import load_organisation_names
from machtiging.storage.unit_of_work import unit_of_work
from machtiging.web.pages import format_day

INVITATION_PATH = "/uitnodiging"
_BATCH_SIZE = 50
_log = structlog.get_logger(__name__)


class _ClaimedInvitation(NamedTuple):
    """A claimed invitation, with its mail or the reason why it has none."""

    id: UUID
    link_number: int
    tries: int
    mail: EmailMessage | DeliveryResult


async def send_due_invitations(
    sessions: async_sessionmaker[AsyncSession], keyring: KeyRing, mailer: Mailer, clock: Clock
) -> int:
    """Send the invitations that are due, oldest first. Returns the number accepted.

    Stops early when the server is unreachable. Raises Fault `opslag_niet_bereikbaar`.
    """
    accepted = 0
    for _ in range(_BATCH_SIZE):
        async with unit_of_work(sessions) as session:
            claimed = await _claim_next(session, keyring, mailer, clock.now())
        if claimed is None:
            break
        result = claimed.mail if isinstance(claimed.mail, DeliveryResult) else await send_email(mailer, claimed.mail)
        async with unit_of_work(sessions) as session:
            await _mark_result(session, claimed, result, clock.now())
        if result.status is DeliveryStatus.UNREACHABLE:
            break
        accepted += result.status is DeliveryStatus.ACCEPTED
    return accepted


async def _claim_next(
    session: AsyncSession, keyring: KeyRing, mailer: Mailer, at: datetime
) -> _ClaimedInvitation | None:
    """Claim the oldest due invitation that is still open. Sets its next try, in case this process dies."""
    columns = INVITATION.c
    waiting = (columns.mail_sent_at.is_(None), columns.mail_given_up_at.is_(None), columns.mail_next_at <= at)
    due = select(INVITATION).where(*waiting, *IS_UNUSED, columns.expires_at > at)
    one = due.order_by(columns.mail_next_at, columns.id).limit(1).with_for_update(skip_locked=True)
    row = (await session.execute(one)).one_or_none()
    if row is None:
        return None
    pause = RETRY_DELAYS[min(row.mail_tries, len(RETRY_DELAYS) - 1)]
    claim = {"mail_tries": row.mail_tries + 1, "mail_next_at": at + pause}
    await session.execute(update(INVITATION).where(columns.id == row.id).values(claim))
    mail = await _compose_invitation(session, keyring, mailer, row, at)
    return _ClaimedInvitation(row.id, row.link_number, row.mail_tries + 1, mail)


async def _compose_invitation(
    session: AsyncSession, keyring: KeyRing, mailer: Mailer, row: Row[Any], at: datetime
) -> EmailMessage | DeliveryResult:
    """Compose the mail, or return why it cannot be sent."""
    if not await authenticate_row(session, SEALED_INVITATION_LINK, row, at=at):
        return DeliveryResult(DeliveryStatus.REJECTED, "rij_ongeldig")
    try:
        address = decrypt_email(await load_data_key(session, keyring, row.organisation_id), row)
    except MachtigingError as error:  # what one organisation sealed must not hold up the post of all
        return DeliveryResult(DeliveryStatus.RETRY, error.code)
    names = await load_organisation_names(session, [row.organisation_id])
    link = f"{mailer.contact.issuer}{INVITATION_PATH}/{derive_link_token(keyring, row.id, row.link_number)}"
    text = render_invitation(names[row.organisation_id], link, row.expires_at, mailer.contact)
    # A new link has a new Message-ID, and the same one a repeat.
    email_id = EmailId(uuid5(row.id, str(row.link_number)), at)
    try:
        return compose_email(mailer, address, text, email_id)
    except ValueError:
        return DeliveryResult(DeliveryStatus.REJECTED, "adres_ongeldig")


def render_invitation(organisation: str, link: str, expires_at: datetime, contact: MailContact) -> EmailText:
    """Render the e-mail in Dutch and in English. The language of the reader is unknown."""
    bodies = []
    for language in (DUTCH, ENGLISH):
        with use_language(language):
            words = {
                "organisation": normalise_name_line(organisation),
                "day": format_day(expires_at),
                "link": link,
                "site": contact.site,
                "phone": contact.help.phone,
                "hours": contact.help.hours.in_language(language),
            }
            paragraphs = (
                get_sentence("mails.greeting"),
                get_sentence("mails.invitation.text", **words),
                link,
                get_sentence("mails.invitation.how", **words),
                get_sentence("mails.invitation.not_expected", **words),
                get_sentence("mails.foot.help", **words),
                get_sentence("mails.sender"),
            )
            bodies.append("\n\n".join(paragraphs))
    subject = get_sentence("mails.invitation.subject", DUTCH, organisation=normalise_name_line(organisation))
    return EmailText(subject, "\n\n---\n\n".join(bodies) + "\n")


async def _mark_result(
    session: AsyncSession, claimed: _ClaimedInvitation, result: DeliveryResult, at: datetime
) -> None:
    """Mark the result for this link. An accepted mail stays sent."""
    columns = INVITATION.c
    mine = (columns.id == claimed.id, columns.link_number == claimed.link_number, columns.mail_sent_at.is_(None))
    marking = update(INVITATION).where(*mine)
    if result.status is DeliveryStatus.ACCEPTED:
        await session.execute(marking.values(mail_sent_at=at))
        return
    marking = marking.where(columns.mail_tries == claimed.tries)
    if result.status is DeliveryStatus.REJECTED or claimed.tries > len(RETRY_DELAYS):
        _log.warning("invitation_given_up", invitation=str(claimed.id), reason=result.reason)
        await session.execute(marking.values(mail_given_up_at=at))
    else:
        await session.execute(marking.values(mail_next_at=at + RETRY_DELAYS[claimed.tries - 1]))
