"""The commands `clients invite`, `clients invitations` and `clients withdraw-invitation`."""

from __future__ import annotations

import re

import pytest

from machtiging.cli.operator_name import get_operator_name


async def invited(run_command, *more):
    """Create an invitation by command; returns its token and name."""
    made = await run_command("clients", "invite", "--note", "Zorgloket [red]Noord", *more)
    assert made.code == 0
    return made.out.strip(), re.search(r"withdraw-invitation ([0-9a-f]{16})\b", made.operator_output)[1]


async def test_invitation_is_listed_by_name_without_its_token(run_command):
    token, name = await invited(run_command, "--uses", "3")
    listed = await run_command("clients", "invitations")
    [row] = [line for line in listed.out.splitlines() if name in line]
    assert "Zorgloket [red]Noord" in row
    assert " 3 " in row
    assert "open" in row
    assert token not in listed.out + listed.operator_output


async def test_invitation_is_withdrawn_once(run_command, database):
    _, name = await invited(run_command)
    done = await run_command("clients", "withdraw-invitation", name)
    assert (done.code, "is withdrawn" in done.operator_output) == (0, True)
    assert "withdrawn" in (await run_command("clients", "invitations")).out
    again = await run_command("clients", "withdraw-invitation", name)
    assert (again.code, "uitnodiging_al_ingetrokken" in again.operator_output) == (1, True)


async def test_withdraw_command_for_unknown_invitation_prints_the_refusal(run_command):
    ended = await run_command("clients", "withdraw-invitation", "f" * 16)
    assert ended.code == 1
    assert "Refused (uitnodiging_onbekend). We do not know this invitation." in ended.operator_output


async def test_invitation_list_can_be_empty(run_command):
    ended = await run_command("clients", "invitations")
    assert (ended.code, "0 invitations." in ended.operator_output) == (0, True)


def test_operator_name_comes_from_the_system_and_not_from_the_environment(monkeypatch):
    called = get_operator_name()
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME", "SUDO_USER"):
        monkeypatch.setenv(name, "iemand-anders")
    assert get_operator_name() == called
    assert re.fullmatch(r"[a-z0-9._-]{1,32}", called)


@pytest.mark.parametrize(
    ("logged_in", "called"), [("Jansen", "jansen"), ("DOMEIN\\Jan Zwart", "domein-jan-zwart"), ("x" * 99, "x" * 32)]
)
def test_operator_name_is_normalized(monkeypatch, logged_in, called):
    monkeypatch.setattr("os.getlogin", lambda: logged_in)
    assert get_operator_name() == called


def test_operator_name_without_login_is_the_process_user(monkeypatch):
    def nobody() -> str:
        raise OSError

    monkeypatch.setattr("os.getlogin", nobody)
    monkeypatch.setattr("os.geteuid", lambda: 4_000_000)
    assert get_operator_name() == "uid-4000000"
