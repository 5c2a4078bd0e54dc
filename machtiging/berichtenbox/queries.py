"""Find letters without decrypting them.

Each lookup is one statement, the same for a letter that exists, is somebody else's or does not exist. So neither the
answer nor its timing reveals which (IDOR, enumeration, timing oracle).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Row,
    ScalarSelect,
    Select,
    Text,
    and_,
    bindparam,
    cast,
    func,
    literal,
    literal_column,
    select,
    true,
    type_coerce,
    union_all,
)
from sqlalchemy.dialects.postgresql import JSONB, aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access.guard import AccessTarget, GuardedQuery
from machtiging.access.optimistic_lock import unchanged_since_read, unchanged_since_read_in_session
from machtiging.access.permit import Permit
from machtiging.access.session_lookup import authorize_session_row, session_params, session_query
from machtiging.access.token_lookup import AuthorityToken, authenticate_token_row, token_query
from machtiging.agencies.names import agency_name_table
from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.audit.journal import build_journal_insert_cte
from machtiging.berichtenbox.tables import Bericht, Bijlage, ReaderMark
from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.rules import Act, BerichtEnvelope
from machtiging.identity.data_keys import DATA_KEY_COLUMNS, data_key_table
from machtiging.identity.session import Visitor
from machtiging.kernel.ids import BerichtId, PersonId, TokenId
from machtiging.storage.columns import table_of
from machtiging.storage.statement import Executor, ResultRow, Statement

BERICHT = table_of(Bericht)
BIJLAGE = table_of(Bijlage)
READER_MARK = table_of(ReaderMark)
_AGENCY = agency_name_table()
_DATA_KEY_TABLE = data_key_table()


@dataclass(frozen=True, slots=True)
class Afzender:
    """The sender of a letter."""

    oin: str
    naam: str


def select_berichten(reader_id: Any, at: Any, *columns: Any) -> Select[Any]:
    """Select letters in a box at an instant, with sender name and reader's mark (`marked_at`)."""
    mark = and_(READER_MARK.c.bericht_id == BERICHT.c.id, READER_MARK.c.person_id == reader_id)
    joined = BERICHT.join(_AGENCY, _AGENCY.c.oin == BERICHT.c.afzender_oin).outerjoin(READER_MARK, mark)
    chosen = (*columns, _AGENCY.c.name.label("afzender_naam"), READER_MARK.c.first_read_at.label("marked_at"))
    return select(*chosen).select_from(joined).where(*in_box_conditions(at))


def select_page(reader_id: PersonId, chosen: Select[Any]) -> Select[Any]:
    """Select the summary columns of the letters in `chosen`, in the same order.

    Each row has the wrapped data key too.

    The page is limited first. Names, marks and bijlagen are then read for its letters only, not for the whole box.
    """
    page = chosen.subquery("page")
    # Scalar subqueries use the index per row. The planner could execute a join by scanning all marks.
    marked = select(READER_MARK.c.first_read_at).where(
        READER_MARK.c.bericht_id == page.c.id, READER_MARK.c.person_id == reader_id
    )
    counted = select(func.count()).where(BIJLAGE.c.bericht_id == page.c.id)
    looked_up = {"marked_at": marked, "bijlagen": counted}
    columns = [each.correlate(page).scalar_subquery().label(name) for name, each in looked_up.items()]
    joined = page.join(_AGENCY, _AGENCY.c.oin == page.c.afzender_oin)
    joined = joined.join(_DATA_KEY_TABLE, _DATA_KEY_TABLE.c.id == page.c.ontvanger_id)
    rows = select(*page.c, _AGENCY.c.name.label("afzender_naam"), *columns, *DATA_KEY_COLUMNS).select_from(joined)
    return rows.order_by(page.c.published_at.desc(), page.c.id.desc())


def select_sender_name() -> ScalarSelect[Any]:
    """Select the name of the sender of the letter in the query around it."""
    return select(_AGENCY.c.name).where(_AGENCY.c.oin == BERICHT.c.afzender_oin).correlate(BERICHT).scalar_subquery()


def in_box_conditions(at: Any) -> tuple[ColumnElement[bool], ...]:
    """Return the SQL conditions for letters in a box at this instant."""
    return BERICHT.c.deleted_at.is_(None), BERICHT.c.published_at <= at


