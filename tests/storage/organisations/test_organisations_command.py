"""`machtiging organisations`: register, propose, hire and leave. It does not confirm outside the practice world."""

from uuid import uuid4

import pytest

from machtiging.cli.operator_name import get_operator_name
from tests.builders.organisations import add_organisation
from tests.builders.rows import JOURNAL_INTAKE

KVK = "90000001"
REGISTER = ("organisations", "register", "--name", "Wijkteam Noord", "--kind", "welzijn", "--ground", "aanvraag")


@pytest.fixture
async def organisation(run_command):
    """The id of a registered organisation."""
    ended = await run_command(*REGISTER, "--kvk", KVK, "--theme", "zorg", "--days", "90")
    assert ended.code == 0, ended.operator_output
    return ended.out.strip()


async def propose(run_command, organisation, status="erkend"):
    return await run_command("organisations", "propose", organisation, status, "--ground", "besluit")


async def test_organisation_is_registered_recognised_and_shown(run_command, organisation):
    assert "Proposal 2: erkend" in (await propose(run_command, organisation)).operator_output
    listed = await run_command("organisations", "list")
    assert (organisation in listed.out, "2: erkend" in listed.out) == (True, True)
    confirmed = await run_command("organisations", "confirm", organisation, "2")
    assert "This is the practice world" in confirmed.operator_output
    shown = await run_command("organisations", "show", organisation)
    for line in (
        f"numbers: KvK {KVK}",
        "recognition: erkend",
        "themes: zorg",
        "longest period: 90 days",
        "sealed: yes",
    ):
        assert line in shown.out
    assert organisation in (await run_command("organisations", "list", "--status", "erkend")).out
    assert organisation not in (await run_command("organisations", "list", "--status", "aangevraagd")).out


async def test_confirmation_in_production_is_refused_and_journalled(run_command, database, organisation, monkeypatch):
    await propose(run_command, organisation)
    monkeypatch.setenv("MACHTIGING_ENV", "production")
    ended = await run_command("organisations", "confirm", organisation, "2")
    assert (ended.code, "another operator" in ended.operator_output) == (1, True)
    [line] = await JOURNAL_INTAKE.read(database, act="erkenning:bevestigd")
    assert (line.outcome, line.reason, line.facts["beheerder"]) == (
        "refused",
        "bevestigen_in_sessie",
        get_operator_name(),
    )


async def test_proposal_in_production_warns_that_it_cannot_be_confirmed(run_command, organisation, monkeypatch):
    assert "names no person" not in (await propose(run_command, organisation)).operator_output
    await run_command("organisations", "drop", organisation, "2")
    monkeypatch.setenv("MACHTIGING_ENV", "production")
    ended = await propose(run_command, organisation)
    assert ended.code == 0, ended.operator_output
    assert "names no person" in ended.operator_output
    assert "/erkenningen" in ended.operator_output


@pytest.mark.parametrize(
    ("numbers", "sentence"),
    [
        ((), "Give a KvK number, an RSIN or an OIN."),
        (("--vestiging", "000012345678"), "Give a KvK number"),
        (("--kvk", KVK, "--vestiging", "12"), "twelve digits"),
        (("--kvk", "123"), "KvK"),
        (("--rsin", "123456789"), "RSIN"),
        (("--oin", "1"), "OIN"),
    ],
)
async def test_organisation_with_a_wrong_number_is_refused(run_command, database, numbers, sentence):
    ended = await run_command(*REGISTER, *numbers)
    assert (ended.code, sentence in ended.operator_output) == (1, True), ended.operator_output
    assert await JOURNAL_INTAKE.count(database, act="organisatie:geregistreerd") == 0


async def test_second_proposal_is_refused_until_the_first_is_dropped(run_command, organisation):
    await propose(run_command, organisation)
    assert "open proposal" in (await propose(run_command, organisation, "geweigerd")).operator_output
    assert (await run_command("organisations", "drop", organisation, "2")).code == 0
    assert "Proposal 3" in (await propose(run_command, organisation, "geweigerd")).operator_output


