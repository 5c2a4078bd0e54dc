"""The outbox against a real mail server: delivery, retries, giving up and isolation."""

import asyncio
import socket
from datetime import timedelta

import pytest
from sqlalchemy import text

from machtiging.identity.people import load_language, remember_language
from machtiging.kernel.bsn import Bsn
from machtiging.kernel.errors import Fault
from machtiging.message_catalogue import ENGLISH
from machtiging.notifications.outbox import enqueue_notification
from machtiging.notifications.outbox_dispatcher import (
    RETRY_DELAYS,
    Mailer,
    run_outbox_dispatcher,
    send_due_notifications,
)
from machtiging.notifications.texts import NotificationKind
from machtiging.storage.engine import DatabaseRole, make_engine, make_sessions
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.keys import NOON
from tests.builders.mail import MAIL_CONTACT
from tests.builders.people import add_person
from tests.builders.rows import NOTIFICATIONS
from tests.storage.notifications.smtp_server import serve_smtp

FACTS = {"machtiging_id": "x", "begins_on": "2026-11-23", "ends_on": "2027-02-21"}
SENDER = "Machtigen <niet-antwoorden@machtigen.example>"
MINUTE = timedelta(minutes=1)


class Outbox:
    """A database with two people, their addresses, and a mail server."""

    def __init__(self, database, clock, server, people):
        self.database, self.clock, self.server, self.people = database, clock, server, people
        self.addresses = dict(zip(people, ["ans@voorbeeld.example", "bram@voorbeeld.example"], strict=True))
        self.names = dict(zip(people, ["Ans Voorbeeld", "Bram Voorbeeld"], strict=True))
        self.mailer = Mailer("127.0.0.1", server.port, starttls=False, sender=SENDER, contact=MAIL_CONTACT)

    async def address_of(self, session, person_id):
        return self.addresses.get(person_id)

    async def name_of(self, session, person_id):
        return self.names.get(person_id)

    async def tell(self, who=0, kind=NotificationKind.AANGENOMEN, **facts):
        async with unit_of_work(self.database.sessions) as session:
            await enqueue_notification(session, self.people[who], kind, FACTS | facts, at=self.clock.now())

    async def send(self, **options):
        return await send_due_notifications(
            self.database.sessions, self.address_of, self.mailer, self.clock, find_name=self.name_of, **options
        )

    async def rows(self, *columns):
        wanted = columns or ("tries", "sent_at", "given_up_at", "last_error")
        return await NOTIFICATIONS.read(self.database, *wanted, order_by="created_at, id")


@pytest.fixture
async def outbox(database, clock):
    async with unit_of_work(database.sessions) as session:
        people = [await add_person(session, Bsn("999990019")), await add_person(session, Bsn("999990020"))]
    async with serve_smtp() as server:
        yield Outbox(database, clock, server, people)


async def test_waiting_notification_is_sent_once(outbox):
    await outbox.tell()
    await outbox.tell(1)
    assert await outbox.send() == 2
    assert await outbox.send() == 0
    assert [to for to, _ in outbox.server.taken] == [["ans@voorbeeld.example"], ["bram@voorbeeld.example"]]
    assert await outbox.rows() == [(1, NOON, None, None)] * 2


async def test_mail_has_the_name_that_the_outbox_has_not(outbox):
    await outbox.tell(0, NotificationKind.AANGENOMEN, helper_id=str(outbox.people[1]), giver_id=str(outbox.people[0]))
    assert "Bram" not in await NOTIFICATIONS.dump(outbox.database)
    await outbox.send()
    [(_, mail)] = outbox.server.taken
    assert mail["Subject"] == "Uw machtiging is aangenomen"
    assert "Bram Voorbeeld heeft uw machtiging aangenomen" in mail.get_content()


async def test_mail_has_the_language_of_its_reader(outbox):
    async with unit_of_work(outbox.database.sessions) as session:
        await remember_language(session, outbox.people[0], ENGLISH)
    for reader in (0, 1):
        await outbox.tell(reader, NotificationKind.AANGENOMEN, helper_id=str(outbox.people[1]))
    await outbox.send(find_language=load_language)
    (_, english), (_, dutch) = outbox.server.taken
    assert english["Subject"] == "Your permission has been accepted"
    assert "Bram Voorbeeld has accepted your permission" in english.get_content()
    assert "to the end of 21 February 2027" in english.get_content()
    assert dutch["Subject"] == "Uw machtiging is aangenomen"


async def test_mail_header_injection_by_name_is_blocked(outbox):
    outbox.names[outbox.people[1]] = "Bram\r\nBcc: x@y.example\r\n\r\n.\r\nMAIL FROM:<x@y.example>"
    await outbox.tell(0, NotificationKind.AANGENOMEN, helper_id=str(outbox.people[1]))
    await outbox.send()
    [(to, mail)] = outbox.server.taken
    assert to == ["ans@voorbeeld.example"]
    assert mail["Bcc"] is None
    assert "Bram Bcc: x@y.example . MAIL FROM" in mail.get_content()


