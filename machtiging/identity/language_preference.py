"""The language in which a person wants pages and e-mails, chosen with the switch of language."""

from __future__ import annotations

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.identity.tables import Person
from machtiging.kernel.ids import PersonId
from machtiging.message_catalogue import LANGUAGES
from machtiging.storage.columns import table_of

_PERSON = table_of(Person)


async def remember_language(session: AsyncSession, person_id: PersonId, locale: str) -> None:
    """Store the language of a person. Raises ValueError for a language that we do not have."""
    if locale not in LANGUAGES:
        raise ValueError(f"no catalogue of {locale!r}")
    await session.execute(
        update(_PERSON).where(_PERSON.c.id == person_id, _PERSON.c.language != locale).values(language=locale)
    )


async def load_language(session: AsyncSession, person_id: PersonId) -> str | None:
    """Load the language of a person; None if the person is unknown."""
    return (await session.execute(select(_PERSON.c.language).where(_PERSON.c.id == person_id))).scalar_one_or_none()
