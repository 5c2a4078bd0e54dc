"""A login with a changed e-mail address retries the undelivered notifications of that person."""

from datetime import date

import pytest
from sqlalchemy import text

from machtiging.identity.people import Profile, find_by_bsn, find_or_create_by_bsn, load_profile
from machtiging.kernel.bsn import Bsn
from machtiging.notifications.outbox import enqueue_notification
from machtiging.notifications.texts import NotificationKind
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.keys import load_keyring
from tests.builders.messages import read_query
from tests.builders.rows import NOTIFICATIONS
from tests.protocol.login.misbehaving_broker import make_login_claims


@pytest.fixture
async def log_in_with(browser_at_bad_broker, bad_broker, clock):
    """Log in with these claims changed."""

    async def log_in(**changes):
        asked = read_query(await browser_at_bad_broker.leave())
        bad_broker.token = bad_broker.sign(make_login_claims(clock.now(), asked["nonce"], **changes))
        answer = await browser_at_bad_broker.get(
            "/inloggen/terug", params={"state": asked["state"], "code": "x", "iss": asked_issuer}
        )
        assert answer.status_code == 303, answer.text

    asked_issuer = bad_broker.metadata["issuer"]
    return log_in


@pytest.fixture
async def read_notification_states(database, clock):
    """Give up a notification of this person and one of another. Returns a reader of their states."""
    async with unit_of_work(database.sessions) as session:
        for bsn in ("999990020", "999990019"):
            person = await find_or_create_by_bsn(session, load_keyring(), Bsn(bsn), at=clock.now())
            await enqueue_notification(
                session, person, NotificationKind.HERVAT_DOOR_U, {"ends_on": "2027-01-01", "n": bsn}, at=clock.now()
            )
        await session.execute(text("UPDATE notification SET given_up_at = created_at, last_error = 'geen_adres'"))

    async def read():
        return {row.facts["n"]: (row.given_up_at is None, row.tries) for row in await NOTIFICATIONS.read(database)}

    return read


async def test_login_with_changed_address_retries_undelivered_notifications_of_that_person_only(
    log_in_with, read_notification_states
):
    await log_in_with(email="bram@voorbeeld.example")
    assert await read_notification_states() == {"999990020": (True, 0), "999990019": (False, 0)}


async def test_login_without_address_retries_nothing(log_in_with, read_notification_states):
    await log_in_with()
    assert (await read_notification_states())["999990020"] == (False, 0)


async def test_login_with_unchanged_address_retries_nothing(log_in_with, read_notification_states, database):
    await log_in_with(email="bram@voorbeeld.example")
    async with unit_of_work(database.sessions) as session:
        await session.execute(text("UPDATE notification SET given_up_at = created_at"))
    await log_in_with(email="bram@voorbeeld.example")
    assert (await read_notification_states())["999990020"] == (False, 0)


async def test_login_with_missing_or_malformed_claims_keeps_stored_values(
    log_in_with, read_notification_states, database
):
    whole = {"name": "Bram Voorbeeld", "birthdate": "1971-09-02", "email": "bram@voorbeeld.example"}
    await log_in_with(**whole)
    async with unit_of_work(database.sessions) as session:
        await session.execute(text("UPDATE notification SET given_up_at = created_at"))
        person = await find_by_bsn(session, load_keyring(), Bsn("999990020"))
    for less in (
        {},
        dict.fromkeys(whole),
        dict.fromkeys(whole, ""),
        dict.fromkeys(whole, 7),
        {"birthdate": "1971"},
    ):
        await log_in_with(**{"name": None, **less})
        async with database.sessions() as session:
            known = await load_profile(session, load_keyring(), person)
        assert known == Profile("Bram Voorbeeld", date(1971, 9, 2), "bram@voorbeeld.example")
    assert (await read_notification_states())["999990020"] == (False, 0)
