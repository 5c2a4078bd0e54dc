"""Exit codes of the commands, each with one sentence and without a traceback."""

import asyncio
import json
import socket
import subprocess
import sys
from ipaddress import ip_address
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from machtiging.__main__ import main
from machtiging.cli.clients import read_metadata
from machtiging.cli.doctor_checks import installation as installation_checks
from machtiging.cli.doctor_checks.installation import FindingStatus
from machtiging.cli.errors import ExitCode, describe_error
from machtiging.cli.processes.servers import bind_socket
from machtiging.cli.serve import bind_practice_sockets
from machtiging.kernel.errors import Fault, InvalidInput, Message, NotAllowed
from machtiging.settings import Environment, Settings
from tests.builders.keys import make_key_directory

POLICIES = Path(__file__).resolve().parents[3] / "policies"
GROUPS = {"keys": ["generate", "list", "rotate"], "clients": ["add", "list"], "agencies": ["list", "load"]}
GROUPS |= {"policy": ["table", "check", "explain"], "audit": ["seal", "verify"]}


@pytest.fixture
def environment_with_unreachable_database(tmp_path, monkeypatch):
    """Keys and the shipped policy, with an unreachable database."""
    monkeypatch.setenv("MACHTIGING_KEYS_DIR", str(make_key_directory(tmp_path / "keys")))
    monkeypatch.setenv("MACHTIGING_POLICIES_DIR", str(POLICIES))
    monkeypatch.setenv("MACHTIGING_DATABASE_URL", "postgresql://nobody:hush@127.0.0.1:1/none")
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


def test_help_lists_every_command(capsys):
    assert main(["--help"]) == ExitCode.OK
    told = capsys.readouterr().out
    for name in ("serve", "demo", "story", "migrate", "doctor", *GROUPS):
        assert name in told


@pytest.mark.parametrize(("group", "commands"), GROUPS.items())
def test_group_help_lists_its_commands(group, commands, capsys):
    assert main([group, "--help"]) == ExitCode.OK
    told = capsys.readouterr().out
    assert all(command in told for command in commands)


@pytest.mark.parametrize(
    "words",
    [["toverij"], ["keys", "toverij"], ["serve", "--workers", "0"], ["clients", "add", "/does/not/exist"],
     ["policy", "explain", "koning", "lezen", "zorg"], ["keys", "rotate", "rot13"], ["clients", "add"],
     ["policy", "explain", "relative", "lezen", "zorg", "--without", "geluk"]],
    ids=" ".join,
)  # fmt: skip
def test_usage_error_exits_2(words, capsys, environment_with_unreachable_database):
    assert main(words) == ExitCode.USAGE
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["agencies", "list"],
        ["clients", "list"],
        ["audit", "verify"],
        ["audit", "seal"],
        ["migrate"],
        ["agencies", "load"],
    ],
    ids=" ".join,
)
def test_unreachable_database_exits_3_without_leaking_password(words, capsys, environment_with_unreachable_database):
    assert main(words) == ExitCode.ENVIRONMENT
    told = capsys.readouterr().err
    assert "hush" not in told
    assert "Traceback" not in told


def test_missing_keys_exit_3_with_remedy(capsys, environment_with_unreachable_database, monkeypatch):
    monkeypatch.setenv("MACHTIGING_KEYS_DIR", str(environment_with_unreachable_database / "none"))
    assert main(["keys", "list"]) == ExitCode.ENVIRONMENT
    assert "machtiging keys generate" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["story", "demo"])
def test_demo_in_production_is_refused(command, capsys, environment_with_unreachable_database, monkeypatch):
    monkeypatch.setenv("MACHTIGING_ENV", "production")
    assert main([command]) == ExitCode.ENVIRONMENT
    assert "production" in capsys.readouterr().err


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "machtigen.example", ""])
@pytest.mark.parametrize("command", ["story", "demo"])
def test_demo_on_public_address_is_refused(command, host, capsys, environment_with_unreachable_database, monkeypatch):
    monkeypatch.setenv("MACHTIGING_HOST", host)
    assert main([command]) == ExitCode.ENVIRONMENT
    assert "MACHTIGING_HOST=127.0.0.1" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["serve"], ["serve", "--workers", "2"], ["demo"], ["story"]], ids=" ".join)
