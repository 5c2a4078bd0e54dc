"""Find letters without decrypting them.

Each lookup is one statement, the same for a letter that exists, is somebody else's or does not exist. So timing does
not reveal which (timing oracle).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    Table,
    and_,
    bindparam,
    func,
    literal_column,
    select,
    true,
    type_coerce,
    union_all,
)
from sqlalchemy.dialects.postgresql import JSONB, aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access.guard import Fetch, Target
from machtiging.access.issued.still import still_open
from machtiging.access.permit import Permit
from machtiging.access.tokens import TokenState, authentic_state, looking
from machtiging.agencies.names import agency_names
from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.audit.journal import line_beside, writing_a_line
from machtiging.berichtenbox.tables import Bericht, Bijlage, ReaderMark
from machtiging.delegation.rules import Act, Envelope
from machtiging.identity.keys import DATA_KEY_COLUMNS, data_key_holders
from machtiging.kernel.ids import BerichtId, PersonId, TokenId
from machtiging.storage.statement import Found, Statement, Work

BERICHT: Table = Bericht.__table__  # type: ignore[attr-defined]
BIJLAGE: Table = Bijlage.__table__  # type: ignore[attr-defined]
MARK: Table = ReaderMark.__table__  # type: ignore[attr-defined]
_AGENCY = agency_names()
_HOLDER = data_key_holders()


@dataclass(frozen=True, slots=True)
class Afzender:
    """The sender of a letter."""

    oin: str
    naam: str


def letters(reader: Any, at: Any, *columns: Any) -> Select[Any]:
    """Select letters in a box at an instant, with sender name and reader's mark (`marked_at`)."""
    mark = and_(MARK.c.bericht_id == BERICHT.c.id, MARK.c.person_id == reader)
    joined = BERICHT.join(_AGENCY, _AGENCY.c.oin == BERICHT.c.afzender_oin).outerjoin(MARK, mark)
    chosen = (*columns, _AGENCY.c.name.label("afzender_naam"), MARK.c.first_read_at.label("marked_at"))
    return select(*chosen).select_from(joined).where(*in_a_box(at))


def select_page(reader: PersonId, chosen: Select[Any]) -> Select[Any]:
    """Select the summary columns of the letters in `chosen`, in the same order.

    The page is limited first. Names, marks and bijlagen are then read for its letters only, not for the whole box.
    """
    page = chosen.subquery("page")
    # Scalar subqueries use the index per row. The planner could execute a join by scanning all marks.
    marked = select(MARK.c.first_read_at).where(MARK.c.bericht_id == page.c.id, MARK.c.person_id == reader)
    counted = select(func.count()).where(BIJLAGE.c.bericht_id == page.c.id)
    looked_up = {"marked_at": marked, "bijlagen": counted}
    columns = [each.correlate(page).scalar_subquery().label(name) for name, each in looked_up.items()]
    joined = page.join(_AGENCY, _AGENCY.c.oin == page.c.afzender_oin)
    rows = select(*page.c, _AGENCY.c.name.label("afzender_naam"), *columns).select_from(joined)
    return rows.order_by(page.c.published_at.desc(), page.c.id.desc())


def in_a_box(at: Any) -> tuple[ColumnElement[bool], ...]:
    """Return the SQL conditions for letters in a box at this instant."""
    return BERICHT.c.deleted_at.is_(None), BERICHT.c.published_at <= at


def _bijlagen_in_a_column() -> Any:
    """Build a JSON column with the bijlagen of a letter, names still encrypted.

    They are in the sender's order. The value is None without bijlagen.
    """
    # Literals and not bind parameters, because the values are constant.
    naam = func.encode(BIJLAGE.c.naam_sealed, literal_column("'hex'"))
    known = {"id": BIJLAGE.c.id, "mime_type": BIJLAGE.c.mime_type, "size": BIJLAGE.c.size, "naam_sealed": naam}
    members = [part for name, column in known.items() for part in (literal_column(f"'{name}'"), column)]
    listed = func.jsonb_agg(aggregate_order_by(func.jsonb_build_object(*members), BIJLAGE.c.position))
    mine = select(type_coerce(listed, JSONB)).where(BIJLAGE.c.bericht_id == BERICHT.c.id)
    return mine.correlate(BERICHT).scalar_subquery().label("bijlagen")


_SEALED = {"onderwerp_sealed", "inhoud_sealed"}
_ENVELOPE = [column for column in BERICHT.c if column.name not in _SEALED]

# Built once at import: compiling costs more than executing.
_ASKED = BERICHT.c.id == bindparam("bericht_id")
_LETTER = Statement(letters(bindparam("reader"), bindparam("at"), *_ENVELOPE).where(_ASKED))
_LOOKED = looking(lambda token: letters(token.c.t_person_id, bindparam("at"), *_ENVELOPE).where(_ASKED))
_SEALED_CONTENT = (
    select(BERICHT.c.onderwerp_sealed, BERICHT.c.inhoud_sealed, _bijlagen_in_a_column(), *DATA_KEY_COLUMNS)
    .join(_HOLDER, _HOLDER.c.id == BERICHT.c.ontvanger_id)
    .where(_ASKED, BERICHT.c.ontvanger_id == bindparam("owner"))
)
_CONTENT = writing_a_line(_SEALED_CONTENT)


