"""`sessions list` and `sessions end`: BSN from standard input, a reason, and a journal line."""

from __future__ import annotations

import io
from datetime import timedelta
from uuid import uuid4

import pytest

from machtiging.cli.operator_name import get_operator_name
from machtiging.identity.people import Profile, find_or_create_by_bsn
from machtiging.identity.rules import VerifiedLogin
from machtiging.identity.session import SessionLimits, start_session
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.bsn import Bsn
from machtiging.kernel.clock import SystemClock
from machtiging.settings import Settings
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.keys import load_keyring
from tests.builders.rows import JOURNAL_INTAKE, NOTIFICATIONS, PERSONS

BSN = "999990019"


@pytest.fixture
async def session_token(database):
    """The session cookie of a new login."""
    at, settings = SystemClock().now(), Settings()
    async with unit_of_work(database.sessions) as session:
        person = await find_or_create_by_bsn(session, load_keyring(), Bsn(BSN), at=at)
        login = VerifiedLogin("i", "s", Assurance.HIGH, at, None, Profile("", None, None), frozenset(), None)
        limits = SessionLimits(
            timedelta(minutes=settings.session_idle_minutes), timedelta(hours=settings.session_hours)
        )
        return await start_session(session, person, login, limits, at=at)


async def journal(database, act):
    return await JOURNAL_INTAKE.read(database, act=act)


async def test_sessions_list_by_bsn_shows_no_bsn_or_token(run_command, database, session_token):
    listed = await run_command("sessions", "list", typed=BSN + "\n")
    assert listed.code == 0
    assert "hoog" in listed.out
    assert "1 sessions of person" in listed.operator_output
    for secret in (BSN, session_token):
        assert secret not in listed.out + listed.operator_output


@pytest.mark.parametrize(
    "paste", ["{0}{1}.{2}", "{0}.{1}.{2}", "{0} {1}\u00a0{2}\r\n", "\u201c{0}\u2013{1}\u2013{2}\u201d"]
)
async def test_sessions_list_accepts_pasted_bsn(run_command, session_token, paste):
    listed = await run_command("sessions", "list", typed=paste.format(BSN[:3], BSN[3:6], BSN[6:]))
    assert (listed.code, "1 sessions of person" in listed.operator_output) == (0, True)


async def test_sessions_list_is_journalled_with_operator(run_command, database, session_token):
    await run_command("sessions", "list", typed=BSN)
    [line] = await journal(database, "sessie:bekeken")
    assert (line.capacity, line.facts) == ("beheerder", {"beheerder": get_operator_name()})
    assert BSN not in str(line)


async def test_sessions_end_requires_known_reason_and_is_journalled(run_command, database, session_token):
    for words in (("sessions", "end"), ("sessions", "end", "--reason", "zomaar")):
        assert (await run_command(*words, typed=BSN)).code == 2
    assert await journal(database, "sessie:beeindigd") == []
    ended = await run_command("sessions", "end", "--reason", "toestel_kwijt", typed=BSN)
    assert (ended.code, "1 sessions and 0 consents" in ended.operator_output) == (0, True)
    [line] = await journal(database, "sessie:beeindigd")
    assert line.facts == {"beheerder": get_operator_name(), "sessies": 1, "toestemmingen": 0}
    assert [row.kind for row in await NOTIFICATIONS.read(database, "kind")] == ["uitgelogd_door_ons"]
    again = await run_command("sessions", "end", "--reason", "op_verzoek", typed=BSN)
    assert (again.code, "nothing to end" in again.operator_output) == (0, True)


async def test_sessions_commands_accept_person_id(run_command, database, session_token):
    [person] = await PERSONS.read(database, "id")
    assert (await run_command("sessions", "list", "--person", str(person.id))).code == 0
    ended = await run_command(
        "sessions", "end", "--person", str(person.id), "--reason", "misbruik_gemeld", "--consents"
    )
    assert (ended.code, "1 sessions" in ended.operator_output) == (0, True)


@pytest.mark.parametrize("verb", [("list",), ("end", "--reason", "onderzoek")])
async def test_sessions_commands_for_unknown_person_exit_1_and_create_no_person(run_command, database, verb):
    for ended in (
        await run_command("sessions", *verb, typed="123456782"),
        await run_command("sessions", *verb, "--person", str(uuid4())),
    ):
        assert (ended.code, "Refused (persoon_onbekend)" in ended.operator_output) == (1, True)
    assert await PERSONS.count(database) == 0
    assert await JOURNAL_INTAKE.count(database) == 0


@pytest.mark.parametrize("typed", ["", "999990018", "x" * 300])
async def test_sessions_list_with_invalid_bsn_exits_1_without_showing_it(run_command, typed):
    ended = await run_command("sessions", "list", typed=typed)
    assert (ended.code, "bsn_ongeldig" in ended.operator_output) == (1, True)
    assert not typed or typed not in ended.operator_output


async def test_bsn_as_command_line_argument_is_a_usage_error(run_command):
    ended = await run_command("sessions", "list", "--person", BSN)
    assert ended.code == 2
    assert BSN not in ended.operator_output + ended.out


async def test_bsn_is_prompted_without_echo(run_command, database, session_token, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    asked = []
    monkeypatch.setattr("getpass.getpass", lambda prompt="", **_: asked.append(prompt) or BSN)
    monkeypatch.setattr("tests.builders.command_line.io.StringIO", Terminal)
    listed = await run_command("sessions", "list")
    assert (listed.code, len(asked)) == (0, 1)
    assert BSN not in listed.out + listed.operator_output
