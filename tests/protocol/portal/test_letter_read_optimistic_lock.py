"""The portal reads as the API does: nothing that changed between two statements is shown."""

import pytest
from sqlalchemy import text

from machtiging.portal.letters import letter_page
from tests.builders.database import record_queries
from tests.builders.people import ISSUER
from tests.builders.rows import BERICHTEN

SECRET = "Geheime inhoud"
READINGS = {"GET": "read_bericht", "HEAD": "authorize_reading"}
METHODS = pytest.mark.parametrize("method", READINGS)


@pytest.fixture
async def letter(world, portal):
    """A letter of the citizen who is the mother of the portal."""
    assert world.citizen == portal.people.mother
    return await world.deliver_letter(inhoud=SECRET)


async def request_letter(portal, method, letter):
    """Request the page of a letter in a browser of the citizen."""
    browser = await portal.mother()
    cookies = browser.cookies[ISSUER]
    headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
    return await portal.http.request(method, f"{ISSUER}/brieven/{letter}", headers=headers)


@METHODS
async def test_letter_is_read_once_and_journalled(world, portal, letter, method):
    answer = await request_letter(portal, method, letter)
    assert answer.status_code == 200
    assert (SECRET in answer.text) is (method == "GET")
    assert await world.reasons("bericht:lezen") == ["toegestaan"]
    assert ((await BERICHTEN.read_one(world)).read_at is not None) is (method == "GET")


@METHODS
async def test_letter_deleted_between_statements_returns_404(world, portal, letter, method, monkeypatch):
    acting = getattr(letter_page, READINGS[method])

    async def delete_and_read(*values, **named):
        async with world.sessions.begin() as session:
            await session.execute(text("UPDATE bericht SET deleted_at = now()"))
        return await acting(*values, **named)

    monkeypatch.setattr(letter_page, READINGS[method], delete_and_read)
    answer = await request_letter(portal, method, letter)
    assert answer.status_code == 404
    assert SECRET not in answer.text
    assert await world.reasons("bericht:lezen") == ["bericht_bestaat_niet"]
    assert (await BERICHTEN.read_one(world)).read_at is None


@METHODS
async def test_retries_are_limited(world, portal, letter, method, monkeypatch):
    attempts = []

    async def find_change(*_values, **_named):
        attempts.append(method)

    monkeypatch.setattr(letter_page, READINGS[method], find_change)
    answer = await request_letter(portal, method, letter)
    assert answer.status_code == 503
    assert attempts == [method] * 5
    assert await world.reasons("bericht:lezen") == []


async def test_letter_that_was_read_before_takes_two_statements(portal, letter, database):
    await request_letter(portal, "GET", letter)
    with record_queries(database) as queries:
        await request_letter(portal, "GET", letter)
    of_letters = [query for query in queries if "bericht" in query]
    # The page adds who opened the letter and its neighbours.
    reading = [query for query in of_letters if "reader_mark.person_id, reader_mark.first_read_at" not in query]
    reading = [query for query in reading if not query.endswith("AS older")]
    assert len(of_letters) == 4
    assert len(reading) == 2
    assert "INSERT INTO journal_intake" in of_letters[1]
