"""A helper reads in a login session through the same guard as with a token."""

import re
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from machtiging.berichtenbox.rules import PART_BYTES
from machtiging.delegation.rules import Act
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.ids import uuid7
from machtiging.portal.helping import letters
from tests.builders.database import record_queries
from tests.builders.downloads import start_download
from tests.builders.helping import open_helper_session
from tests.builders.letters import SVB, UWV, make_pdf
from tests.builders.people import ISSUER
from tests.builders.rows import BERICHTEN, BIJLAGEN, JOURNAL_INTAKE, READER_MARKS

SECRET = "Geheime inhoud"
PDF = "application/pdf"
KVK = "90000002"
ACTS = {"lijst": (), "lezen": ("letter",), "downloaden": ("letter", "bijlage")}
METHODS = pytest.mark.parametrize("method", ["GET", "HEAD"])
EACH_ACT = pytest.mark.parametrize("act", list(ACTS))
READINGS = {"GET": "read_bericht", "HEAD": "authorize_reading"}


async def deliver(world, content=None, **changes):
    """A letter of the citizen with one bijlage: both ids."""
    letter = await world.deliver_letter(("brief.pdf", content or make_pdf(), PDF), inhoud=SECRET, **changes)
    [(bijlage,)] = await BIJLAGEN.read(world, "id", bericht_id=letter)
    return {"letter": letter, "bijlage": str(bijlage)}


@pytest.fixture
async def letter(world, portal):
    assert (world.citizen, world.helper) == (portal.people.mother, portal.people.son)
    return await deliver(world)


@pytest.fixture
async def helper(world, portal):
    """The session of the helper, under a machtiging of his."""
    return await open_helper_session(portal, world.helper, await world.grant_machtiging())


def ids_of(act, letter):
    return [letter[name] for name in ACTS[act]]


def without_own_address(answer):
    """The answer without its request id and its address, which the page repeats."""
    ours = ("x-request-id", "content-length")
    headers = {name: value for name, value in answer.headers.items() if name not in ours}
    content = answer.content.replace(answer.headers["x-request-id"].encode(), b"")
    return answer.status_code, headers, content.replace(answer.request.url.raw_path, b"")


# What is allowed


async def test_helper_reads_list_letter_and_attachment_of_the_other_person(world, helper, letter):
    listed = await helper.get()
    assert listed.status_code == 200
    assert "Ans Voorbeeld" in listed.text
    assert f'href="{helper.path(letter["letter"])}"' in listed.text
    assert SECRET not in listed.text
    shown = await helper.get(letter["letter"])
    assert SECRET in shown.text
    assert f'href="{helper.path(letter["letter"], letter["bijlage"])}"' in shown.text
    file = await helper.get(letter["letter"], letter["bijlage"])
    assert (file.status_code, file.content) == (200, make_pdf())
    assert file.headers["content-disposition"].startswith("attachment")
    assert file.headers["x-content-type-options"] == "nosniff"


@METHODS
@EACH_ACT
async def test_access_is_journalled_with_helper_owner_and_machtiging(world, helper, letter, act, method):
    answer = await helper.get(*ids_of(act, letter), method=method)
    assert (answer.status_code, answer.content == b"") == (200, method == "HEAD")
    [line] = await JOURNAL_INTAKE.read(
        world,
        *(
            "actor_id",
            "for_person_id",
            "machtiging_id",
            "capacity",
            "client_id",
            "outcome",
            "object_id",
            "policy_digest",
        ),
        act=f"bericht:{act}",
    )
    object_id = {"lijst": None, "lezen": letter["letter"], "downloaden": letter["bijlage"]}[act]
    assert tuple(line)[:7] == (world.helper, world.citizen, helper.box, "relative", None, "allowed", object_id)
    assert line.policy_digest == world.policy.digest


async def test_helper_read_mark_is_his_own(world, helper, letter):
    assert "m-badge--new" in (await helper.get()).text
    await helper.get(letter["letter"], method="HEAD")
    assert await READER_MARKS.read(world) == []
    await helper.get(letter["letter"])
    assert "m-badge--new" not in (await helper.get()).text
    assert (await BERICHTEN.read_one(world)).read_at is None
    [mark] = await READER_MARKS.read(world, "person_id")
    assert mark.person_id == world.helper


async def test_citizen_sees_the_reading_of_the_helper(portal, helper, letter):
    await helper.get(letter["letter"])
    page = await (await portal.mother()).open_page(ISSUER + "/inzage")
    assert "Bram Voorbeeld" in page.text
    assert "las een brief van UWV" in page.text


