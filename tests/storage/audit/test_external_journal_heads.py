"""Signed journal heads outside the database: written after each seal, and used by verify."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from machtiging.audit.head_anchor import HeadAnchor
from machtiging.audit.seal import anchor_last_head, run_sealer, seal_intake
from machtiging.audit.verification import verify_journal
from machtiging.cli.database import open_sealer_engine
from machtiging.kernel.errors import Fault
from machtiging.settings import Settings
from tests.builders.database import bypass_triggers
from tests.builders.keys import load_keyring
from tests.builders.server import SITE_NAME, make_http_response, make_outbound_client, serve_site
from tests.storage.audit.journal_lines import record_journal_lines


async def seal(database, clock, count):
    await record_journal_lines(database, clock, count)
    await seal_intake(database.sealer, load_keyring(), clock)
    return (await verify_journal(database.sealer, load_keyring())).head


async def cut_off(database, after):
    async with bypass_triggers(database) as superuser:
        for table in ("journal", "journal_head"):
            await superuser.execute(text(f"DELETE FROM {table} WHERE seq > {after}"))


async def kinds(database, **heads):
    return [problem.kind.value for problem in (await verify_journal(database.sealer, load_keyring(), **heads)).problems]


async def test_verify_from_head_reads_only_later_lines(database, clock):
    first = await seal(database, clock, 3)
    last = await seal(database, clock, 2)
    report = await verify_journal(database.sealer, load_keyring(), start_head=first)
    assert (report.ok, report.lines, report.heads, report.head) == (True, 2, 1, last)
    again = await verify_journal(database.sealer, load_keyring(), start_head=last)
    assert (again.ok, again.lines, again.head) == (True, 0, last)


@pytest.mark.parametrize("seq", [3, 4, 5])
async def test_verify_from_head_detects_change_at_or_after_it(database, clock, seq):
    first = await seal(database, clock, 3)
    await seal(database, clock, 2)
    async with bypass_triggers(database) as superuser:
        await superuser.execute(text(f"UPDATE journal SET hash = sha256('x') WHERE seq = {seq}"))
    assert "veranderd" in await kinds(database, start_head=first)


@pytest.mark.parametrize("head", ["", "onzin", "a.b.c", "é", "eyJhbGciOiJub25lIn0.eyJzZXEiOjF9."])
async def test_verify_from_forged_head_reads_all_lines_and_reports_it(database, clock, head):
    await seal(database, clock, 3)
    report = await verify_journal(database.sealer, load_keyring(), start_head=head)
    assert ([problem.kind.value for problem in report.problems], report.lines) == (["kop_vervalst"], 3)


@pytest.mark.parametrize("after", [0, 1, 3])
async def test_journal_shorter_than_known_head_is_reported_as_truncated(database, clock, after):
    await seal(database, clock, 3)
    head = await seal(database, clock, 2)
    await cut_off(database, after)
    assert "afgeknipt" in await kinds(database, expected_head=head)
    assert "afgeknipt" in await kinds(database, start_head=head)


async def test_sealer_writes_each_head_to_its_file(database, clock, tmp_path):
    keeper, stop = HeadAnchor(load_keyring(), tmp_path / "kop"), asyncio.Event()
    stop.set()  # seals once
    first = await seal(database, clock, 2)
    await run_sealer(database.sealer, load_keyring(), clock, every=0.01, stop=stop, anchor=keeper)
    assert (tmp_path / "kop").read_text().strip() == first
    await record_journal_lines(database, clock, 2)
    await run_sealer(database.sealer, load_keyring(), clock, every=0.01, stop=stop, anchor=keeper)
    last = (tmp_path / "kop").read_text()
    assert last.strip() != first
    assert (await verify_journal(database.sealer, load_keyring(), expected_head=last)).ok
    assert [path.name for path in tmp_path.iterdir()] == ["kop"]


async def test_head_of_longer_journal_is_not_overwritten(database, clock, tmp_path):
    keeper = HeadAnchor(load_keyring(), tmp_path / "kop")
    await seal(database, clock, 3)
    longer = await seal(database, clock, 2)
    await anchor_last_head(database.sealer, keeper)
    await cut_off(database, 3)
    await anchor_last_head(database.sealer, keeper)
    assert (tmp_path / "kop").read_text().strip() == longer


@pytest.mark.parametrize("there", [b"", b"onzin", b"\xff\xfe", b"a.b.c"])
async def test_malformed_head_file_is_overwritten(database, clock, tmp_path, there):
    (tmp_path / "kop").write_bytes(there)
    head = await seal(database, clock, 1)
    await anchor_last_head(database.sealer, HeadAnchor(load_keyring(), tmp_path / "kop"))
    assert (tmp_path / "kop").read_text().strip() == head


async def test_head_is_posted_to_the_configured_url(database, clock):
    head = await seal(database, clock, 1)
    async with serve_site(answer=make_http_response("204 No Content", b"")) as site:
        url = f"https://{SITE_NAME}:{site.port}/kop"
        await anchor_last_head(database.sealer, HeadAnchor(load_keyring(), None, url, make_outbound_client()))
    [asked] = site.asked
    assert asked.startswith("POST /kop ")
    assert asked.endswith(f"head={head}")


@pytest.mark.parametrize("status", ["301 Moved Permanently", "401 Unauthorized", "404 Not Found", "500 Broken"])
async def test_head_url_that_returns_an_error_is_a_fault(database, clock, status):
    await seal(database, clock, 1)
    async with serve_site(answer=make_http_response(status, b"")) as site:
        keeper = HeadAnchor(load_keyring(), None, f"https://{SITE_NAME}:{site.port}/kop", make_outbound_client())
        with pytest.raises(Fault, match="kop_niet_bewaard"):
            await anchor_last_head(database.sealer, keeper)


async def test_unwritable_head_file_is_logged_and_sealing_continues(database, clock, tmp_path):
    keeper, stop = HeadAnchor(load_keyring(), tmp_path / "er" / "niet" / "kop"), asyncio.Event()
    await record_journal_lines(database, clock, 2)
    stop.set()
    with capture_logs() as logged:
        await run_sealer(database.sealer, load_keyring(), clock, every=0.01, stop=stop, anchor=keeper)
    assert (await verify_journal(database.sealer, load_keyring())).lines == 2
    assert [line["code"] for line in logged if line["event"] == "journal_head_not_kept"] == ["kop_niet_bewaard"]


@pytest.mark.parametrize("url", ["http://elders.example", "ftp://elders.example", "elders"])
def test_head_url_without_https_is_rejected(url):
    with pytest.raises(ValueError, match="journal_head_url"):
        Settings(journal_head_url=url)


async def test_audit_verify_compares_journal_with_head_file(run_command, database, clock, tmp_path, monkeypatch):
    monkeypatch.setenv("MACHTIGING_JOURNAL_HEAD_FILE", str(tmp_path / "kop"))
    await record_journal_lines(database, clock, 2)
    assert (await run_command("audit", "seal")).code == 0
    assert (await run_command("audit", "verify")).code == 0
    assert "no head is kept" not in (await run_command("doctor")).out
    await cut_off(database, 0)
    ended = await run_command("audit", "verify")
    assert (ended.code, "NOT whole" in ended.out) == (1, True)
    assert "ends at line 0; it once ended at 2" in (await run_command("doctor")).out


async def test_audit_verify_without_external_head_warns_about_truncation(run_command):
    ended = await run_command("audit", "verify")
    assert (ended.code, "nobody can know" in ended.operator_output) == (0, True)
    assert "no head is kept outside the database" in (await run_command("doctor")).out


async def test_audit_verify_from_head_file_reads_later_lines_only(run_command, database, clock, tmp_path):
    await record_journal_lines(database, clock, 2)
    await run_command("audit", "seal")
    (tmp_path / "kop").write_text((await run_command("audit", "verify")).out.splitlines()[0])
    ended = await run_command("audit", "verify", "--from", str(tmp_path / "kop"))
    assert (ended.code, "0 lines read" in ended.out) == (0, True)


async def test_sealer_engine_of_the_command_line_has_no_client_timeout(database):
    async with open_sealer_engine(Settings(database_url=database.url)) as engine, engine.connect() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver._config.command_timeout is None
        assert await connection.scalar(text("SHOW statement_timeout")) == "10min"


async def test_verify_runs_no_count_over_the_journal(database, clock):
    from sqlalchemy import event

    said: list[str] = []
    event.listen(database.sealer.sync_engine, "before_cursor_execute", lambda *given: said.append(given[2]))
    await seal(database, clock, 2)
    said.clear()
    await verify_journal(database.sealer, load_keyring())
    assert [one for one in said if "count(" in one and "FROM journal\n" in one + "\n"] == []
