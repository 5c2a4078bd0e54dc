"""`notifications undelivered` and the doctor: undelivered mail by reason, without persons."""

from sqlalchemy import text

from machtiging.kernel.bsn import Bsn
from machtiging.notifications.outbox import enqueue_notification
from machtiging.notifications.texts import NotificationKind
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.keys import NOON
from tests.builders.people import add_person


async def give_up(database):
    async with unit_of_work(database.sessions) as session:
        person = await add_person(session, Bsn("999990019"))
        await enqueue_notification(session, person, NotificationKind.HERVAT_DOOR_U, {"ends_on": "2027-01-01"}, at=NOON)
        await session.execute(text("UPDATE notification SET given_up_at = now(), last_error = 'adres_ongeldig'"))


async def test_undelivered_notifications_are_listed_by_reason(run_command, database):
    await give_up(database)
    ended = await run_command("notifications", "undelivered")
    assert ended.code == 0
    assert "adres_ongeldig" in ended.out
    assert "1 notifications given up in 30 days." in ended.operator_output
    assert "999990019" not in ended.out + ended.operator_output


async def test_undelivered_listing_without_notifications_reports_zero(run_command):
    ended = await run_command("notifications", "undelivered", "--days", "1")
    assert (ended.code, ended.operator_output) == (0, "0 notifications given up in 1 days.")


async def test_doctor_reports_undelivered_notifications(run_command, database):
    assert "none given up in 30 days" in (await run_command("doctor")).out
    await give_up(database)
    said = " ".join((await run_command("doctor")).out.split())
    assert "given up in 30 days: 1 adres_ongeldig" in said
    assert "machtiging notifications undelivered" in said


async def test_undelivered_listing_of_zero_days_is_a_usage_error(run_command):
    assert (await run_command("notifications", "undelivered", "--days", "0")).code == 2