async def test_list_has_only_letters_in_scope_and_tells_nothing_of_others(world, portal):
    shown, hidden = await deliver(world), await deliver(world, oin=SVB, dienst="aow")
    box = await world.grant_machtiging(afzenders=[UWV])
    helper = await open_helper_session(portal, world.helper, box)
    with_both = await helper.get()
    assert shown["letter"] in with_both.text
    assert hidden["letter"] not in with_both.text
    async with world.sessions.begin() as session:
        await session.execute(text("UPDATE bericht SET deleted_at = now() WHERE id = :id"), {"id": hidden["letter"]})
    assert without_own_address(await helper.get()) == without_own_address(with_both)


async def test_list_pages_follow_each_other(world, portal, helper):
    made = [await world.deliver_letter(publicatietijdstip=f"2026-11-01T12:{n:02}:00Z") for n in range(21)]
    first = await helper.get()
    [older] = re.findall(r'href="(/ik-help/[^"]*vanaf=[^"]+)"', first.text)
    second = await helper.request(older)
    found = [re.findall(rf"{helper.path()}/([0-9a-f-]+)", page.text) for page in (first, second)]
    assert found == [made[:0:-1], made[:1]]
    other = await open_helper_session(portal, world.helper, await world.grant_machtiging())
    answer = await helper.request(older.replace(str(helper.box), str(other.box)))
    assert answer.status_code == 400


async def test_list_takes_at_most_five_statements(world, helper, letter, database):
    await helper.get()
    with record_queries(database) as queries:
        await helper.get()
    statements = [query for query in queries if query not in ("BEGIN;", "COMMIT;")]
    assert len(statements) == 5, statements


async def test_letter_that_was_read_before_is_fetched_in_the_statement_that_journals(helper, letter, database):
    await helper.get(letter["letter"])
    with record_queries(database) as queries:
        await helper.get(letter["letter"])
    of_letters = [query for query in queries if "bericht" in query]
    assert len(of_letters) == 2
    assert "INSERT INTO journal_intake" in of_letters[1]


# What is refused


@METHODS
@EACH_ACT
async def test_idor_machtiging_of_another_is_refused_as_one_that_does_not_exist(
    world, portal, helper, letter, database, act, method
):
    """Of another helper, given by himself, malformed, or another form of his own id."""
    given = await world.grant_machtiging(vertegenwoordigde_id=world.helper, gemachtigde_id=world.citizen)
    own = str(helper.box)
    stranger = await open_helper_session(portal, portal.people.mother, None)
    answers, statements = [], []
    for session, box in ((helper, uuid7()), (helper, given), (helper, "nul"), (helper, own.upper()), (stranger, own)):
        session.box = box
        with record_queries(database) as queries:
            answers.append(await session.get(*ids_of(act, letter), method=method))
        statements.append([query.split("(")[0] for query in queries])
    assert {answer.status_code for answer in answers} == {404}
    assert statements == [statements[0]] * len(statements)
    bodies = [without_own_address(answer) for answer in answers[:-1]]
    assert bodies == [bodies[0]] * len(bodies)
    assert await world.reasons(f"bericht:{act}") == ["machtiging_niet_van_u"] * len(answers)
    lines = await JOURNAL_INTAKE.read(world, "actor_id", "for_person_id", act=f"bericht:{act}")
    assert all(line.actor_id == line.for_person_id for line in lines)
    assert await READER_MARKS.read(world) == []


@METHODS
@pytest.mark.parametrize("act", ["lezen", "downloaden"])
async def test_letter_outside_scope_is_refused_as_one_that_does_not_exist(world, portal, letter, act, method):
    """Out of scope, deleted, of another person, not there, no id: one answer."""
    outside, deleted = await deliver(world, oin=SVB, dienst="aow"), await deliver(world)
    other = await deliver(world, ontvanger={"type": "BSN", "waarde": "999990044"})
    async with world.sessions.begin() as session:
        await session.execute(text("UPDATE bericht SET deleted_at = now() WHERE id = :id"), {"id": deleted["letter"]})
    helper = await open_helper_session(portal, world.helper, await world.grant_machtiging(afzenders=[UWV]))
    absent, malformed = {"letter": uuid7(), "bijlage": uuid7()}, {"letter": "1", "bijlage": "x"}
    answers = [
        await helper.get(*ids_of(act, each), method=method) for each in (outside, deleted, other, absent, malformed)
    ]
    bodies = [without_own_address(answer) for answer in answers]
    assert bodies == [bodies[0]] * len(bodies)
    assert bodies[0][0] == 404
    assert sorted(set(await world.reasons(f"bericht:{act}"))) == [
        "afzender_niet_afgesproken",
        "bericht_bestaat_niet",
        "bericht_van_ander",
    ]


