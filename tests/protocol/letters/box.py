"""A box in the portal with letters of which the tests know the subject."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import insert

from machtiging.berichtenbox.queries import BERICHT
from machtiging.identity.people import load_data_key
from machtiging.kernel.ids import PersonId, uuid7
from tests.builders.letters import SVB
from tests.builders.people import ISSUER

LIST = ISSUER + "/brieven"


async def fill_box(world: Any, owner: PersonId, subjects: list[str], **columns: Any) -> list[UUID]:
    """Insert letters with these subjects, the newest first, each a minute older; returns their ids."""
    rows: list[dict[str, Any]] = []
    async with world.sessions.begin() as session:
        key = await load_data_key(session, world.keyring, owner)
        for number, subject in enumerate(subjects):
            bericht_id, place = uuid7(), world.clock.now() - timedelta(minutes=number)
            row = {"id": bericht_id, "ontvanger_id": owner, "afzender_oin": SVB, "dienst_code": "aow"}
            row |= {"theme": "pensioen", "sensitivity": "gewoon", "published_at": place, "received_at": place}
            row |= {"sender_reference": str(bericht_id), "content_hash": bytes(32), "read_at": None, "folder": None}
            context = ("bericht", str(bericht_id))
            row |= {"onderwerp_sealed": key.encrypt(subject.encode(), *context, "onderwerp")}
            row |= {"inhoud_sealed": key.encrypt(f"Tekst van {subject}".encode(), *context, "inhoud")}
            rows.append(row | columns)
        await session.execute(insert(BERICHT), rows)
    return [row["id"] for row in rows]


def statements_of(queries: list[str]) -> list[str]:
    """The recorded statements without those that begin and end a transaction."""
    return [query for query in queries if query.rstrip("; ") not in ("BEGIN", "COMMIT", "ROLLBACK")]