def test_development_with_public_issuer_is_refused(command, capsys, environment_with_unreachable_database, monkeypatch):
    monkeypatch.setenv("MACHTIGING_ISSUER", "https://machtigen.example")
    with socket.create_server(("127.0.0.1", 0)) as taken:  # if the start is not refused, it fails here
        monkeypatch.setenv("MACHTIGING_PORT", str(taken.getsockname()[1]))
        assert main(command) == ExitCode.ENVIRONMENT
    assert "MACHTIGING_ENV=production" in capsys.readouterr().err


async def test_login_simulator_listens_on_loopback_only():
    taken = bind_practice_sockets(Settings(host="127.0.0.2", port=0, simulator_port=0))
    assert [one.getsockname()[0] for one in taken] == ["127.0.0.2", "127.0.0.1"]
    for one in taken:
        one.close()


def test_invalid_setting_is_named_without_its_value(capsys, environment_with_unreachable_database, monkeypatch):
    monkeypatch.setenv("MACHTIGING_PORT", "geheim")
    assert main(["doctor"]) == ExitCode.ENVIRONMENT
    told = capsys.readouterr().err
    assert "MACHTIGING_PORT" in told
    assert "geheim" not in told


def test_policy_explain_answer_is_the_exit_code(capsys, environment_with_unreachable_database):
    assert main(["policy", "check"]) == ExitCode.OK
    assert main(["policy", "explain", "relative", "lezen", "gemeente"]) == ExitCode.OK
    assert main(["policy", "explain", "relative", "verwijderen", "gemeente"]) == ExitCode.FINDING
    assert main(["policy", "explain", "relative", "lezen", "gemeente", "--without", "in_force"]) == ExitCode.FINDING
    assert "missing fact: in_force" in capsys.readouterr().out


def test_keys_list_shows_no_secret(capsys, environment_with_unreachable_database):
    assert main(["keys", "list"]) == ExitCode.OK
    told = capsys.readouterr().out
    assert "kek-1" in told
    assert not any(
        path.read_text().strip()[:20] in told for path in (environment_with_unreachable_database / "keys").glob("*.key")
    )


@pytest.mark.parametrize(
    "content", ["{", "[]", '"x"', "[" * 100_000, "\ufeff[]"], ids=["truncated", "list", "text", "deep", "bom and list"]
)
def test_client_metadata_that_is_no_json_object_is_rejected(tmp_path, content):
    file = tmp_path / "client.json"
    file.write_text(content)
    with pytest.raises(InvalidInput) as refused:
        read_metadata(file)
    assert refused.value.code == "clientgegevens_onleesbaar"


def test_client_metadata_with_byte_order_mark_is_accepted(tmp_path):
    file = tmp_path / "client.json"
    file.write_text("\ufeff{}")
    assert read_metadata(file) == {}


def test_client_metadata_over_256_kib_is_rejected(tmp_path):
    file = tmp_path / "client.json"
    file.write_text(json.dumps({"client_name": "x" * 1_000_000}))
    with pytest.raises(InvalidInput) as refused:
        read_metadata(file)
    assert "256 KiB" in describe_error(refused.value)[0]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NotAllowed("niveau_te_laag"), ExitCode.FINDING),
        (InvalidInput("bsn_ongeldig", fields={"veld": Message("rsin_ongeldig")}), ExitCode.FINDING),
        (Fault("opslag_niet_bereikbaar", private="gone"), ExitCode.ENVIRONMENT),
        (Fault("nooit_gehoord"), ExitCode.ENVIRONMENT),
        (OSError("disk full"), ExitCode.ENVIRONMENT),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_every_error_has_a_sentence_and_an_exit_code(error, code):
    sentence, got = describe_error(error)
    assert got == code
    assert sentence


def test_database_error_text_is_not_shown():
    sentence, _ = describe_error(OperationalError("SELECT 1", {"bsn": "999990019"}, Exception("hush")))
    assert "hush" not in sentence
    assert "999990019" not in sentence


def test_port_in_use_is_reported():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(Fault) as refused:
            bind_socket("127.0.0.1", taken.getsockname()[1])
    assert refused.value.code == "poort_bezet"


@pytest.mark.parametrize(
    ("host", "port", "code"),
    [
        ("nonsense.invalid", 0, "adres_onbekend"),
        ("", 70000, "adres_onbekend"),
        ("a" * 300, 0, "adres_onbekend"),
        ("192.0.2.1", 0, "adres_niet_van_deze_machine"),
        ("2001:db8::1", 0, "adres_niet_van_deze_machine"),
    ],
)
async def test_listen_on_invalid_address_reports_the_cause(host, port, code):
    with pytest.raises(Fault) as refused:
        bind_socket(host, port)
    assert refused.value.code == code
    assert "taken" not in describe_error(refused.value)[0]
    if port == 0:
        found = await installation_checks.check_port(Settings(host=host, port=port))
        assert found.status is FindingStatus.WRONG
        assert "taken" not in found.detail