def _build_bijlagen_column() -> Any:
    """Build a JSON column with the bijlagen of a letter, names still encrypted.

    They are in the sender's order. The value is None without bijlagen.
    """
    # Literals and not bind parameters, because the values are constant.
    naam = func.encode(BIJLAGE.c.naam_sealed, literal_column("'hex'"))
    fields = {"id": BIJLAGE.c.id, "mime_type": BIJLAGE.c.mime_type, "size": BIJLAGE.c.size, "naam_sealed": naam}
    members = [part for name, column in fields.items() for part in (literal_column(f"'{name}'"), column)]
    listed = func.jsonb_agg(aggregate_order_by(func.jsonb_build_object(*members), BIJLAGE.c.position))
    mine = select(type_coerce(listed, JSONB)).where(BIJLAGE.c.bericht_id == BERICHT.c.id)
    return mine.correlate(BERICHT).scalar_subquery().label("bijlagen")


_ENCRYPTED_COLUMNS = {"onderwerp_sealed", "inhoud_sealed"}
_ENVELOPE_COLUMNS = [column for column in BERICHT.c if column.name not in _ENCRYPTED_COLUMNS]

# Built once at import: compiling costs more than executing.
_BY_ID = BERICHT.c.id == bindparam("bericht_id")
_FIND_BERICHT = Statement(select_berichten(bindparam("reader"), bindparam("at"), *_ENVELOPE_COLUMNS).where(_BY_ID))
_FIND_TOKEN_AND_BERICHT = token_query(
    lambda token: select_berichten(token.c.t_person_id, bindparam("at"), *_ENVELOPE_COLUMNS).where(_BY_ID)
)
_FIND_SESSION_AND_BERICHT = session_query(
    lambda _held: select_berichten(bindparam("reader"), bindparam("at"), *_ENVELOPE_COLUMNS).where(_BY_ID)
)
_SELECT_CONTENT = (
    select(BERICHT.c.onderwerp_sealed, BERICHT.c.inhoud_sealed, _build_bijlagen_column(), *DATA_KEY_COLUMNS)
    .join(_DATA_KEY_TABLE, _DATA_KEY_TABLE.c.id == BERICHT.c.ontvanger_id)
    .where(_BY_ID, BERICHT.c.ontvanger_id == bindparam("owner"))
)


def _content_params(read_permit: Permit) -> dict[str, Any]:
    return {"bericht_id": read_permit.bericht_id_for(Act.READ), "owner": read_permit.vertegenwoordigde_id}


def _build_content_fetch(gate: Select[Any]) -> Statement:
    """Build the fetch of a letter with an optimistic lock.

    `gate` selects one row if what the reader relies on is unchanged. Else there is no row and no journal line.
    """
    not_deleted = select(BERICHT.c.id).where(_BY_ID, BERICHT.c.deleted_at.is_(None))
    unchanged = gate.where(not_deleted.exists()).cte("unchanged")
    fetched = _SELECT_CONTENT.lateral("content")
    content = select(*fetched.c).select_from(unchanged.outerjoin(fetched, true()))
    return Statement(content.add_cte(build_journal_insert_cte(unchanged).cte("line")))


_CONTENT_UNDER_MACHTIGING = _build_content_fetch(unchanged_since_read(with_machtiging=True))
_CONTENT_WITH_TOKEN = _build_content_fetch(unchanged_since_read(with_machtiging=False))
_CONTENT_UNDER_MACHTIGING_IN_SESSION = _build_content_fetch(unchanged_since_read_in_session())
_CONTENT_IN_SESSION = _build_content_fetch(select(literal(1).label("open")))


@dataclass(frozen=True, slots=True)
class EnvelopeLookup:
    """The result of a lookup of a letter by id. `envelope` is None if there is no such letter.

    It comes from `TokenAndEnvelopeQuery`, or in a login session from `find_session_and_bericht` under a machtiging and
    from `find_bericht` in the own box.
    """

    bericht_id: UUID
    envelope: ResultRow | None