@EACH_ACT
@pytest.mark.parametrize(("change", "reason"), [("revoke", "machtiging_beeindigd"), ("pause", "machtiging_gepauzeerd")])
async def test_stopped_machtiging_gives_nothing_and_tells_the_holder_why(world, helper, letter, act, change, reason):
    await getattr(world, change)(helper.box)
    answer = await helper.get(*ids_of(act, letter))
    assert answer.status_code == 403
    assert SECRET not in answer.text
    assert "U kunt" in answer.text
    assert await world.reasons(f"bericht:{act}") == [reason]


@EACH_ACT
@pytest.mark.parametrize(
    ("starts", "ends", "reason"), [(-9, -1, "machtiging_verlopen"), (1, 9, "machtiging_niet_begonnen")]
)
async def test_machtiging_outside_its_period_gives_nothing(world, portal, letter, act, starts, ends, reason):
    now = world.clock.now()
    period = {"starts_at": now + timedelta(days=starts), "ends_at": now + timedelta(days=ends)}
    helper = await open_helper_session(portal, world.helper, await world.grant_machtiging(**period))
    answer = await helper.get(*ids_of(act, letter))
    assert (answer.status_code, SECRET in answer.text) == (403, False)
    assert await world.reasons(f"bericht:{act}") == [reason]


@EACH_ACT
async def test_login_for_another_organisation_gives_nothing(world, portal, letter, act):
    box = await world.grant_machtiging(KVK, capacity="professional")
    for kvk, status in ((KVK, 200), ("90000003", 403), (None, 403)):
        employee = await open_helper_session(portal, world.helper, box, kvk=kvk)
        answer = await employee.get(*ids_of(act, letter))
        assert answer.status_code == status, (kvk, answer.text)
    private = await open_helper_session(portal, world.helper, await world.grant_machtiging(), kvk=KVK)
    assert (await private.get(*ids_of(act, letter))).status_code == 403
    assert await world.reasons(f"bericht:{act}") == ["toegestaan", *["andere_organisatie"] * 3]


async def test_login_level_too_low_for_a_sensitive_letter_gives_it_nowhere(world, portal):
    sensitive, box = await deliver(world, oin=SVB, dienst="pgb-trekkingsrecht"), await world.grant_machtiging()
    for level, is_allowed in ((Assurance.LOW, False), (Assurance.SUBSTANTIAL, True)):
        helper = await open_helper_session(portal, world.helper, box, level)
        assert (sensitive["letter"] in (await helper.get()).text) is is_allowed
        for act in ("lezen", "downloaden"):
            answer = await helper.get(*ids_of(act, sensitive))
            assert (answer.status_code == 200) is is_allowed, (level, act)
            assert (await world.reasons(f"bericht:{act}"))[-1] == ("toegestaan" if is_allowed else "niveau_te_laag")


@EACH_ACT
async def test_login_below_the_minimum_of_the_organisation_gives_nothing(world, portal, letter, act):
    box = await world.grant_machtiging(KVK, capacity="professional")
    helper = await open_helper_session(portal, world.helper, box, Assurance.LOW, KVK)
    answer = await helper.get(*ids_of(act, letter))
    assert answer.status_code != 200
    assert SECRET not in answer.text
    assert await world.reasons(f"bericht:{act}") == ["niveau_te_laag"]


@pytest.mark.parametrize("act", ["lezen", "downloaden"])
async def test_act_that_was_not_agreed_is_refused(world, portal, letter, act):
    helper = await open_helper_session(portal, world.helper, await world.grant_machtiging(acts=[Act.LIST.value]))
    assert (await helper.get()).status_code == 200
    answer = await helper.get(*ids_of(act, letter))
    assert (answer.status_code, SECRET in answer.text) == (403, False)
    assert await world.reasons(f"bericht:{act}") == ["handeling_niet_toegestaan"]


@pytest.mark.parametrize("method", ["PATCH", "DELETE", "PUT", "POST"])
async def test_letter_of_another_has_no_method_that_changes_it(helper, letter, method):
    answer = await helper.get(letter["letter"], method=method)
    assert answer.status_code == 405


