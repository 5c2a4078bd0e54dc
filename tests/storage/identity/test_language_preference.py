"""The language of a person: Dutch until chosen, and only a language that we have."""

import pytest
from sqlalchemy import text

from machtiging.identity.people import load_language, remember_language
from machtiging.kernel.bsn import Bsn
from machtiging.kernel.errors import Fault
from machtiging.kernel.ids import PersonId, uuid7
from machtiging.message_catalogue import DUTCH, ENGLISH
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.people import add_person


@pytest.fixture
async def person(database):
    async with unit_of_work(database.sessions) as session:
        return await add_person(session, Bsn("999990019"))


async def test_language_is_dutch_until_another_is_chosen(database, person):
    async with unit_of_work(database.sessions) as session:
        assert await load_language(session, person) == DUTCH
        await remember_language(session, person, ENGLISH)
    async with unit_of_work(database.sessions) as session:
        assert await load_language(session, person) == ENGLISH
        await remember_language(session, person, DUTCH)
        assert await load_language(session, person) == DUTCH


async def test_language_of_an_unknown_person_is_none(database):
    async with unit_of_work(database.sessions) as session:
        await remember_language(session, PersonId(uuid7()), ENGLISH)
        assert await load_language(session, PersonId(uuid7())) is None


@pytest.mark.parametrize("locale", ["", "fr", "NL", "nl-NL", "en'; --"])
async def test_language_without_a_catalogue_is_rejected(database, person, locale):
    async with unit_of_work(database.sessions) as session:
        with pytest.raises(ValueError, match="no catalogue"):
            await remember_language(session, person, locale)
        assert await load_language(session, person) == DUTCH


async def test_database_rejects_a_language_without_a_catalogue(database, person):
    with pytest.raises(Fault, match="IntegrityError 23514"):
        async with unit_of_work(database.sessions) as session:
            await session.execute(text("UPDATE person SET language = 'fr'"))