def build_content_query(lookup: EnvelopeLookup) -> GuardedQuery:
    """Build the query for the encrypted content, its bijlagen and the wrapped key.

    It needs a Permit, and the same statement journals the access. A refusal does not load the content, so its duration
    does not reveal the size of the letter. An optimistic lock: no row if the letter, the token or session, or the
    authority changed since the lookup.
    """
    row = lookup.envelope
    if row is None or not row.keys() & {"t_id", "s_id"}:
        return GuardedQuery(Act.READ, _CONTENT_IN_SESSION, _content_params)
    read_versions = {"machtiging": row["m_id"], "version": row["m_version"]}
    if "s_id" in row:
        statement, credential = _CONTENT_UNDER_MACHTIGING_IN_SESSION, {"session_id": row["s_id"]}
    else:
        statement = _CONTENT_WITH_TOKEN if row["m_id"] is None else _CONTENT_UNDER_MACHTIGING
        credential = {"jti": row["t_id"]}
    read_versions |= credential
    return GuardedQuery(Act.READ, statement, lambda read_permit: {**_content_params(read_permit), **read_versions})


async def find_bericht(executor: Executor, bericht_id: UUID, reader_id: PersonId, at: datetime) -> ResultRow | None:
    """Find the envelope of a letter by id, in any box. Its content needs a Permit: see `build_content_query`."""
    return await _FIND_BERICHT.one_or_none(executor, {"bericht_id": bericht_id, "reader": reader_id, "at": at})


async def find_session_and_bericht(
    executor: Executor, visitor: Visitor, machtiging_id: UUID | None, bericht_id: UUID, *, at: datetime
) -> tuple[Authority | None, EnvelopeLookup]:
    """Find the machtiging that this visitor holds, and an envelope, in one statement.

    It takes no lock, as `TokenAndEnvelopeQuery`. Raises NotAuthenticated if the session ended meanwhile.
    """
    params = session_params(visitor.session_id, machtiging_id)
    about = {"bericht_id": bericht_id, "reader": visitor.person_id, "at": at}
    row = await _FIND_SESSION_AND_BERICHT.one_or_none(executor, {**params, **about})
    authority = await authorize_session_row(executor, row, visitor, at=at)
    is_there = row is not None and row["id"] is not None
    return authority, EnvelopeLookup(bericht_id, row if is_there else None)


class TokenAndEnvelopeQuery:
    """A query for a token and the envelope of a letter in one statement. `envelope` is the result.

    It takes no lock. `build_content_query` checks later that nothing changed.
    """

    def __init__(self, bericht_id: UUID, at: datetime, *, addressed: UUID | None) -> None:
        self.bericht_id = bericht_id
        self._params = {"bericht_id": bericht_id, "at": at, "addressed": addressed}
        self.envelope: ResultRow | None = None

    async def __call__(self, executor: Executor, jti: TokenId, at: datetime) -> AuthorityToken | None:
        """Return the token state, as `access.token_lookup.load_token` does."""
        row = await _FIND_TOKEN_AND_BERICHT.one_or_none(executor, {**self._params, "jti": jti})
        if row is None:
            return None
        self.envelope = row if row["id"] is not None else None
        state = await authenticate_token_row(executor, row, at)
        if state is None:
            self.envelope = None
        return state


async def find_bijlage(
    session: AsyncSession, bericht_id: UUID, bijlage_id: UUID, reader_id: PersonId, at: datetime
) -> ResultRow | None:
    """Find the bijlage of this letter, with the envelope of the letter; still encrypted."""
    own = (BIJLAGE.c.id.label("bijlage_id"), BIJLAGE.c.naam_sealed, BIJLAGE.c.size, BIJLAGE.c.parts)
    statement = select_berichten(reader_id, at, *_ENVELOPE_COLUMNS, *own).join(
        BIJLAGE, BIJLAGE.c.bericht_id == BERICHT.c.id
    )
    statement = statement.where(BERICHT.c.id == bericht_id, BIJLAGE.c.id == bijlage_id)
    found: ResultRow | None = (await session.execute(statement)).mappings().one_or_none()
    return found


def build_access_target(row: ResultRow | None, kind: str, object_id: UUID) -> AccessTarget:
    """Build the target for the guard. For an unknown letter it has only the kind."""
    if row is None:
        # The caller's id is not journalled: even a well-formed id can contain a BSN.
        return AccessTarget(kind, None, None, None, None)
    return AccessTarget(kind, str(object_id), BerichtId(row["id"]), PersonId(row["ontvanger_id"]), build_envelope(row))


