"""The commands on the pages of docs/integrate, executed on a running practice service."""

from __future__ import annotations

import asyncio
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from machtiging.cli.demo.browser import Browser
from machtiging.cli.demo.environment import create_http_client
from machtiging.simulators.personas import PERSONAS
from tests.integration_guide.bruno_collection import (
    COLLECTION,
    REQUEST_FILES,
    read_environment,
    read_request,
    send_request,
)
from tests.integration_guide.guide_pages import GUIDE, ROOT, GuideCommand, build_output_pattern, list_commands
from tests.journeys.conftest import Installation, free_ports
from tests.parties.npm_packages import NODE, PLACE, list_toolchains, needs_packages

pytestmark = pytest.mark.long
_SECONDS = 120
_READY = re.compile(r"^(?:Listening|The broker listens) at ", re.MULTILINE)
_ADDRESS = re.compile(r"Open this address in a browser: (\S+)")
# The ports on the pages that are not those of the practice service.
_OWN_PORTS = ("8100", "9001", "9002", "9003")


@dataclass
class GuideFolder:
    """A folder in which the commands of the pages run, with ports of its own."""

    place: Path
    installation: Installation
    ports: Mapping[str, str]
    background: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def replace_ports(self, text: str) -> str:
        for shown, port in self.ports.items():
            text = text.replace(f"localhost:{shown}", f"localhost:{port}").replace(f"_PORT={shown}", f"_PORT={port}")
        return text

    def restore_ports(self, text: str) -> str:
        for shown, port in self.ports.items():
            text = text.replace(f"localhost:{port}", f"localhost:{shown}")
        return text

    def copy_guide(self) -> None:
        """Copy the examples with these ports, and the paths that the commands name."""
        for file in GUIDE.rglob("*.*"):
            if file.name == ".env" or not file.is_file():
                continue
            target = self.place / file.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(self.replace_ports(file.read_text(encoding="utf-8")))
        (self.place / ".venv").symlink_to(sys.prefix)
        programs = self.place / "programs"
        programs.mkdir()
        (programs / "node").symlink_to(NODE)
        # Nothing is fetched while tests run: `make parties` installed this version.
        (programs / "npm").write_text('#!/bin/sh\nln -sfn "$INSTALLED_PACKAGES" "$4/node_modules"\n')
        (programs / "npm").chmod(0o755)
        (programs / "mvn").write_text(f'#!/bin/sh\nexec {shutil.which("mvn")} --offline "$@"\n')
        (programs / "mvn").chmod(0o755)

    def build_environment(self, exports: str) -> dict[str, str]:
        environment = self.installation.environment() | {
            "INSTALLED_PACKAGES": str(PLACE / "node_modules"),
            "GOPROXY": "off",
        }
        environment["PATH"] = f"{self.place / 'programs'}:{environment['PATH']}"
        found = re.findall(r"^export (\w+)=(\S+)$", self.replace_ports(exports), re.MULTILINE)
        return environment | dict(found)

    async def run_page(self, page: Path, programs: Collection[str] = ()) -> None:
        """Run the commands of a page, and those that need one of these programs.

        Raises AssertionError at the first with another result than the page shows.
        """
        exports = ""
        try:
            for command in list_commands(page):
                if command.block.settings.get("needs", "") not in ("", *programs):
                    continue
                exports += command.block.text
                environment = self.build_environment(exports)
                if "background" in command.block.settings:
                    await self._start(command, environment)
                else:
                    await self._run(command, environment)
        finally:
            self.stop_background()

    async def _start(self, command: GuideCommand, environment: Mapping[str, str]) -> None:
        if command.block.settings["background"] == "instead":
            self.stop_background()
        program = self.replace_ports(command.block.text).strip()
        self.background.append(self._open_process(f"exec {program}", environment))
        if program.endswith(" serve"):  # the next command of the page waits for it
            return
        async with asyncio.timeout(_SECONDS):
            while _READY.search(shown := self._read_background_log()) is None:
                assert self.background[-1].poll() is None, shown
                await asyncio.sleep(0.05)
        self._compare(command, shown)

    def _open_process(self, program: str, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        with (self.place / "background.log").open("wb") as log:
            return subprocess.Popen(["/bin/sh", "-c", program], cwd=self.place, env=environment, stdout=log, stderr=log)

    async def _run(self, command: GuideCommand, environment: Mapping[str, str]) -> None:
        process = await asyncio.create_subprocess_exec(
            *("/bin/sh", "-e", "-c", self.replace_ports(command.block.text)),
            cwd=self.place, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert process.stdout is not None
        lines: list[str] = []
        try:
            async with asyncio.timeout(_SECONDS):
                async for line in process.stdout:
                    lines.append(line.decode())
                    if found := _ADDRESS.search(lines[-1]):
                        await self._decide(found[1], *command.block.settings["browser"].split(","))
                await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
        shown = "".join(lines)
        assert process.returncode == 0, f"{command.block.text}\n{shown}\n{self._read_background_log()}"
        self._compare(command, shown)

    def _read_background_log(self) -> str:
        file = self.place / "background.log"
        return file.read_text(errors="replace") if file.exists() else ""

    def _compare(self, command: GuideCommand, shown: str) -> None:
        shown = self.restore_ports(shown)
        if command.output is not None:
            assert build_output_pattern(command.output).search(shown), f"{command.output}\n--- but\n{shown}"

    async def _decide(self, address: str, persona_key: str, represented: str) -> None:
        """Log in as this persona, choose the box of this person, and agree."""
        here = self.installation
        async with create_http_client() as http:
            browser = Browser(http, frozenset({here.url, here.broker}))
            await browser.open_page(f"{here.url}/inloggen?login_hint={persona_key}&terug=/")
            page = await browser.open_page(address)
            form = page.find_form_with_field("voor")
            for choice in form.choices["voor"]:
                page = await browser.submit_form(form, {"voor": choice})
                if represented in page.text:
                    break
            else:
                raise AssertionError(f"{persona_key} cannot choose {represented}")
            await browser.submit_form(page.find_form("/authorize"), {"besluit": "akkoord"})
            await http.get(browser.url)

    def stop_background(self) -> None:
        while self.background:
            process = self.background.pop()
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)


@pytest.fixture(scope="module")
def guide_folder() -> Iterator[GuideFolder]:
    """A running practice service, and a folder to run the commands of the pages in."""
    needs_packages()
    place = Path(tempfile.mkdtemp(prefix="machtiging-guide-"))
    installation = Installation(place)
    installation.start()
    shown = (("8000", installation.ports[0]), *zip(_OWN_PORTS, free_ports(len(_OWN_PORTS)), strict=True))
    folder = GuideFolder(place / "repository", installation, {port: str(free) for port, free in shown})
    folder.copy_guide()
    yield folder
    folder.stop_background()
    installation.stop()
    shutil.rmtree(place, ignore_errors=True)


@pytest.mark.parametrize(
    "name", ["sending-agency", "reading-app", "verifying-agency", "resource-server", "login-broker"]
)
async def test_commands_of_page_give_the_output_that_it_shows(guide_folder, name):
    await guide_folder.run_page(GUIDE / f"{name}.md", list_toolchains())


async def test_bruno_requests_get_the_statuses_that_they_expect(guide_folder):
    await guide_folder.run_page(GUIDE / "bruno.md")
    copied = guide_folder.place / COLLECTION.relative_to(ROOT)
    pairs = (line.partition("=") for line in (copied / ".env").read_text().splitlines())
    variables = read_environment(copied / "environments/practice.bru", {name: value for name, _, value in pairs})
    for file in REQUEST_FILES:
        request = read_request(file)
        answer = await asyncio.to_thread(send_request, request, variables)
        assert answer.status_code == request.status, f"{file.name}: {answer.text}"


async def test_command_with_other_output_than_the_page_shows_fails(guide_folder, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("```sh\necho yes\n```\n\n```text\nno\n```\n")
    with pytest.raises(AssertionError, match=r"--- but\s+yes"):
        await guide_folder.run_page(page)


async def test_command_that_fails_stops_the_page(guide_folder, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("```sh\nfalse\n```\n\n```sh\ntouch reached\n```\n")
    with pytest.raises(AssertionError, match="false"):
        await guide_folder.run_page(page)
    assert not (guide_folder.place / "reached").exists()


async def test_person_of_the_index_logs_in_with_one_click(guide_folder):
    here = guide_folder.installation
    keys = re.findall(r"`([a-z-]+)` is (\w+)", (GUIDE / "README.md").read_text(encoding="utf-8"))
    assert {"naaste", "vertegenwoordigde"} <= {key for key, _ in keys}
    for key, name in keys:
        async with create_http_client() as http:
            browser = Browser(http, frozenset({here.url, here.broker}))
            page = await browser.open_page(f"{here.url}/inloggen?login_hint={key}&terug=/")
        assert PERSONAS[key].name in page.text
        assert PERSONAS[key].name.startswith(name)