def _content(leave: Permit) -> dict[str, Any]:
    return {"bericht_id": leave.bericht(Act.READ), "owner": leave.vertegenwoordigde_id}


# The encrypted content, its bijlagen and the wrapped key. It needs a Permit, and the same statement journals the
# access. A refusal does not load the content, so its duration does not reveal the size of the letter.
CONTENT = Fetch(Act.READ, _CONTENT, _content)


def _content_while_open(*, under: bool) -> Statement:
    """Build `CONTENT_FETCH` with an optimistic lock: no row and no journal line if something changed."""
    there = select(BERICHT.c.id).where(_ASKED, BERICHT.c.deleted_at.is_(None))
    still = still_open(under=under).where(there.exists()).cte("still")
    fetched = _SEALED_CONTENT.lateral("content")
    found = select(*fetched.c).select_from(still.outerjoin(fetched, true()))
    return Statement(found.add_cte(line_beside(still).cte("line")))


_UNDER, _OWN = _content_while_open(under=True), _content_while_open(under=False)


def content_while_open(found: Found) -> Fetch:
    """Return `CONTENT_FETCH` with an optimistic lock on the result of `TokenAndEnvelopeQuery`."""
    statement = _OWN if found["m_id"] is None else _UNDER
    seen = {"jti": found["t_id"], "machtiging": found["m_id"], "version": found["m_version"]}
    return Fetch(Act.READ, statement, lambda leave: {**_content(leave), **seen})


async def find_bericht(work: Work, bericht_id: UUID, reader: PersonId, at: datetime) -> Found | None:
    """Find the envelope of a letter by id, in any box. Its content needs a Permit: see `CONTENT_FETCH`."""
    return await _LETTER.one(work, {"bericht_id": bericht_id, "reader": reader, "at": at})


class LookAlong:
    """A query for a token and the envelope of a letter in one statement. `envelope` is the result.

    It takes no lock. `conditional_content_fetch` checks later that nothing changed.
    """

    def __init__(self, bericht_id: UUID, at: datetime) -> None:
        self.asked = bericht_id
        self._values = {"bericht_id": bericht_id, "at": at}
        self.found: Found | None = None

    async def __call__(self, work: Work, jti: TokenId, at: datetime) -> TokenState | None:
        """Return the token state, as `access.tokens.load_token` does."""
        row = await _LOOKED.one(work, {**self._values, "jti": jti})
        if row is None:
            return None
        self.found = row if row["id"] is not None else None
        state = await authentic_state(work, row, at)
        if state is None:
            self.found = None
        return state


async def find_bijlage(
    session: AsyncSession, bericht_id: UUID, bijlage_id: UUID, reader: PersonId, at: datetime
) -> Found | None:
    """Find the bijlage of this letter, with the envelope of the letter; still encrypted."""
    own = (BIJLAGE.c.id.label("bijlage_id"), BIJLAGE.c.naam_sealed, BIJLAGE.c.size, BIJLAGE.c.parts)
    statement = letters(reader, at, *_ENVELOPE, *own).join(BIJLAGE, BIJLAGE.c.bericht_id == BERICHT.c.id)
    statement = statement.where(BERICHT.c.id == bericht_id, BIJLAGE.c.id == bijlage_id)
    found: Found | None = (await session.execute(statement)).mappings().one_or_none()
    return found


def target_of(row: Found | None, kind: str, asked: UUID) -> Target:
    """Build the target for the guard. For an unknown letter it has only the kind."""
    if row is None:
        # The caller's id is not journalled: even a well-formed id can contain a BSN.
        return Target(kind, None, None, None, None)
    return Target(kind, str(asked), BerichtId(row["id"]), PersonId(row["ontvanger_id"]), envelope_of(row))


def envelope_of(row: Found) -> Envelope:
    """Build the envelope: the facts about a letter that are not encrypted."""
    return Envelope(
        afzender=row["afzender_oin"],
        dienst=row["dienst_code"],
        theme=Theme(row["theme"]),
        sensitivity=Sensitivity(row["sensitivity"]),
        published_at=row["published_at"],
    )


def read_by_this_reader(row: Row[Any], reader: PersonId) -> bool:
    """Return whether this reader has a read mark. The citizen's is in the letter, a helper's in ReaderMark."""
    own = row.read_at if row.ontvanger_id == reader else row.marked_at
    return own is not None


@dataclass(frozen=True, slots=True)
class OwnLetter:
    """A letter in a person's own box, and the OIN of the sender."""

    bericht_id: BerichtId
    afzender: str


async def own_letters(session: AsyncSession, owner: PersonId, object_ids: Collection[UUID]) -> dict[str, OwnLetter]:
    """Map ids of berichten and bijlagen to letters in the owner's box. Other letters are left out."""
    if not object_ids:
        return {}
    own = BERICHT.c.ontvanger_id == owner
    letters = select(BERICHT.c.id.label("object_id"), BERICHT.c.id, BERICHT.c.afzender_oin)
    enclosed = select(BIJLAGE.c.id.label("object_id"), BERICHT.c.id, BERICHT.c.afzender_oin).join_from(BIJLAGE, BERICHT)
    found = union_all(
        letters.where(own, BERICHT.c.id.in_(object_ids)), enclosed.where(own, BIJLAGE.c.id.in_(object_ids))
    )
    rows = await session.execute(found)
    return {str(row.object_id): OwnLetter(BerichtId(row.id), row.afzender_oin) for row in rows}