def build_envelope(row: ResultRow) -> BerichtEnvelope:
    """Build the envelope: the facts about a letter that are not encrypted."""
    return BerichtEnvelope(
        afzender=row["afzender_oin"],
        dienst=row["dienst_code"],
        theme=Theme(row["theme"]),
        sensitivity=Sensitivity(row["sensitivity"]),
        published_at=row["published_at"],
        bericht_id=row["id"],
    )


def is_read_by(row: Row[Any], reader_id: PersonId) -> bool:
    """Return whether this reader has a read mark. The citizen's is in the letter, a helper's in ReaderMark."""
    own = row.read_at if row.ontvanger_id == reader_id else row.marked_at
    return own is not None


@dataclass(frozen=True, slots=True)
class OwnBericht:
    """A letter in a person's own box, and the OIN of the sender."""

    bericht_id: BerichtId
    afzender: str


def select_own_letters(object_ids: Collection[UUID], owner_id: PersonId) -> Select[Any]:
    """Select ids of berichten and bijlagen in the owner's box, as text.

    The columns are `key`, `letter` (the id of the bericht) and `afzender` (the OIN).
    """
    own = BERICHT.c.ontvanger_id == owner_id
    columns = (cast(BERICHT.c.id, Text).label("letter"), BERICHT.c.afzender_oin.label("afzender"))
    letters = select(cast(BERICHT.c.id, Text).label("key"), *columns).where(own, BERICHT.c.id.in_(object_ids))
    enclosed = select(cast(BIJLAGE.c.id, Text).label("key"), *columns).join_from(BIJLAGE, BERICHT)
    return union_all(letters, enclosed.where(own, BIJLAGE.c.id.in_(object_ids))).subquery().select()


class OwnedEnvelope(NamedTuple):
    """The envelope of a letter, and the person in whose box it is."""

    owner_id: PersonId
    envelope: BerichtEnvelope


async def find_owned_envelopes(session: AsyncSession, object_ids: Collection[UUID]) -> dict[str, OwnedEnvelope]:
    """Find the envelopes of these berichten and bijlagen, for the oversight of an organisation.

    The caller has lines of the journal that say that its employees handled them, and shows what it may see now.
    """
    if not object_ids:
        return {}
    letters = select(cast(BERICHT.c.id, Text).label("key"), *_ENVELOPE_COLUMNS).where(BERICHT.c.id.in_(object_ids))
    enclosed = select(cast(BIJLAGE.c.id, Text).label("key"), *_ENVELOPE_COLUMNS).join_from(BIJLAGE, BERICHT)
    both = union_all(letters, enclosed.where(BIJLAGE.c.id.in_(object_ids))).subquery().select()
    found = (await session.execute(both)).mappings()
    return {row["key"]: OwnedEnvelope(PersonId(row["ontvanger_id"]), build_envelope(dict(row))) for row in found}


def select_object_ids(bericht_id: UUID) -> Select[Any]:
    """Select the ids of a letter and its bijlagen, as text."""
    enclosed = select(cast(BIJLAGE.c.id, Text).label("key")).where(BIJLAGE.c.bericht_id == bericht_id)
    return union_all(select(literal(str(bericht_id)).label("key")), enclosed).subquery().select()


async def find_own_berichten(
    session: AsyncSession, owner_id: PersonId, object_ids: Collection[UUID]
) -> dict[str, OwnBericht]:
    """Map ids of berichten and bijlagen to letters in the owner's box. Other letters are left out."""
    if not object_ids:
        return {}
    own = BERICHT.c.ontvanger_id == owner_id
    letters = select(BERICHT.c.id.label("object_id"), BERICHT.c.id, BERICHT.c.afzender_oin)
    enclosed = select(BIJLAGE.c.id.label("object_id"), BERICHT.c.id, BERICHT.c.afzender_oin).join_from(BIJLAGE, BERICHT)
    found = union_all(
        letters.where(own, BERICHT.c.id.in_(object_ids)), enclosed.where(own, BIJLAGE.c.id.in_(object_ids))
    )
    rows = await session.execute(found)
    return {str(row.object_id): OwnBericht(BerichtId(row.id), row.afzender_oin) for row in rows}
