"""Mail to internationalised addresses, and undelivered notifications: counted, marked and retried."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from machtiging.kernel.bsn import Bsn
from machtiging.kernel.errors import Fault
from machtiging.notifications import delivery_failures
from machtiging.notifications.outbox import enqueue_notification
from machtiging.notifications.outbox_dispatcher import Mailer, send_due_notifications
from machtiging.notifications.texts import NotificationKind
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.keys import NOON
from tests.builders.mail import MAIL_CONTACT
from tests.builders.people import add_person
from tests.storage.notifications.smtp_server import serve_smtp

FACTS = {"machtiging_id": "x", "begins_on": "2026-11-23", "ends_on": "2027-02-21"}
DAY = timedelta(days=1)


@pytest.fixture
async def persons(database):
    async with unit_of_work(database.sessions) as session:
        return [await add_person(session, Bsn("999990019")), await add_person(session, Bsn("999990020"))]


async def notify(database, person, at=NOON):
    async with unit_of_work(database.sessions) as session:
        await enqueue_notification(session, person, NotificationKind.AANGENOMEN, FACTS, at=at)


async def send(database, clock, addresses, *, smtputf8=False):
    """Send what waits to these addresses; returns the recipients that the mail server took."""

    async def address_of(session, person_id):
        return addresses.get(person_id)

    async with serve_smtp(smtputf8=smtputf8) as server:
        mailer = Mailer(
            "127.0.0.1", server.port, starttls=False, sender="Machtigen <nee@machtigen.example>", contact=MAIL_CONTACT
        )
        await send_due_notifications(database.sessions, address_of, mailer, clock)
        return [to for to, _ in server.taken]


async def call(database, query, *arguments, **options):
    async with unit_of_work(database.sessions) as session:
        return await query(session, *arguments, **options)


async def test_mail_to_internationalised_domain_is_sent_to_its_ascii_form(database, clock, persons):
    await notify(database, persons[0])
    assert await send(database, clock, {persons[0]: "ans@münchen.example"}) == [["ans@xn--mnchen-3ya.example"]]


async def test_mail_to_internationalised_local_part_is_sent_by_a_server_with_smtputf8(database, clock, persons):
    await notify(database, persons[0])
    assert await send(database, clock, {persons[0]: "jörg@münchen.example"}, smtputf8=True) == [
        ["jörg@xn--mnchen-3ya.example"]
    ]


async def test_mail_to_internationalised_local_part_is_given_up_by_a_server_without_smtputf8(database, clock, persons):
    await notify(database, persons[0])
    assert await send(database, clock, {persons[0]: "jörg@voorbeeld.example"}) == []
    [failed] = await call(database, delivery_failures.load_undelivered, persons[0], at=NOON)
    assert failed.reason == "smtputf8_ontbreekt"


async def test_undelivered_notification_after_address_change_is_sent_again(database, clock, persons):
    await notify(database, persons[0])
    assert await send(database, clock, {}) == []
    assert await call(database, delivery_failures.retry_undelivered, persons[0], at=NOON) == 1
    assert await send(database, clock, {persons[0]: "ans@voorbeeld.example"}) == [["ans@voorbeeld.example"]]
    assert await call(database, delivery_failures.load_undelivered, persons[0], at=NOON) == []


async def test_undelivered_notification_of_another_person_is_not_retried_or_shown(database, clock, persons):
    await notify(database, persons[0])
    await send(database, clock, {})
    assert await call(database, delivery_failures.retry_undelivered, persons[1], at=NOON) == 0
    assert await call(database, delivery_failures.load_undelivered, persons[1], at=NOON) == []
    await call(database, delivery_failures.mark_undelivered_read, persons[1], at=NOON)
    assert await call(database, delivery_failures.count_unread_undelivered, persons[0], at=NOON) == 1


@pytest.mark.parametrize(("days", "retried"), [(30, 1), (31, 0)])
async def test_undelivered_notification_after_30_days_is_not_retried(database, clock, persons, days, retried):
    await notify(database, persons[0])
    await send(database, clock, {})
    assert await call(database, delivery_failures.retry_undelivered, persons[0], at=NOON + days * DAY) == retried


async def test_undelivered_notification_that_was_seen_is_not_counted_and_not_retried(database, clock, persons):
    await notify(database, persons[0])
    await send(database, clock, {})
    await call(database, delivery_failures.mark_undelivered_read, persons[0], at=NOON)
    assert await call(database, delivery_failures.count_unread_undelivered, persons[0], at=NOON) == 0
    assert await call(database, delivery_failures.retry_undelivered, persons[0], at=NOON) == 0
    assert len(await call(database, delivery_failures.load_undelivered, persons[0], at=NOON)) == 1


async def test_waiting_notification_is_neither_shown_nor_restarted(database, clock, persons):
    await notify(database, persons[0])
    assert await call(database, delivery_failures.retry_undelivered, persons[0], at=NOON) == 0
    assert await call(database, delivery_failures.load_undelivered, persons[0], at=NOON) == []


async def test_undelivered_notifications_are_counted_by_reason_for_the_operator(database, clock, persons):
    for person in (persons[0], persons[0], persons[1]):
        await notify(database, person)
    await send(database, clock, {persons[1]: "geen adres"})
    found = await call(database, delivery_failures.count_undelivered, since=NOON - DAY)
    assert [(each.reason, each.notifications, each.people) for each in found] == [
        ("geen_adres", 2, 1),
        ("adres_ongeldig", 1, 1),
    ]
    assert await call(database, delivery_failures.count_undelivered, since=NOON + DAY) == []


async def test_waiting_notification_marked_seen_is_rejected_by_the_database(database, clock, persons):
    await notify(database, persons[0])
    with pytest.raises(Fault, match="23514"):
        async with unit_of_work(database.sessions) as session:
            await session.execute(text("UPDATE notification SET seen_at = now()"))
