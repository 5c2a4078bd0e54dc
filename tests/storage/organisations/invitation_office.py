"""A recognised organisation that invites by a link, with a real mail server."""

from __future__ import annotations

import re
from datetime import date, datetime
from functools import partial
from typing import Any
from uuid import UUID

from machtiging.identity.people import save_profile
from machtiging.identity.profile_claims import Profile
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.clock import SettableClock
from machtiging.kernel.errors import Refusal
from machtiging.notifications.mailer import Mailer
from machtiging.organisations.invitations.acceptance import InvitedLogin, accept_invitation, preview_invitation
from machtiging.organisations.invitations.administration import (
    invite_by_link,
    resend_invitation,
    withdraw_invitation,
)
from machtiging.organisations.invitations.links import hash_link_token
from machtiging.organisations.invitations.mail import send_due_invitations
from machtiging.organisations.invitations.queries import list_invitations
from machtiging.organisations.invitations.rules import LinkInvitation
from machtiging.organisations.invitations.tables import InvitationLink
from machtiging.organisations.rules import ActingEmployee, EmployeeRole
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.database import Database
from tests.builders.keys import NOON, load_keyring
from tests.builders.mail import MAIL_CONTACT
from tests.builders.organisations import KVK, add_employee, add_organisation
from tests.builders.people import add_person_without_bsn
from tests.builders.rows import EMPLOYEES, JOURNAL_INTAKE, TableReader
from tests.storage.notifications.smtp_server import MailServer

INVITATIONS = TableReader(InvitationLink)
ADDRESS = "noor@wijkteam.example"
_LINK = re.compile(r"/uitnodiging/([A-Za-z0-9_-]+)")


class InvitingOffice:
    """The organisation with two administrators, the acts on invitations, and the mails that arrived."""

    def __init__(self, database: Database, server: MailServer) -> None:
        self.database, self.server, self.clock = database, server, SettableClock(NOON)
        sender = "Machtigen <niet-antwoorden@machtigen.example>"
        self.mailer = Mailer("127.0.0.1", server.port, starttls=False, sender=sender, contact=MAIL_CONTACT)

    async def begin(self, status: str = "erkend", **changes: Any) -> InvitingOffice:
        async with unit_of_work(self.database.sessions) as session:
            self.organisation = await add_organisation(session, status=status, **changes)
        self.administrator = await self.hire("Astrid de Beheerder")
        self.second = await self.hire("Bob Beheerder")
        return self

    async def hire(
        self, name: str, roles: tuple[str, ...] = ("organisatiebeheerder",), born: date | None = None
    ) -> ActingEmployee:
        person = await self.add_person(name, born)
        async with unit_of_work(self.database.sessions) as session:
            employee = await add_employee(session, self.organisation, person, roles=list(roles))
        return ActingEmployee(person, employee, self.organisation)

    async def add_person(self, name: str, born: date | None = None, account: str | None = None) -> Any:
        async with unit_of_work(self.database.sessions) as session:
            person = await add_person_without_bsn(session, account or name, born)
            await save_profile(session, load_keyring(), person, Profile(name, born, None))
        return person

    async def _do(self, act: Any, *values: Any) -> Any:
        """Do one act in a transaction of its own. Returns its result, or the code of its refusal."""
        try:
            async with unit_of_work(self.database.sessions) as session:
                return await act(session, *values, at=self.clock.now())
        except Refusal as refusal:
            return refusal.code

    async def invite(
        self,
        email: str = ADDRESS,
        *,
        actor: ActingEmployee | None = None,
        roles: tuple[EmployeeRole, ...] = (EmployeeRole.CARE_WORKER,),
        level: Assurance = Assurance.SUBSTANTIAL,
    ) -> Any:
        invitation = LinkInvitation(email, "Noor Nieuw", frozenset(roles), level)
        return await self._do(invite_by_link, load_keyring(), actor or self.administrator, invitation)

    async def resend(self, invitation_id: UUID, actor: ActingEmployee | None = None) -> Any:
        return await self._do(resend_invitation, load_keyring(), actor or self.administrator, invitation_id)

    async def withdraw(self, invitation_id: UUID, actor: ActingEmployee | None = None) -> Any:
        return await self._do(withdraw_invitation, actor or self.administrator, invitation_id)

    async def send(self) -> int:
        return await send_due_invitations(self.database.sessions, load_keyring(), self.mailer, self.clock)

    async def receive_token(self, email: str = ADDRESS) -> str:
        """Send what is due, and read the token in the last mail to this address."""
        await self.send()
        bodies = [mail.get_content() for recipients, mail in self.server.taken if recipients == [email]]
        found = _LINK.search(bodies[-1])
        assert found is not None
        return found[1]

    async def preview(
        self,
        token: str,
        person: Any,
        kvk: str | None = KVK,
        level: Any = Assurance.SUBSTANTIAL,
        logged_in: datetime | None = None,
    ) -> Any:
        login = InvitedLogin(person, kvk, level, logged_in or self.clock.now())
        return await self._do(preview_invitation, load_keyring(), login, token)

    async def accept(
        self,
        token: str,
        person: Any,
        kvk: str | None = KVK,
        level: Any = Assurance.SUBSTANTIAL,
        logged_in: datetime | None = None,
        shown: UUID | None = None,
    ) -> Any:
        """Accept the invitation of this link, or another one that was shown."""
        login = InvitedLogin(person, kvk, level, logged_in or self.clock.now())
        digest = hash_link_token(token)
        ids = [] if digest is None else await INVITATIONS.read_column(self.database, "id", token_hash=digest)
        accept = partial(accept_invitation, shown=shown or next(iter(ids), None))
        return await self._do(accept, load_keyring(), login, token)

    async def list(self) -> Any:
        return await self._do(list_invitations, load_keyring(), self.organisation)

    async def find_employee(self, person: Any) -> list[Any]:
        return list(await EMPLOYEES.read(self.database, person_id=person))

    async def read_outcomes(self, act: str) -> list[tuple[str, str]]:
        return [(line.outcome, line.reason) for line in await JOURNAL_INTAKE.read(self.database, act=act)]
