"""`machtiging organisations assignments`: the live assignments of one organisation."""

from uuid import uuid4

from tests.builders.organisations import OTHER_KVK, add_organisation


async def test_live_assignments_are_shown_without_client_or_case_reference(run_command, office):
    root = await office.grant()
    held = await office.assign(root, case_reference="Z-2026-1")
    ended = await office.assign(await office.grant())
    await office.end(ended)
    shown = await run_command("organisations", "assignments", str(office.organisation))
    assert shown.code == 0, shown.operator_output
    assert "1 assignments." in shown.operator_output
    flat = "".join(shown.out.split())
    assert str(held) in flat
    assert str(ended) not in flat
    for word in ("Z-2026-1", "Ans", str(office.client), "post bijhouden"):
        assert word not in shown.out


async def test_assignments_of_another_organisation_are_not_shown(run_command, office):
    await office.assign(await office.grant())
    async with office.database.sessions.begin() as session:
        other = await add_organisation(session, OTHER_KVK)
    shown = await run_command("organisations", "assignments", str(other))
    assert (shown.code, "0 assignments." in shown.operator_output) == (0, True)


async def test_assignments_of_an_unknown_organisation_are_refused(run_command):
    ended = await run_command("organisations", "assignments", str(uuid4()))
    assert (ended.code, "There is no such" in ended.operator_output) == (1, True)