@pytest.mark.parametrize("host", ["::1", "127.0.0.1", "localhost"])
def test_listen_on_ipv4_and_ipv6_loopback_works(host):
    with bind_socket(host, 0) as taken:
        taken.listen()
        address, port = taken.getsockname()[:2]
        with socket.create_connection((address, port), 1) as connection:
            assert ip_address(connection.getpeername()[0]).is_loopback
            assert connection.getpeername()[1] == port


@pytest.mark.skipif(sys.platform != "linux", reason="other systems reserve other ports")
def test_listen_on_privileged_port_is_not_reported_as_in_use():
    script = (
        "import encodings.idna, os, sys\n"
        "from machtiging.kernel.errors import Fault\n"
        "from machtiging.cli.processes.servers import bind_socket\n"
        "os.getuid() or os.setuid(65534)\n"
        "try: bind_socket('127.0.0.1', 1)\n"
        "except Fault as fault: sys.exit(fault.code)"
    )
    start = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert ended.stderr.strip().splitlines()[-1:] == (["poort_niet_toegestaan"] if start > 1 else [])


@pytest.mark.parametrize("name", ["PORT", "SIMULATOR_PORT", "SMTP_PORT"])
@pytest.mark.parametrize("value", ["65536", "-1", "99999999999999999999", "abc", "80.5"])
def test_port_outside_range_is_rejected_by_setting_name(
    name, value, monkeypatch, capsys, environment_with_unreachable_database
):
    monkeypatch.setenv(f"MACHTIGING_{name}", value)
    for words in (["serve"], ["doctor"], ["migrate"]):
        assert main(words) == ExitCode.ENVIRONMENT
        told = capsys.readouterr().err
        assert f"MACHTIGING_{name}" in told
        assert "Traceback" not in told


def test_doctor_reports_old_python():
    assert installation_checks.check_python((3, 10, 9)).status is FindingStatus.WRONG
    assert installation_checks.check_python().status is FindingStatus.OK


@pytest.mark.skipif(sys.platform == "win32", reason="modes of files do not count there")
def test_doctor_reports_keys_readable_by_others(tmp_path):
    directory = make_key_directory(tmp_path / "keys")
    assert installation_checks.check_key_ring(Settings(keys_dir=directory)).status is FindingStatus.OK
    next(directory.glob("*.key")).chmod(0o644)
    found = installation_checks.check_key_ring(Settings(keys_dir=directory))
    assert found.status is FindingStatus.WRONG
    assert "chmod 600" in found.detail


def test_doctor_reports_missing_policy(tmp_path):
    assert installation_checks.check_policy(Settings(policies_dir=tmp_path)).status is FindingStatus.WRONG
    assert installation_checks.check_policy(Settings(policies_dir=POLICIES)).status is FindingStatus.OK


def test_doctor_requires_tls_in_production():
    assert installation_checks.check_environment(Settings(env=Environment.PRODUCTION)).status is FindingStatus.WRONG
    assert installation_checks.check_environment(Settings()).status is FindingStatus.ATTENTION


@pytest.mark.whole
async def test_doctor_reports_port_in_use():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        number = taken.getsockname()[1]
        taken.listen()
        taken.settimeout(0)
        assert (await installation_checks.check_port(Settings(port=number))).status is FindingStatus.WRONG
    assert (await installation_checks.check_port(Settings(port=number))).status is FindingStatus.OK


async def test_doctor_reports_port_of_another_server():
    other = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    async with other:
        number = other.sockets[0].getsockname()[1]
        assert (await installation_checks.check_port(Settings(port=number))).status is FindingStatus.WRONG
    assert (await installation_checks.check_port(Settings(port=number))).status is FindingStatus.OK


async def test_unreachable_broker_or_mail_server_is_an_error_in_production_only():
    for env, verdict in ((Environment.PRODUCTION, FindingStatus.WRONG), (Environment.TEST, FindingStatus.ATTENTION)):
        settings = Settings(env=env, broker_issuer="http://127.0.0.1:1", smtp_port=1)
        assert (await installation_checks.check_broker(settings)).status is verdict
        assert (await installation_checks.check_smtp_server(settings)).status is verdict