async def test_request_without_session_shows_nothing(portal, helper, letter):
    helper.headers["Cookie"] = "x=y"
    for act in ACTS:
        answer = await helper.get(*ids_of(act, letter))
        assert answer.status_code in (303, 401)
        assert SECRET not in answer.text


# What changes between lookup and fetch


END_SESSIONS = "UPDATE login_session SET ended_at = now()"
DELETE_LETTERS = "UPDATE bericht SET deleted_at = now()"
NEW_VERSION = "UPDATE machtiging SET purpose = purpose"


@pytest.fixture
def change_before_fetch(world, monkeypatch):
    """Make a change between the two statements of a reading, once or at each attempt."""

    def install(method, change, *, always=False):
        acting, attempts = getattr(letters, READINGS[method]), []

        async def change_and_read(*values, **named):
            if always or not attempts:
                await change()
            attempts.append(method)
            return await acting(*values, **named)

        monkeypatch.setattr(letters, READINGS[method], change_and_read)
        return attempts

    return install


def run_statement(world, statement):
    async def run():
        async with world.sessions.begin() as session:
            await session.execute(text(statement))

    return run


@METHODS
@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        ("revoke", 403, "machtiging_beeindigd"),
        ("pause", 403, "machtiging_gepauzeerd"),
        (DELETE_LETTERS, 404, "bericht_bestaat_niet"),
        (END_SESSIONS, 303, None),
    ],
)
async def test_end_between_lookup_and_fetch_shows_nothing(
    world, helper, letter, change_before_fetch, method, change, status, reason
):
    async def stop():
        await getattr(world, change)(helper.box)

    attempts = change_before_fetch(method, stop if hasattr(world, change) else run_statement(world, change))
    answer = await helper.get(letter["letter"], method=method)
    assert answer.status_code == status
    assert SECRET not in answer.text
    assert await world.reasons("bericht:lezen") == ([] if reason is None else [reason])
    assert await READER_MARKS.read(world) == []
    assert len(attempts) == (1 if reason is None else 2)


async def test_change_that_takes_nothing_away_is_retried_and_journalled_once(
    world, helper, letter, change_before_fetch, superuser_connection
):
    attempts = change_before_fetch("GET", lambda: superuser_connection.execute(NEW_VERSION))
    assert SECRET in (await helper.get(letter["letter"])).text
    assert len(attempts) == 2
    assert await world.reasons("bericht:lezen") == ["toegestaan"]


async def test_retries_are_limited(world, helper, letter, change_before_fetch, superuser_connection):
    attempts = change_before_fetch("GET", lambda: superuser_connection.execute(NEW_VERSION), always=True)
    answer = await helper.get(letter["letter"])
    assert (answer.status_code, len(attempts)) == (503, 5)
    assert SECRET not in answer.text
    assert await world.reasons("bericht:lezen") == []


# What ends during a download


@pytest.mark.parametrize("change", ["revoke", "pause", END_SESSIONS])
async def test_download_breaks_off_when_machtiging_or_session_ends(world, portal, helper, change):
    letter = await deliver(world, make_pdf(PART_BYTES + 17))
    path = helper.path(letter["letter"], letter["bijlage"])
    download = start_download(portal.app, path, cookie=helper.headers["Cookie"])
    assert (await download.messages.get())["status"] == 200
    assert len((await download.messages.get())["body"]) == PART_BYTES
    if hasattr(world, change):
        await getattr(world, change)(helper.box)
    else:
        await run_statement(world, change)()
    assert not await download.finish()
    assert await world.reasons("bericht:downloaden") == ["toegestaan", "toegang_beeindigd_tijdens_downloaden"]
    [line] = await JOURNAL_INTAKE.read(
        world, "actor_id", "for_person_id", "machtiging_id", reason="toegang_beeindigd_tijdens_downloaden"
    )
    assert tuple(line) == (world.helper, world.citizen, UUID(str(helper.box)))


async def test_download_goes_on_while_the_machtiging_stands(world, portal, helper):
    letter = await deliver(world, make_pdf(2 * PART_BYTES + 17))
    path = helper.path(letter["letter"], letter["bijlage"])
    download = start_download(portal.app, path, cookie=helper.headers["Cookie"])
    assert await download.finish()
    assert await world.reasons("bericht:downloaden") == ["toegestaan"]
