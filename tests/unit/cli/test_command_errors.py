"""Commands with invalid settings: one sentence, no traceback, no part of a secret."""

import io
import socket

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from machtiging.__main__ import main
from machtiging.cli.errors import ExitCode, describe_error
from tests.builders.command_line import preserve_logging
from tests.builders.keys import make_key_directory

SECRET = "Zq9xPiece"
COMMANDS = [
    ["agencies", "list"],
    ["agencies", "load"],
    ["clients", "list"],
    ["clients", "invitations"],
    ["sessions", "list", "--person", "01a22476-e80f-7e71-ab02-20da60dfbd58"],
    ["audit", "seal"],
    ["audit", "verify"],
    ["keys", "rewrap"],
    ["migrate"],
    ["doctor"],
    ["serve"],
    ["serve", "--workers", "2"],
    ["story"],
]
URLS = [
    "postgresql://u:{0}@127.0.0.1:1/m?sslmode=require",
    "postgresql://u:{0}@127.0.0.1:80000/m",
    "postgresql://u:{0}@{0}@127.0.0.1:1/m",
    "postgresql://u:{0}#{0}@[::1/m?x=@",
    "postgresql://u:{0}@127.0.0.1:1/m?options=-c%20x%3D{0}",
    "postgresql://u:{0}@127.0.0.1:1/m?{0}={0}",
    "postgresql://u:{0}@127.0.0.1:1/m?sslmode=verify-full",
    "postgresql://u:{0}@a..b:1/m",
    "postgresql://u:{0}@127.0.0.1:1,127.0.0.1:2/m?target_session_attrs=read-write",
    "mysql://{0}",
    "{0}",
    "",
]
ODD = {
    "MACHTIGING_PORT": ["80000", "-1", "x", "99999999999999999999"],
    "MACHTIGING_HOST": ["", "999.1.1.1", "a..b", "::g", "\udcff"],
    "MACHTIGING_SMTP_PORT": ["0", "80000"],
    "MACHTIGING_SMTP_HOST": ["a..b", "\udcff", "x" * 300],
    "MACHTIGING_ISSUER": ["http://[", "http://localhost:99999", "x", ""],
    "MACHTIGING_BROKER_ISSUER": ["http://[", "http://a:b", "x" * 70000],
    "MACHTIGING_TRUSTED_PROXIES": ["x", "1.2.3.4/99"],
    "MACHTIGING_KEYS_DIR": ["/dev/null", "/dev/null/x"],
    "MACHTIGING_POLICIES_DIR": ["/dev/null"],
    "MACHTIGING_CLIENT_CA_FILE": ["/dev/null", "/does/not/exist"],
    "MACHTIGING_FETCH_CA_FILE": ["/dev/null", "/does/not/exist"],
}


@pytest.fixture
def environment_with_busy_ports(tmp_path, monkeypatch):
    """Settings with keys, an unreachable database and ports in use."""
    monkeypatch.setenv("MACHTIGING_KEYS_DIR", str(make_key_directory(tmp_path / "keys")))
    monkeypatch.setenv("MACHTIGING_DATABASE_URL", "postgresql://u:hush@127.0.0.1:1/m")
    # If the command is not stopped earlier, it stops at these ports.
    taken = socket.create_server(("127.0.0.1", 0))
    for name in ("MACHTIGING_PORT", "MACHTIGING_SIMULATOR_PORT"):
        monkeypatch.setenv(name, str(taken.getsockname()[1]))
    monkeypatch.setenv("MACHTIGING_BROKER_ISSUER", "http://127.0.0.1:1")
    monkeypatch.setenv("MACHTIGING_SMTP_PORT", "1")
    monkeypatch.setattr("sys.stdin", io.StringIO())
    yield
    taken.close()


def ends_well(words, capsys):
    with preserve_logging():
        code = main(words)
    said = capsys.readouterr()
    told = said.out + said.err
    assert code in {ExitCode.FINDING, ExitCode.USAGE, ExitCode.ENVIRONMENT}
    assert "Traceback" not in told
    assert SECRET not in told
    assert told.strip()
    return told


@pytest.mark.whole
@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("url", URLS)
def test_invalid_database_url_gives_a_sentence_without_secret(
    words, url, environment_with_busy_ports, capsys, monkeypatch
):
    monkeypatch.setenv("MACHTIGING_DATABASE_URL", url.format(SECRET))
    told = ends_well(words, capsys)
    assert "onvoorzien" not in told


@pytest.mark.parametrize("which", ["MACHTIGING_OWNER_DATABASE_URL", "MACHTIGING_SEALER_DATABASE_URL"])
def test_invalid_database_url_is_named_by_its_setting(which, environment_with_busy_ports, capsys, monkeypatch):
    monkeypatch.setenv(which, f"postgresql://u:{SECRET}@h:80000/m")
    assert which in ends_well(["audit", "seal"], capsys)


@pytest.mark.whole
@pytest.mark.parametrize("words", [["doctor"], ["serve"]], ids=" ".join)
@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in ODD.items() for value in values])
def test_invalid_setting_gives_no_traceback(words, name, value, environment_with_busy_ports, capsys, monkeypatch):
    monkeypatch.setenv(name, value)
    with preserve_logging():
        code = main(words)
    said = capsys.readouterr()
    assert code in set(ExitCode)
    assert "Traceback" not in said.out + said.err
    assert "onvoorzien" not in said.err


@given(url=st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=80), wrap=st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_arbitrary_database_url_gives_a_sentence_without_secret(
    url, wrap, environment_with_busy_ports, capsys, monkeypatch
):
    monkeypatch.setenv("MACHTIGING_DATABASE_URL", f"postgresql://u:{SECRET}{url}@127.0.0.1:1/m" if wrap else url)
    ends_well(["audit", "seal"], capsys)


@pytest.mark.parametrize(
    "error",
    [
        ValueError(SECRET),
        OverflowError(SECRET),
        KeyError(SECRET),
        RuntimeError(SECRET),
        ExceptionGroup(SECRET, [ValueError(SECRET)]),
        UnicodeDecodeError("utf-8", b"x", 0, 1, SECRET),
        MemoryError(SECRET),
    ],
    ids=lambda error: type(error).__name__,
)
def test_unexpected_error_is_reported_with_type_and_place_without_value(error):
    try:
        raise error
    except type(error) as raised:
        sentence, code = describe_error(raised)
    assert code == ExitCode.ENVIRONMENT
    assert "onvoorzien" in sentence
    assert type(error).__name__ in sentence
    assert SECRET not in sentence
