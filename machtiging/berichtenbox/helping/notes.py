"""Notes of a helper with a letter, "I did this for you", for its owner.

Writing one needs a Permit to read the letter. A note is encrypted with the data key of the owner. It opens only with
its own letter, author, machtiging and time, so it needs no row MAC.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Insert, Update, bindparam, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access.actor import Actor
from machtiging.access.guard import GuardedQuery, Policy, issue_permit_and_fetch
from machtiging.access.permit import Permit
from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, build_journal_insert_cte, record
from machtiging.berichtenbox.queries import BERICHT, EnvelopeLookup, build_access_target
from machtiging.berichtenbox.tables import HelperNoteRow
from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.rules import Act
from machtiging.identity.people import load_data_key
from machtiging.kernel.errors import Conflict, NotFound
from machtiging.storage.columns import table_of
from machtiging.storage.statement import ResultRow, Statement

MAX_NOTE_LENGTH = 300
# Of one helper with one letter, those that were taken back counted.
MAX_NOTES_PER_LETTER = 20
NOTE = table_of(HelperNoteRow)
_TOO_MANY = "te_veel_notities"


@dataclass(frozen=True, slots=True)
class NewNote:
    """A note to write. The same form key gives the same note, so that a form sent twice makes one."""

    text: str
    form_key: str


def note_context(note: Any) -> tuple[str, ...]:
    """Return the encryption context of a note. `note` has the columns of its row."""
    ids = (note["id"], note["letter_id"], note["author_id"], note["machtiging_id"])
    return ("helper_note", *map(str, ids), note["written_at"].astimezone(UTC).isoformat())


def _parameter(name: str) -> ColumnElement[Any]:
    return bindparam(f"note_{name}", type_=NOTE.c[name].type)


def _build_insert() -> Insert:
    """Build the insert of a note. It inserts none if the letter is gone or has too many."""
    columns = [column.name for column in NOTE.c if column.name != "retracted_at"]
    written = select(func.count()).where(
        NOTE.c.letter_id == _parameter("letter_id"), NOTE.c.author_id == _parameter("author_id")
    )
    values = [_parameter(name).label(name) for name in columns]
    letter = select(*values).where(
        BERICHT.c.id == _parameter("letter_id"),
        BERICHT.c.deleted_at.is_(None),
        written.scalar_subquery() < MAX_NOTES_PER_LETTER,
    )
    return insert(NOTE).from_select(columns, letter.select_from(BERICHT)).on_conflict_do_nothing()


def _build_guarded_change(change: Insert | Update) -> Statement:
    """Build a statement that changes a note and writes the journal line, both or neither."""
    changed = change.returning(NOTE.c.id).cte("changed")
    return Statement(select(changed.c.id).add_cte(build_journal_insert_cte(changed).cte("line")))


_WRITE = _build_guarded_change(_build_insert())
_TAKE_BACK = _build_guarded_change(
    update(NOTE)
    .where(
        NOTE.c.id == _parameter("id"),
        NOTE.c.letter_id == _parameter("letter_id"),
        NOTE.c.author_id == _parameter("author_id"),
        NOTE.c.retracted_at.is_(None),
    )
    .values(retracted_at=_parameter("retracted_at"))
)


async def write_note(
    session: AsyncSession,
    keyring: KeyRing,
    policy: Policy,
    actor: Actor,
    lookup: EnvelopeLookup,
    note: NewNote,
    *,
    at: datetime,
) -> None:
    """Write a note with a letter that this helper may read now, once. The actor's authority is locked FOR SHARE.

    Raises as `access.guard.issue_permit`, and Conflict `te_veel_notities`.
    """
    key = await load_data_key(session, keyring, actor.vertegenwoordigde_id)
    index = keyring.blind_index(
        "notitie", f"{actor.person_id}:{actor.machtiging_id}:{lookup.bericht_id}:{note.form_key}"
    )
    note_id = UUID(bytes=index[:16], version=5)

    def build_params(permit: Permit) -> dict[str, Any]:
        row: dict[str, Any] = {
            "id": note_id,
            "letter_id": permit.bericht_id_for(Act.READ),
            "owner_id": permit.vertegenwoordigde_id,
            "author_id": permit.actor_id,
            "machtiging_id": permit.machtiging_id,
            "written_at": permit.at,
        }
        row["text_sealed"] = key.encrypt(note.text.encode(), *note_context(row))
        return {f"note_{name}": value for name, value in row.items()}

    fetch = GuardedQuery(Act.READ, _WRITE, build_params, JournalAct.BERICHT_NOTEREN)
    permit, written = await _change(session, policy, actor, lookup, fetch, at)
    if written is None and not await _exists(session, permit, note_id):
        await _refuse(session, policy, actor, permit)


async def take_back_note(
    session: AsyncSession, policy: Policy, actor: Actor, lookup: EnvelopeLookup, note_id: UUID, *, at: datetime
) -> None:
    """Take back the actor's own note, once. Its owner keeps it, shown as taken back.

    Raises as `access.guard.issue_permit`, and NotFound `notitie_onbekend`.
    """

    def build_params(permit: Permit) -> dict[str, Any]:
        return {
            "note_id": note_id,
            "note_letter_id": permit.bericht_id_for(Act.READ),
            "note_author_id": permit.actor_id,
            "note_retracted_at": permit.at,
        }

    fetch = GuardedQuery(Act.READ, _TAKE_BACK, build_params, JournalAct.BERICHT_NOTITIE_INTREKKEN)
    permit, changed = await _change(session, policy, actor, lookup, fetch, at)
    if changed is None and not await _exists(session, permit, note_id):
        raise NotFound("notitie_onbekend")


async def _change(
    session: AsyncSession, policy: Policy, actor: Actor, lookup: EnvelopeLookup, fetch: GuardedQuery, at: datetime
) -> tuple[Permit, ResultRow | None]:
    target = build_access_target(lookup.envelope, "bericht", lookup.bericht_id)
    return await issue_permit_and_fetch(session, policy, actor, target, fetch, at=at)


async def _exists(session: AsyncSession, permit: Permit, note_id: UUID) -> bool:
    mine = (NOTE.c.author_id == permit.actor_id, NOTE.c.letter_id == permit.bericht_id_for(Act.READ))
    found = select(literal(1)).where(NOTE.c.id == note_id, *mine)
    return await session.scalar(found) is not None


async def _refuse(session: AsyncSession, policy: Policy, actor: Actor, permit: Permit) -> None:
    """Refuse a note that found no room, or no letter any more. Raises Conflict or NotFound."""
    letter_id = permit.bericht_id_for(Act.READ)
    there = select(literal(1)).where(BERICHT.c.id == letter_id, BERICHT.c.deleted_at.is_(None))
    is_there = await session.scalar(there) is not None
    reason = _TOO_MANY if is_there else "bericht_bestaat_niet"
    line = NewJournalLine(
        act=JournalAct.BERICHT_NOTEREN,
        outcome=JournalOutcome.REFUSED,
        reason=reason,
        actor_id=permit.actor_id,
        capacity=permit.capacity,
        for_person_id=permit.vertegenwoordigde_id,
        machtiging_id=permit.machtiging_id,
        object_kind=permit.kind,
        object_id=permit.object_id,
        policy_digest=policy.digest,
        on_behalf_of=actor.organisation_id,
    )
    await record(session, line, at=permit.at)
    if is_there:
        raise Conflict(_TOO_MANY, params={"number": MAX_NOTES_PER_LETTER})
    raise NotFound("bericht_onbekend", private="deleted meanwhile")
