"""Readers of our tables for tests, one per table: `await GRANTS.count(session, ended_at=None)`.

Tests of the database itself (plans, privileges, triggers, migrations, the catalogue of PostgreSQL) keep their own SQL.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, func, select, text
from sqlmodel import SQLModel

from machtiging.access_tokens.tables import IssuedToken, UsedProof
from machtiging.agencies.tables import Agency, Dienst
from machtiging.audit.tables import JournalIntake, JournalLine
from machtiging.berichtenbox.tables import Bericht, Bijlage, BijlagePart, HelperNoteRow, ReaderMark
from machtiging.delegation import tables as delegation
from machtiging.identity.tables import LoginAttempt, LoginSession, Party, Person, SavedForm
from machtiging.notifications.tables import Notification
from machtiging.oauth import tables as oauth
from machtiging.organisations.tables import Employee, Organisation, Recognition
from machtiging.storage.columns import table_of
from machtiging.tasks.tables import WorkerHeartbeat

# The order of rows that were added and not changed since. Of two ids of one millisecond either may be the lower.
_AS_WRITTEN = text("xmin::text::bigint, cmin::text::bigint")


class TableReader:
    """A reader of one table.

    `source` is a session, a connection, or an object that has `sessions`. A text is the name of a column. Other
    conditions are Core expressions; a keyword is a column with the value that it must have.
    """

    def __init__(self, model: type[SQLModel]) -> None:
        self.table = table_of(model)
        self.c = self.table.c

    async def read(
        self, source: Any, *terms: str | ColumnElement[bool], order_by: str | None = None, **equal: Any
    ) -> Sequence[Row[Any]]:
        """Read the rows with these columns, or all. As they were written, or in the order of other columns."""
        columns = [self.c[term] for term in terms if isinstance(term, str)] or [self.table]
        order = [_AS_WRITTEN] if order_by is None else [self.c[name] for name in order_by.split(", ")]
        async with _executor(source) as executor:
            return (await executor.execute(self._filter(select(*columns), terms, equal).order_by(*order))).all()

    async def read_one(self, source: Any, *terms: str | ColumnElement[bool], **equal: Any) -> Row[Any]:
        """Read the only row."""
        (row,) = await self.read(source, *terms, **equal)
        return row

    async def read_column(self, source: Any, *terms: str | ColumnElement[bool], **equal: Any) -> list[Any]:
        """Read one column of the rows."""
        return [value for (value,) in await self.read(source, *terms, **equal)]

    async def read_value(self, source: Any, *terms: str | ColumnElement[bool], **equal: Any) -> Any:
        """Read one column of the first row; None if there is no row."""
        return next(iter(await self.read_column(source, *terms, **equal)), None)

    async def count(self, source: Any, *conditions: ColumnElement[bool], **equal: Any) -> int:
        """Count the rows."""
        counting = self._filter(select(func.count()).select_from(self.table), conditions, equal)
        async with _executor(source) as executor:
            return await executor.scalar(counting) or 0

    async def dump(self, source: Any) -> str:
        """Read the whole table as one text, to search it for forbidden values."""
        return str([tuple(row) for row in await self.read(source)])

    def _filter(
        self, query: Select[Any], terms: Sequence[str | ColumnElement[bool]], equal: dict[str, Any]
    ) -> Select[Any]:
        conditions = [term for term in terms if not isinstance(term, str)]
        return query.where(*conditions, *(self.c[name] == value for name, value in equal.items()))


@asynccontextmanager
async def _executor(source: Any) -> AsyncIterator[Any]:
    if hasattr(source, "execute"):
        yield source
    else:
        async with getattr(source, "sessions", source)() as session:
            yield session


AGENCIES, DIENSTEN = TableReader(Agency), TableReader(Dienst)
PERSONS, LOGIN_SESSIONS, LOGIN_ATTEMPTS = TableReader(Person), TableReader(LoginSession), TableReader(LoginAttempt)
SAVED_FORMS, PARTIES = TableReader(SavedForm), TableReader(Party)
MACHTIGINGEN, AGREEMENTS = TableReader(delegation.MachtigingRow), TableReader(delegation.AgreementRow)
MACHTIGINGSCODES, CODE_TRIES = TableReader(delegation.Machtigingscode), TableReader(delegation.CodeTry)
EMERGENCY_STOPS, HELP_REQUESTS = TableReader(delegation.EmergencyStopRow), TableReader(delegation.HelpRequestRow)
REGISTER_EVENTS, STATUTORY_RELATIONS = map(TableReader, (delegation.RegisterEventRow, delegation.StatutoryRelation))
MAJORITY_NOTICES = TableReader(delegation.MajorityNotice)
BERICHTEN, BIJLAGEN, BIJLAGE_PARTS = TableReader(Bericht), TableReader(Bijlage), TableReader(BijlagePart)
READER_MARKS, HELPER_NOTES = TableReader(ReaderMark), TableReader(HelperNoteRow)
ORGANISATIONS, RECOGNITIONS = TableReader(Organisation), TableReader(Recognition)
EMPLOYEES = TableReader(Employee)
JOURNAL_INTAKE, JOURNAL = TableReader(JournalIntake), TableReader(JournalLine)
NOTIFICATIONS, WORKER_HEARTBEATS = TableReader(Notification), TableReader(WorkerHeartbeat)
ISSUED_TOKENS, USED_PROOFS = TableReader(IssuedToken), TableReader(UsedProof)
CLIENTS, GRANTS = TableReader(oauth.OAuthClient), TableReader(oauth.OAuthGrant)
PUSHED_REQUESTS, AUTHORIZATION_CODES = TableReader(oauth.PushedRequest), TableReader(oauth.AuthorizationCode)
REFRESH_TOKENS, USED_ASSERTIONS = TableReader(oauth.RefreshToken), TableReader(oauth.UsedAssertion)
BACKCHANNEL_REQUESTS, MELDCODES = TableReader(oauth.BackchannelRequest), TableReader(oauth.Meldcode)
INITIAL_ACCESS_TOKENS, LOGOUT_NOTICES = TableReader(oauth.InitialAccessToken), TableReader(oauth.LogoutNotice)
READERS = {reader.table.name: reader for reader in list(globals().values()) if isinstance(reader, TableReader)}