async def test_first_administrator_is_hired_and_leaves_by_command(run_command, database, organisation):
    hired = await run_command("organisations", "hire", organisation, "--subject", "oefenpersoon-x", "--name", "Jo Bos")
    assert hired.code == 0, hired.operator_output
    employee = hired.out.strip()
    shown = await run_command("organisations", "show", organisation)
    assert (employee in shown.out, "organisatiebeheerder" in shown.out, "Jo Bos" in shown.out) == (True, True, False)
    again = await run_command("organisations", "hire", organisation, "--subject", "y", "--name", "Y")
    assert (again.code, "first organisatiebeheerder only" in again.operator_output) == (1, True)
    assert (await run_command("organisations", "leave", employee)).code == 0
    assert "has left" in (await run_command("organisations", "leave", employee)).operator_output
    lines = await JOURNAL_INTAKE.read(database, act="medewerker:vertrokken")
    assert [line.outcome for line in lines] == ["done", "refused"]


async def test_unknown_organisation_is_refused(run_command):
    nobody = str(uuid4())
    for words in (("show", nobody), ("confirm", nobody, "1"), ("drop", nobody, "1"), ("leave", nobody)):
        ended = await run_command("organisations", *words)
        assert (ended.code, "There is no such" in ended.operator_output) == (1, True), ended.operator_output


async def test_catalogue_gives_each_afzender_an_organisation_that_may_ask_for_recognition(run_command):
    assert (await run_command("agencies", "load")).code == 0
    listed = await run_command("organisations", "list")
    [row] = [line for line in listed.out.splitlines() if "Kadaster" in line]
    organisation = row.split()[1]
    ended = await run_command("organisations", "request", organisation, "--ground", "aanvraag")
    assert ended.code == 0, ended.operator_output
    assert organisation in (await run_command("organisations", "list", "--status", "aangevraagd")).out


async def test_request_gives_the_business_of_a_letter_its_name(run_command, database):
    async with database.sessions.begin() as session:
        business = str(await add_organisation(session, status="geen"))
    words = ("request", business, "--ground", "aanvraag", "--name", "Bakkerij Jansen")
    ended = await run_command("organisations", *words)
    assert ended.code == 0, ended.operator_output
    assert "name: Bakkerij Jansen" in (await run_command("organisations", "show", business)).out


async def test_import_is_shown_confirmed_once_and_then_refused(run_command, database, tmp_path):
    file = tmp_path / "register.csv"
    file.write_bytes("naam;soort;kvk;grond\r\nCafé Noord;welzijn;90000007;aanvraag\r\n".encode("cp1252"))
    shown = await run_command("organisations", "import", str(file), "--dry-run")
    assert (shown.code, "nieuw" in shown.out) == (0, True), shown.operator_output
    assert "Café Noord" not in (await run_command("organisations", "list")).out
    code = shown.out.split()[-1]
    done = await run_command("organisations", "import", str(file), "--confirm", code)
    assert done.code == 0, done.operator_output
    assert "Café Noord" in (await run_command("organisations", "list")).out
    again = await run_command("organisations", "import", str(file), "--confirm", code)
    assert (again.code, "Nothing was done" in again.operator_output) == (1, True)
    lines = await JOURNAL_INTAKE.read(database, act="register:geimporteerd")
    assert [(line.outcome, "beheerder" in line.facts) for line in lines] == [("done", True), ("refused", True)]


async def test_import_without_dry_run_or_code_is_a_usage_error(run_command, tmp_path):
    file = tmp_path / "register.csv"
    file.write_text("x")
    for options in ((), ("--dry-run", "--confirm", "x")):
        assert (await run_command("organisations", "import", str(file), *options)).code == 2
    broken = await run_command("organisations", "import", str(file), "--dry-run")
    assert (broken.code, "first line" in broken.operator_output) == (1, True)