async def test_smtp_injection_by_address_is_rejected(outbox):
    outbox.addresses[outbox.people[0]] = "ans@voorbeeld.example\r\nRCPT TO:<x@y.example>"
    await outbox.tell()
    assert await outbox.send() == 0
    assert outbox.server.taken == []
    assert await outbox.rows() == [(1, None, NOON, "adres_ongeldig")]


@pytest.mark.parametrize("address", [None, ""])
async def test_notification_without_address_is_given_up(outbox, address):
    outbox.addresses[outbox.people[0]] = address
    await outbox.tell()
    await outbox.tell(1)
    assert await outbox.send() == 1
    assert (await outbox.rows())[0] == (1, None, NOON, "geen_adres")


@pytest.mark.parametrize("place", ["rcpt", "data"])
async def test_temporary_smtp_error_is_retried(outbox, place):
    setattr(outbox.server, place, ["451 probeer het later"])
    await outbox.tell()
    assert await outbox.send() == 0
    assert await outbox.rows("tries", "next_try_at", "last_error") == [(1, NOON + MINUTE, "smtp_451")]
    outbox.clock.advance(MINUTE - timedelta(seconds=1))
    assert await outbox.send() == 0
    outbox.clock.advance(timedelta(seconds=1))
    assert await outbox.send() == 1
    assert await outbox.rows() == [(2, NOON + MINUTE, None, None)]


@pytest.mark.parametrize("place", ["rcpt", "data"])
async def test_permanent_smtp_error_is_given_up(outbox, place):
    setattr(outbox.server, place, ["550 <ans@voorbeeld.example> bestaat niet"])
    await outbox.tell()
    assert await outbox.send() == 0
    outbox.clock.advance(timedelta(days=30))
    assert await outbox.send() == 0
    assert await outbox.rows() == [(1, None, NOON, "smtp_550")]


async def test_smtp_rejection_of_sender_is_retried(outbox):
    outbox.server.mail_from = ["550 wie bent u"]
    await outbox.tell()
    assert await outbox.send() == 0
    assert await outbox.rows() == [(1, None, None, "smtp_550")]
    outbox.clock.advance(MINUTE)
    assert await outbox.send() == 1


async def test_notification_is_given_up_after_five_retries(outbox):
    outbox.server.data = ["451 later"] * 9
    await outbox.tell()
    waits = []
    for _ in range(6):
        await outbox.send()
        [(next_try, given_up)] = await outbox.rows("next_try_at", "given_up_at")
        if given_up is None:
            waits.append(next_try - outbox.clock.now())
            outbox.clock.advance(waits[-1])
    assert tuple(waits) == RETRY_DELAYS == tuple(MINUTE * n for n in (1, 5, 30, 120, 720))
    assert await outbox.rows() == [(6, None, outbox.clock.now(), "smtp_451")]


async def test_unreachable_smtp_server_costs_one_notification_a_try(outbox):
    with socket.socket() as taken:  # bound but not listening: connections are refused
        taken.bind(("127.0.0.1", 0))
        up = outbox.mailer
        outbox.mailer = Mailer("127.0.0.1", taken.getsockname()[1], starttls=False, sender=SENDER, contact=MAIL_CONTACT)
        await outbox.tell()
        await outbox.tell(1)
        assert await outbox.send() == 0
    assert [(tries, up_) for tries, _, up_, _ in await outbox.rows()] == [(1, None), (0, None)]
    outbox.mailer = up
    outbox.clock.advance(MINUTE)
    assert await outbox.send() == 2


async def test_smtp_server_without_starttls_gets_no_mail(outbox):
    outbox.mailer = Mailer("127.0.0.1", outbox.server.port, starttls=True, sender=SENDER, contact=MAIL_CONTACT)
    await outbox.tell()
    assert await outbox.send() == 0
    assert outbox.server.taken == []


async def test_unreadable_notification_does_not_block_others(outbox):
    await outbox.tell()
    async with unit_of_work(outbox.database.sessions) as session:
        await session.execute(text("UPDATE notification SET kind = 'van_een_oude_versie'"))
    await outbox.tell(0, NotificationKind.GEPAUZEERD)
    assert await outbox.send() == 1
    assert (None, NOON, "geen_tekst") in await outbox.rows("sent_at", "given_up_at", "last_error")


async def test_corrupt_profile_does_not_block_others(outbox):
    async def broken(session, person_id):
        if person_id == outbox.people[0]:
            raise Fault("versleuteling_klopt_niet")
        return "bram@voorbeeld.example"

    await outbox.tell()
    await outbox.tell(1)
    assert await send_due_notifications(outbox.database.sessions, broken, outbox.mailer, outbox.clock) == 1
    assert (await outbox.rows())[0] == (1, None, None, "versleuteling_klopt_niet")


