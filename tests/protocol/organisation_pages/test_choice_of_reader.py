"""The citizen sees the employees who may read for her, and chooses one of them."""

import pytest

from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.organisations import change_employee
from tests.builders.people import ISSUER
from tests.builders.rows import AGREEMENTS, JOURNAL_INTAKE, NOTIFICATIONS

EVERYBODY = "iedereen"
ACT = "machtiging:lezers"


@pytest.fixture
async def shared(office):
    """A machtiging that two employees read: Hugo and Noor. The root, and the link of each."""
    root = await office.rows.grant()
    other, other_id = await office.hire()
    first = await office.rows.assign(root)
    second = await office.rows.assign(root, other_id)
    return root, first, (other, other_id, second)


def page_of(root):
    return f"{ISSUER}/helpers/{root}/medewerkers"


async def put_on_leave(office, employee_id):
    async with unit_of_work(office.rows.database.sessions) as session:
        await change_employee(session, employee_id, state="op_non_actief")


async def choose(office, root, who, *, expect=200):
    mother = await office.portal.mother()
    form = (await mother.open_page(page_of(root))).find_form("/medewerkers")
    return await mother.submit_form(form, {"wie": str(who)}, expected_status=expect)


async def test_page_of_readers_names_each_assigned_employee(office, shared):
    root, *_ = shared
    text = (await (await office.portal.mother()).open_page(page_of(root))).text
    assert text.count("Kan uw brieven nu lezen.") == 2
    assert "Hugo Hulpverlener" in text
    assert "Noor Nieuw" in text
    assert "Astrid de Beheerder" not in text


async def test_page_of_readers_without_assignment_says_so(office):
    root = await office.rows.grant()
    assert "Niemand daar leest uw brieven." in (await (await office.portal.mother()).open_page(page_of(root))).text


async def test_absent_reader_is_shown_with_the_reason(office, shared):
    root, *_ = shared
    await put_on_leave(office, office.rows.worker_id)
    text = (await (await office.portal.mother()).open_page(page_of(root))).text
    assert text.count("Kan uw brieven nu lezen.") == 1


async def test_chosen_employee_reads_and_the_other_is_refused_with_the_next_request(office, shared):
    root, first, (other, _, second) = shared
    box = await office.open_box(other, second)
    assert (await box.get()).status_code == 200
    page = await choose(office, root, office.rows.worker_id)
    assert "Uw keuze geldt vanaf nu." in page.text
    assert (await box.get()).status_code == 403
    assert (await (await office.open_box(office.rows.worker, first)).get()).status_code == 200


async def test_choice_is_journalled_with_its_state_and_told_to_all_three(office, shared):
    root, _, (other, *_) = shared
    await choose(office, root, office.rows.worker_id)
    (line,) = await JOURNAL_INTAKE.read(office.rows.database, act=ACT)
    assert (line.outcome, line.machtiging_id, line.actor_id) == ("done", root, office.rows.client)
    assert [entry["tabel"] for entry in line.facts["toestand"]] == ["machtiging", "agreement"]
    told = await NOTIFICATIONS.read_column(office.rows.database, "person_id", kind="machtiging_lezers")
    assert sorted(told) == sorted([office.rows.worker, other])
    assert await NOTIFICATIONS.count(office.rows.database, kind="machtiging_lezers_door_u") == 1


async def test_choice_made_twice_changes_nothing(office, shared):
    root, *_ = shared
    await choose(office, root, office.rows.worker_id)
    versions = await AGREEMENTS.count(office.rows.database)
    await choose(office, root, office.rows.worker_id)
    assert await AGREEMENTS.count(office.rows.database) == versions
    assert await JOURNAL_INTAKE.count(office.rows.database, act=ACT) == 1


async def test_assignment_to_another_employee_after_the_choice_is_refused(office, shared):
    root, *_ = shared
    await choose(office, root, office.rows.worker_id)
    _, late = await office.hire("Late Collega")
    assert await office.rows.assign(root, late) == "medewerker_niet_afgesproken"


async def test_list_of_the_organisation_counts_only_the_chosen_reader(office, shared):
    root, _, (_, other_id, _) = shared
    await choose(office, root, other_id)
    await put_on_leave(office, other_id)
    text = (await (await office.log_in()).open_page(ISSUER + "/organisatie")).text
    assert "1 cliënt heeft nu geen lezer." in text


async def test_choice_of_every_employee_gives_access_back(office, shared):
    root, _, (other, _, second) = shared
    await choose(office, root, office.rows.worker_id)
    await choose(office, root, EVERYBODY)
    assert (await (await office.open_box(other, second)).get()).status_code == 200


@pytest.mark.parametrize("who", ["", "niemand", "0b7f8a04-0000-4000-8000-000000000000"])
async def test_choice_of_an_unknown_reader_is_refused_and_changes_nothing(office, shared, who):
    root, *_ = shared
    page = await choose(office, root, who, expect=400)
    assert "Kies wie uw brieven mag lezen." in page.text
    assert await JOURNAL_INTAKE.count(office.rows.database, act=ACT) == 0


async def test_choice_of_a_colleague_without_assignment_is_refused(office, shared):
    root, *_ = shared
    await choose(office, root, office.administrator_id, expect=400)


async def test_choice_of_another_citizen_is_not_found(office, shared):
    root, *_ = shared
    stranger = await office.portal.son()
    await stranger.open_page(page_of(root), expected_status=404)


async def test_choice_for_a_relative_is_not_offered(office):
    offered = await office.portal.world.offer()
    machtiging = await office.portal.world.accept(offered.code, at=office.portal.clock.now())
    mother = await office.portal.mother()
    page = await mother.open_page(f"{ISSUER}/helpers/{machtiging.id}")
    assert [link for link, _ in page.links if link.endswith("/medewerkers")] == []
    assert "medewerkers van" not in (await mother.open_page(page_of(machtiging.id))).text


async def test_choice_after_withdrawal_shows_what_stands(office, shared):
    root, *_ = shared
    mother = await office.portal.mother()
    form = (await mother.open_page(page_of(root))).find_form("/medewerkers")
    question = (await mother.open_page(f"{ISSUER}/helpers/{root}/intrekken")).find_form("/intrekken")
    await mother.submit_form(question, {})
    page = await mother.submit_form(form, {"wie": str(office.rows.worker_id)}, expected_status=409)
    assert "Deze machtiging is al gestopt." in page.text