async def test_concurrent_senders_send_each_mail_once(outbox):
    for _ in range(6):
        await outbox.tell()
    sent = await asyncio.gather(outbox.send(), outbox.send(), outbox.send())
    assert sum(sent) == 6
    assert len(outbox.server.taken) == 6


async def test_locked_notification_does_not_block_others(outbox):
    await outbox.tell()
    await outbox.tell(1)
    async with outbox.database.sessions() as slow:
        await slow.execute(text("SELECT 1 FROM notification ORDER BY next_try_at, id LIMIT 1 FOR UPDATE"))
        async with asyncio.timeout(60):
            assert await outbox.send() == 1
    assert await outbox.send() == 1


async def test_resent_mail_has_the_same_message_id(outbox):
    await outbox.tell()
    await outbox.send()
    async with unit_of_work(outbox.database.sessions) as session:  # as if the commit of the mark was lost
        await session.execute(text("UPDATE notification SET sent_at = NULL"))
    assert await outbox.send() == 0
    outbox.clock.advance(MINUTE)
    await outbox.send()
    first, second = (mail["Message-ID"] for _, mail in outbox.server.taken)
    assert first == second
    assert first.endswith("@machtigen.example>")


@pytest.mark.parametrize("place", ["rcpt", "data"])
async def test_sender_killed_while_sending_leaves_notification_for_retry(outbox, place):
    outbox.server.pause_at = place
    await outbox.tell()
    sending = asyncio.create_task(outbox.send())
    await outbox.server.paused.wait()
    sending.cancel()
    await asyncio.wait([sending])
    outbox.server.resume.set()
    assert await outbox.rows() == [(1, None, None, None)]
    assert await outbox.send() == 0
    outbox.clock.advance(MINUTE)
    assert await outbox.send() == 1
    assert await outbox.rows() == [(2, outbox.clock.now(), None, None)]


async def test_no_transaction_is_open_while_a_mail_is_sent(outbox):
    outbox.server.pause_at = "data"
    await outbox.tell()
    sending = asyncio.create_task(outbox.send())
    await outbox.server.paused.wait()
    async with outbox.database.sessions() as session:
        assert await session.scalar(text("SELECT count(*) FROM notification")) == 1
        others = "datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL"
        assert await session.scalar(text(f"SELECT count(*) FROM pg_stat_activity WHERE {others}")) == 0
        await session.execute(text("SELECT 1 FROM notification FOR UPDATE NOWAIT"))
    outbox.server.resume.set()
    assert await sending == 1


async def test_late_failure_of_slow_sender_does_not_undo_a_sent_mail(outbox):
    outbox.server.pause_at, outbox.server.data = "rcpt", ["451 later"]
    await outbox.tell()
    slow = asyncio.create_task(outbox.send())
    await outbox.server.paused.wait()
    outbox.server.pause_at = ""
    outbox.clock.advance(MINUTE)
    outbox.server.data, refusals = [], outbox.server.data
    assert await outbox.send() == 1
    outbox.server.data = refusals
    outbox.server.resume.set()
    assert await slow == 0
    assert await outbox.rows("tries", "sent_at", "last_error") == [(2, NOON + MINUTE, None)]


async def test_notification_of_rolled_back_transaction_is_not_sent(outbox):
    with pytest.raises(ZeroDivisionError):
        async with unit_of_work(outbox.database.sessions) as session:
            await enqueue_notification(session, outbox.people[0], NotificationKind.AANGENOMEN, FACTS, at=NOON)
            raise ZeroDivisionError
    assert await outbox.send() == 0


async def test_background_sender_runs_until_stopped(outbox):
    stop = asyncio.Event()
    running = asyncio.create_task(
        run_outbox_dispatcher(
            outbox.database.sessions, outbox.address_of, outbox.mailer, outbox.clock, every=0.01, stop=stop
        )
    )
    for expected in (1, 2):
        await outbox.tell()
        await outbox.server.wait_for_mails(expected)
    stop.set()
    async with asyncio.timeout(60):
        await running
    assert len(outbox.server.taken) == 2


async def test_background_sender_continues_after_database_outage(outbox):
    nowhere = make_engine("postgresql://postgres@/weg?host=/bestaat/niet", DatabaseRole.SERVICE, pool_size=1)
    tried = [make_sessions(nowhere)] * 2
    stop = asyncio.Event()

    def away_at_first():
        return (tried.pop() if tried else outbox.database.sessions)()

    await outbox.tell()
    running = asyncio.create_task(
        run_outbox_dispatcher(away_at_first, outbox.address_of, outbox.mailer, outbox.clock, every=0.01, stop=stop)
    )
    await outbox.server.wait_for_mails(1)
    stop.set()
    await running
    assert tried == []
    await nowhere.dispose()
